import { execa } from "execa";
import { findProgram } from "../scripts/find-program";
import { Problem } from "../scripts/problem";
import { runLogged } from "../scripts/run";
import { isAtLeast } from "../scripts/versions";

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
  log: string;
}

/** Builds Go programs from the module's go.sum, without symbols, paths or dates of this machine. */
export async function goBuild(build: GoBuild): Promise<void> {
  const variables = Object.entries(build.variables ?? {}).map(
    ([name, value]) => `${name}=${value}`,
  );
  await runLogged({
    file: await findGo(process.env),
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
    log: build.log,
    mend: [
      "If modules could not be fetched: set GOPROXY to a Go module proxy that this machine reaches.",
    ],
  });
}

/** The path of a usable Go. Throws a Problem when there is none. */
export async function findGo(env: NodeJS.ProcessEnv): Promise<string> {
  const searchPath = `${env["PATH"] ?? ""}:/usr/local/go/bin:/usr/lib/go/bin`;
  const go = findProgram("go", searchPath);
  const mend = [
    "Pulumi's downloads are not reachable from here, so its engine is built from Go modules, which needs",
    `Go ${OLDEST_GO} or newer (Debian 12's golang package is too old; bookworm-backports, Debian 13 and`,
    "go.dev/dl have one). Or put `pulumi` and its plugins on this machine by hand: toolchain/README.md.",
  ];
  if (go === undefined) throw new Problem("Go: not found in PATH or /usr/local/go/bin.", mend);
  const { stdout } = await execa(go, ["env", "GOVERSION"], { env: { GOTOOLCHAIN: "local" } });
  const version = stdout.trim().replace(/^go/, "");
  const full = /^\d+\.\d+$/.test(version) ? `${version}.0` : version;
  if (!isAtLeast(full, OLDEST_GO)) {
    throw new Problem(`Go: ${go} is version ${version}, which is too old.`, mend);
  }
  return go;
}
