import { join } from "node:path";
import { findProgram } from "../find-program";
import { logFolder } from "../paths";
import { Problem } from "../problem";
import { canInstallPackages, ensureDebianPackages } from "./debian-packages";

/** Programs that a minimal Debian lacks, and the Debian packages that bring them. */
const packageOf = {
  ab: "apache2-utils",
  busybox: "busybox",
  curl: "curl",
  debootstrap: "debootstrap",
  ip: "iproute2",
  "mkfs.ext4": "e2fsprogs",
  mount: "mount",
  nsenter: "util-linux",
  openssl: "openssl",
  perl: "perl-base",
  shellcheck: "shellcheck",
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  sshd: "openssh-server",
} as const;
export type InstallableProgram = keyof typeof packageOf;

/** What the unit tests call. */
export const unitTestPrograms = [
  "busybox",
  "openssl",
  "shellcheck",
  "ssh-keygen",
] as const satisfies readonly InstallableProgram[];

/** What all tests call. A test that calls another program fails: see test/support/programs.ts. */
export const testPrograms = [
  ...unitTestPrograms,
  "curl",
  "debootstrap",
  "ip",
  "mkfs.ext4",
  "mount",
  "perl",
  "ssh",
  "sshd",
] as const satisfies readonly InstallableProgram[];

/** What the measurements call. */
export const benchPrograms = [
  "ab",
  "curl",
  "debootstrap",
  "nsenter",
  "openssl",
] as const satisfies readonly InstallableProgram[];

/** The packages of those programs that are not on this machine. */
export function packagesFor(
  programs: readonly InstallableProgram[],
  searchPath: string | undefined,
): string[] {
  // Administrators' programs are not on the PATH of every user.
  const everywhere = `${searchPath ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;
  const missing = programs.filter((program) => findProgram(program, everywhere) === undefined);
  return [...new Set(missing.map((program) => packageOf[program]))];
}

/**
 * Installs the programs that are not on this machine.
 *
 * @throws Problem with the command to run where packages cannot be installed without asking
 */
export async function ensurePrograms(
  command: string,
  programs: readonly InstallableProgram[],
): Promise<void> {
  const packages = packagesFor(programs, process.env["PATH"]);
  if (packages.length === 0) return;
  if (!canInstallPackages()) {
    throw new Problem(
      `npm run ${command}: programs of these Debian packages are needed and not on this machine: ` +
        `${packages.join(", ")}.`,
      [
        `On Debian and Ubuntu: sudo apt-get install ${packages.join(" ")}`,
        "On other systems, install what has the same programs.",
      ],
    );
  }
  await ensureDebianPackages(packages, join(logFolder, `${command}-packages.log`));
}
