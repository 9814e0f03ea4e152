import { execa } from "execa";
import { ensureDebianPackages } from "../../scripts/setup/debian-packages";
import { findProgram } from "../../scripts/find-program";
import { Problem } from "../../scripts/problem";

const BY_HAND = [
  "Or bring the image by hand: on a machine that reaches Docker Hub run",
  "  docker pull registry:3.1.2 && docker pull nginx:1.30",
  "  docker save registry:3.1.2 nginx:1.30 -o images.tar",
  "and here: docker load -i images.tar",
];

/** Debian packages that bring the programs the image builds call. */
const PACKAGE_OF = {
  "dpkg-deb": "dpkg",
  mmdebstrap: "mmdebstrap",
} as const;

/** Makes sure of the programs for an image build. Throws a Problem where there is no apt. */
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
