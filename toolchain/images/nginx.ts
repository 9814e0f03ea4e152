import { rmSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../../scripts/problem";
import { runLogged } from "../../scripts/run";
import type { PartBuild } from "../part";
import { writeImageArchive } from "./archive";
import { debianMirror, requireDebianTools } from "./debian";

/** Where nginx's stable version is looked for, in this order. */
const SUITES = ["sid", "testing", "stable"] as const;

/** Installed by Debian's keyring package: what the archive's signatures are checked with. */
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Left out of the image, as in the official one. */
const EXCLUDED = [
  "/usr/share/man/*",
  "/usr/share/doc/*",
  "/usr/share/locale/*",
  "/usr/share/info/*",
];

/** Makes `image.tar` with nginx from Debian, as the official image has it. */
export async function buildNginxImage(
  work: PartBuild & { toolchain: string; tag: string },
): Promise<void> {
  const { folder, log } = work;
  await requireDebianTools(["mmdebstrap"], log, ["debian-archive-keyring"]);
  const layer = join(folder, "layer.tar");
  const version = work.tag.split(":")[1] ?? "";
  await installRoot(version, layer, join(work.toolchain, "images", "nginx", "finish.sh"), log);
  await writeImageArchive(
    layer,
    work.tag,
    {
      Entrypoint: ["/docker-entrypoint.sh"],
      Cmd: ["nginx", "-g", "daemon off;"],
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      ExposedPorts: { "80/tcp": {} },
      // Lets requests end before the workers do.
      StopSignal: "SIGQUIT",
    },
    join(folder, "image.tar"),
  );
  rmSync(layer);
}

/** A minimal Debian with nginx and curl, from the first suite that has the wanted version. */
async function installRoot(
  version: string,
  layer: string,
  finish: string,
  log: string,
): Promise<void> {
  const mirror = await debianMirror();
  let failure: unknown;
  for (const suite of SUITES) {
    try {
      await runLogged({
        file: "mmdebstrap",
        args: [
          "--variant=essential",
          "--format=tar",
          `--include=nginx=${version}.*,curl,ca-certificates`,
          ...EXCLUDED.map((path) => `--dpkgopt=path-exclude=${path}`),
          // The mirrors of closed networks lag behind; signatures are checked all the same.
          '--aptopt=Acquire::Check-Valid-Until "false"',
          `--customize-hook=${finish}`,
          suite,
          layer,
          `deb [signed-by=${KEYRING}] ${mirror} ${suite} main`,
        ],
        log,
      });
      return;
    } catch (error) {
      failure = error;
    }
  }
  const details =
    failure instanceof Problem ? [failure.message, ...failure.mend] : [String(failure)];
  throw new Problem(`nginx ${version}: none of Debian's ${SUITES.join(", ")} gave it.`, details);
}
