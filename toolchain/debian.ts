import { rmSync } from "node:fs";
import { execa } from "execa";
import { ensureDebianPackages } from "../scripts/setup/debian-packages";
import { findProgram } from "../scripts/find-program";
import { Problem } from "../scripts/problem";
import { runLogged } from "../scripts/run";

/** Suites of Debian in which current versions are looked for, in this order. */
const SUITES = ["sid", "testing", "stable"] as const;

/** Installed by Debian's keyring package: what the archive's signatures are checked with. */
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** apt's setting: whether a package list has an end. */
const CHECK_AGE = "Acquire::Check-Valid-Until";

const BY_HAND = [
  "Or bring the image by hand: on a machine that reaches Docker Hub run",
  "  docker pull registry:3.1.2 && docker pull nginx:1.30",
  "  docker save registry:3.1.2 nginx:1.30 -o images.tar",
  "and here: docker load -i images.tar",
];

/** Debian packages that bring the programs which builds call. */
const PACKAGE_OF = {
  "dpkg-deb": "dpkg",
  mmdebstrap: "mmdebstrap",
} as const;

/** Makes sure of the programs for a build from packages. Throws a Problem where there is no apt. */
export async function requireDebianTools(
  programs: readonly (keyof typeof PACKAGE_OF)[],
  log: string,
  packages: readonly string[] = [],
): Promise<void> {
  if (findProgram("apt-get", process.env["PATH"]) === undefined) {
    throw new Problem(
      "Docker Hub is not reachable from the engine, and without apt-get no image can be built here.",
      BY_HAND,
    );
  }
  const missing = programs
    .filter((program) => findProgram(program, process.env["PATH"]) === undefined)
    .map((program) => PACKAGE_OF[program]);
  await ensureDebianPackages([...missing, ...packages], log);
}

/**
 * The Debian mirror that this machine's apt uses.
 *
 * @returns Its address, such as a package proxy of a closed network.
 */
export async function debianMirror(): Promise<string> {
  const { stdout } = await execa("apt-get", [
    "indextargets",
    "--format",
    "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
    "Created-By: Packages",
  ]);
  const mirror = parseMirror(stdout);
  if (mirror !== undefined) return mirror;
  throw new Problem("apt: none of this machine's package sources is a Debian archive.", [
    "The nginx image is made from Debian's packages: add a Debian mirror to apt's sources and run",
    "apt-get update.",
    ...BY_HAND,
  ]);
}

/** Finds Debian's main archive, not its security updates, in the lines of apt's index targets. */
export function parseMirror(targets: string): string | undefined {
  for (const line of targets.split("\n")) {
    const [origin, label, address] = line.split("|");
    if (origin === "Debian" && label === "Debian" && address !== undefined) return address;
  }
  return undefined;
}

/** A filesystem made of Debian packages, apart from the machine's own. */
export interface DebianRoot {
  /** `essential` installs packages in a minimal Debian, `extract` only unpacks them. */
  variant: "essential" | "extract";
  format: "tar" | "directory";
  /** Package names, or `name=version` with `*` in the version. */
  include: readonly string[];
  /** Paths that are left out. */
  exclude?: readonly string[];
  /** A program that is run with the root's path at the end. */
  finish?: string;
  /** What is written: a file or a folder. */
  into: string;
  log: string;
}

/**
 * Whether package lists may be older than they say themselves: mirrors of closed networks lag behind.
 * That is for whoever runs this machine to say, and apt's configuration has it.
 */
async function ageOptions(): Promise<string[]> {
  const { stdout } = await execa("apt-config", ["dump", CHECK_AGE]);
  return stdout
    .split("\n")
    .filter((line) => line.startsWith(`${CHECK_AGE} `))
    .map((line) => `--aptopt=${line}`);
}

/** Makes such a filesystem from the first suite that has the packages. */
export async function makeDebianRoot(root: DebianRoot): Promise<void> {
  await requireDebianTools(["mmdebstrap"], root.log, ["debian-archive-keyring"]);
  const mirror = await debianMirror();
  const age = await ageOptions();
  const failures: string[][] = [];
  for (const suite of SUITES) {
    try {
      await runLogged({
        file: "mmdebstrap",
        args: [
          `--variant=${root.variant}`,
          `--format=${root.format}`,
          `--include=${root.include.join(",")}`,
          ...(root.exclude ?? []).map((path) => `--dpkgopt=path-exclude=${path}`),
          ...age,
          ...(root.finish === undefined ? [] : [`--customize-hook=${root.finish}`]),
          suite,
          root.into,
          `deb [signed-by=${KEYRING}] ${mirror} ${suite} main`,
        ],
        log: root.log,
      });
      return;
    } catch (error) {
      failures.push(error instanceof Problem ? [error.message, ...error.mend] : [String(error)]);
      // What is half made would be in the next suite's way.
      rmSync(root.into, { recursive: true, force: true });
    }
  }
  // An old list, played back, would hide the security updates since then.
  const expired = failures.find((lines) => /Release file .* is expired/.test(lines.join("\n")));
  const details = expired ?? failures.at(-1) ?? [];
  if (expired !== undefined) {
    details.push(
      "The mirror's package lists are older than Debian allows. Is this a mirror that lags behind",
      "and that you trust? Then have apt accept it, on this machine:",
      `  echo '${CHECK_AGE} "false";' | sudo tee /etc/apt/apt.conf.d/90lagging-mirror`,
    );
  }
  throw new Problem(
    `Debian: none of ${SUITES.join(", ")} gave ${root.include.join(", ")}.`,
    details,
  );
}
