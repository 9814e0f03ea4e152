/**
 * Run before every test file: a test may call a program only if `npm test` installs it, or if every
 * machine has it. Otherwise the test would fail on a machine that has nothing but Node, npm and git.
 */
import childProcess from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import { testPrograms } from "../../scripts/setup/programs";

/** Programs of the README's own requirements, of `npm run up`'s set-up, and of a minimal Debian. */
const present = [
  ...["git", "node", "npm", "npx"],
  ...["docker", "pulumi"],
  ...["apt-get", "bash", "chpasswd", "cksum", "cp", "dash", "df", "fallocate", "find", "grep"],
  ...["losetup", "mv", "sh", "sleep", "sync", "tar", "umount", "unshare"],
];
export const allowed: ReadonlySet<string> = new Set([...present, ...testPrograms]);

/** Throws if a test calls a program by its name that is not on every machine. */
export function requireAllowed(program: string): void {
  if (program.includes("/") || allowed.has(program)) return;
  throw new Error(
    `${program}: a test calls it, but a minimal machine does not have it; ` +
      "add it to scripts/setup/programs.ts, so that npm test installs it",
  );
}

for (const name of ["spawn", "spawnSync", "execFile", "execFileSync"] as const) {
  const original = childProcess[name] as (program: string, ...rest: unknown[]) => unknown;
  Object.assign(childProcess, {
    [name]: (program: string, ...rest: unknown[]) => {
      requireAllowed(program);
      return original(program, ...rest);
    },
  });
}
syncBuiltinESMExports();
