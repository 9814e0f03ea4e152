import { existsSync, readFileSync } from "node:fs";
import { execa } from "execa";
import { withLock } from "../locks";
import { Problem } from "../problem";
import { runLogged } from "../run";

/** How long reading the lists of all package sources may take. */
const UPDATE_SECONDS = 900;

/** Whether an os-release file describes Debian, Ubuntu or one of their children. */
export function isDebianFamily(osRelease: string): boolean {
  const ids = osRelease
    .split("\n")
    .flatMap((line) => /^(?:ID|ID_LIKE)="?([^"]*)"?$/.exec(line)?.[1]?.split(" ") ?? []);
  return ids.includes("debian") || ids.includes("ubuntu");
}

/** Whether packages can be installed without asking: Debian's family, as root. */
export function canInstallPackages(): boolean {
  if (process.getuid?.() !== 0 || !existsSync("/etc/os-release")) return false;
  return isDebianFamily(readFileSync("/etc/os-release", "utf8"));
}

/** The packages of a list that dpkg does not have installed. */
export async function missingPackages(packages: readonly string[]): Promise<string[]> {
  if (packages.length === 0) return [];
  const { stdout } = await execa(
    "dpkg-query",
    ["--show", "--showformat", "${Package} ${db:Status-Status}\n", ...packages],
    { reject: false },
  );
  const installed = new Set(
    stdout.split("\n").flatMap((line) => (line.endsWith(" installed") ? [line.split(" ")[0]] : [])),
  );
  return packages.filter((name) => !installed.has(name));
}

/** Installs what is missing of the given Debian packages. Throws a Problem if it may not. */
export async function ensureDebianPackages(
  packages: readonly string[],
  log: string,
): Promise<void> {
  const missing = await missingPackages(packages);
  if (missing.length === 0) return;
  if (!canInstallPackages()) {
    throw new Problem(`Debian packages: ${missing.join(", ")} must be installed, as root.`, [
      `sudo apt-get install ${missing.join(" ")}`,
    ]);
  }
  // Our own steps run side by side; apt's lock then also waits for other people's.
  const nothing = () => undefined;
  await withLock("/run/private-registry-apt", nothing, async () => {
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    const options = ["--option", "DPkg::Lock::Timeout=300"];
    await runLogged({
      ...{ file: "apt-get", args: ["update", ...options], env, log },
      timeoutSeconds: UPDATE_SECONDS,
    });
    await runLogged({
      file: "apt-get",
      args: ["install", "--yes", "--no-install-recommends", ...options, ...missing],
      env,
      log,
      // dpkg that was ended half-way wants to be mended by hand.
      runsToItsEnd: true,
      mend: ["If packages could not be fetched: check apt's sources with apt-get update."],
    });
  });
}
