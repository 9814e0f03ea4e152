import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { runLogged } from "../../scripts/run";
import { requireDebianTools } from "../debian";
import { goBuild } from "../go";
import type { PartBuild } from "../part";
import { writeImageArchive } from "./archive";

/** Debian packages whose files go into the image: a shell with wget, and the public CAs. */
const PACKAGES = ["busybox-static", "ca-certificates"] as const;

const PASSWD = `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
`;
const GROUP = `root:x:0:
nogroup:x:65534:
`;

/** Makes `image.tar` with distribution's registry, as the official image has it. */
export async function buildRegistryImage(
  work: PartBuild & { toolchain: string; tag: string; registryVersion: string },
): Promise<void> {
  const { folder, log, toolchain } = work;
  await requireDebianTools(["dpkg-deb"], log);
  const root = join(folder, "root");
  for (const path of ["bin", "etc/distribution", "etc/ssl/certs", "root", "var/lib/registry"]) {
    mkdirSync(join(root, path), { recursive: true });
  }
  mkdirSync(join(root, "tmp"));
  chmodSync(join(root, "tmp"), 0o1777);

  const packagePath = "github.com/distribution/distribution/v3";
  await goBuild({
    module: join(toolchain, "registry"),
    packages: [`${packagePath}/cmd/registry`],
    variables: {
      [`${packagePath}/version.version`]: work.registryVersion,
      [`${packagePath}/version.mainpkg`]: packagePath,
    },
    env: { CGO_ENABLED: "0" },
    into: join(root, "bin"),
    work,
  });
  await addPackages(folder, root, log);

  const files = join(toolchain, "images", "registry");
  cpSync(join(files, "config.yml"), join(root, "etc/distribution/config.yml"));
  cpSync(join(files, "entrypoint.sh"), join(root, "entrypoint.sh"));
  chmodSync(join(root, "entrypoint.sh"), 0o755);
  writeFileSync(join(root, "etc/passwd"), PASSWD);
  writeFileSync(join(root, "etc/group"), GROUP);

  const layer = join(folder, "layer.tar");
  const owner = ["--owner=0", "--group=0", "--numeric-owner"];
  await runLogged({
    file: "tar",
    args: ["--create", "--sort=name", ...owner, "--file", layer, "--directory", root, "."],
    log,
  });
  await writeImageArchive(
    layer,
    work.tag,
    {
      Entrypoint: ["/entrypoint.sh"],
      Cmd: ["/etc/distribution/config.yml"],
      // Without it the registry looks for a collector of traces at every start.
      Env: [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "OTEL_TRACES_EXPORTER=none",
      ],
      ExposedPorts: { "5000/tcp": {} },
      Volumes: { "/var/lib/registry": {} },
    },
    join(folder, "image.tar"),
  );
  rmSync(root, { recursive: true });
  rmSync(layer);
}

/** Unpacks what is needed of the machine's own Debian or Ubuntu packages; apt checks signatures. */
async function addPackages(folder: string, root: string, log: string): Promise<void> {
  const downloads = join(folder, "packages");
  const unpacked = join(downloads, "root");
  mkdirSync(unpacked, { recursive: true });
  await runLogged({
    file: "apt-get",
    // As root apt would drop to a user that may not write here.
    args: ["download", "--option", "APT::Sandbox::User=root", ...PACKAGES],
    cwd: downloads,
    log,
    mend: ["If apt knows no such package: run apt-get update as root."],
  });
  for (const file of readdirSync(downloads).filter((name) => name.endsWith(".deb"))) {
    await runLogged({
      file: "dpkg-deb",
      args: ["--extract", join(downloads, file), unpacked],
      log,
    });
  }

  const mozilla = join(unpacked, "usr/share/ca-certificates/mozilla");
  const certificates = readdirSync(mozilla).sort();
  const bundle = certificates.map((name) => readFileSync(join(mozilla, name), "utf8")).join("");
  writeFileSync(join(root, "etc/ssl/certs/ca-certificates.crt"), bundle);

  // /bin or /usr/bin: it moved between Debian releases.
  const busybox = ["usr/bin/busybox", "bin/busybox"]
    .map((path) => join(unpacked, path))
    .find((path) => {
      try {
        return readFileSync(path).length > 0;
      } catch {
        return false;
      }
    });
  if (busybox === undefined)
    throw new Error("busybox-static has neither /bin nor /usr/bin/busybox");
  cpSync(busybox, join(root, "bin/busybox"));
  const { stdout } = await execa(busybox, ["--list"]);
  for (const applet of stdout.split("\n")) {
    if (applet !== "" && applet !== "busybox") symlinkSync("busybox", join(root, "bin", applet));
  }
  rmSync(downloads, { recursive: true });
}
