import { join } from "node:path";
import { execa } from "execa";
import { findProgram } from "../scripts/find-program";
import { Problem } from "../scripts/problem";
import { runLogged } from "../scripts/run";
import { canInstallPackages } from "../scripts/setup/debian-packages";
import { isAtLeast } from "../scripts/versions";
import { makeDebianRoot } from "./debian";
import { obtain, type Part, type PartBuild, type PartStore } from "./part";

/** The first Go that fetches a newer toolchain by itself when a module asks for one. */
const OLDEST_GO = "1.21.0";

/** One `go build` in one of the toolchain's modules. */
export interface GoBuild {
  /** The folder with go.mod and go.sum. */
  module: string;
  packages: readonly string[];
  /** Package variables that the linker sets: versions. */
  variables?: Readonly<Record<string, string>>;
  tags?: string;
  /** Added to the environment. */
  env?: NodeJS.ProcessEnv;
  /** The folder that receives the binaries, named after their packages. */
  into: string;
  /** The build that this one belongs to. */
  work: PartBuild;
}

/** Builds Go programs from the module's go.sum, without symbols, paths or dates of this machine. */
export async function goBuild(build: GoBuild): Promise<void> {
  const variables = Object.entries(build.variables ?? {}).map(
    ([name, value]) => `${name}=${value}`,
  );
  await runLogged({
    file: await requireGo(process.env, build.work.store),
    args: [
      "build",
      "-mod=readonly",
      "-trimpath",
      "-buildvcs=false",
      ...(build.tags === undefined ? [] : ["-tags", build.tags]),
      "-ldflags",
      ["-s", "-w", ...variables.flatMap((assignment) => ["-X", assignment])].join(" "),
      "-o",
      `${build.into}/`,
      ...build.packages,
    ],
    cwd: build.module,
    // A go.work file of the user's would change what is built.
    env: { GOWORK: "off", ...build.env },
    log: build.work.log,
    mend: [
      "If modules could not be fetched: set GOPROXY to a Go module proxy that this machine reaches.",
    ],
  });
}

/** The path of a Go: the machine's own, or else Debian's newest, unpacked into the cache. */
export async function requireGo(env: NodeJS.ProcessEnv, store: PartStore): Promise<string> {
  const own = await findGo(env);
  if (own.usable) return own.program;
  if (!canInstallPackages()) {
    throw new Problem(`Go: ${own.reason}.`, [
      "Pulumi's downloads are not reachable from here, so its engine is built from Go modules. Install",
      `Go ${OLDEST_GO} or newer (Debian 13 and go.dev/dl have one; Debian 12's is too old), or put`,
      "the Pulumi CLI and its plugins on this machine by hand: toolchain/README.md says how.",
    ]);
  }
  return join(await obtain(debianGo, store), "root/usr/lib/go/bin/go");
}

/** Debian's Go, which needs no more than its own files. */
const debianGo: Part = {
  name: "go",
  title: "Go: none here that is new enough, unpacking Debian's",
  usually: "10 to 30 s",
  sources: [],
  recipe: ["golang-go"],
  isPrerequisite: true,
  build: ({ folder, log }) =>
    makeDebianRoot({
      variant: "extract",
      format: "directory",
      include: ["golang-go"],
      exclude: ["/usr/share/doc/*", "/usr/share/man/*"],
      into: join(folder, "root"),
      log,
    }),
};

/** The machine's own Go, if it has one that can be used. */
async function findGo(
  env: NodeJS.ProcessEnv,
): Promise<{ usable: true; program: string } | { usable: false; reason: string }> {
  const searchPath = `${env["PATH"] ?? ""}:/usr/local/go/bin:/usr/lib/go/bin`;
  const program = findProgram("go", searchPath);
  if (program === undefined) {
    return { usable: false, reason: "not found on PATH or in /usr/local/go/bin" };
  }
  const { stdout } = await execa(program, ["env", "GOVERSION"], { env: { GOTOOLCHAIN: "local" } });
  const version = stdout.trim().replace(/^go/, "");
  const full = /^\d+\.\d+$/.test(version) ? `${version}.0` : version;
  if (isAtLeast(full, OLDEST_GO)) return { usable: true, program };
  return { usable: false, reason: `${program} is version ${version}, which is too old` };
}
