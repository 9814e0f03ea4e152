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
  ...["docker", "dockerd", "pulumi"],
  ...["cat", "chmod", "chown", "date", "head", "ln", "ls", "mkdir", "rm", "sed", "stat", "tail"],
  ...["apt-config", "apt-get", "bash", "chpasswd", "cksum", "cp", "dash", "df", "dpkg-query"],
  ...["fallocate", "find", "grep", "mmdebstrap"],
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

/** Words of the shell's own at the beginning of a command. */
const shellWords = new Set([
  ...[
    ":",
    "[",
    "cd",
    "command",
    "echo",
    "exit",
    "export",
    "false",
    "kill",
    "printf",
    "read",
    "set",
    "shift",
  ],
  ...["test", "trap", "true", "umask", "unset", "wait", "do", "done", "else", "fi", "for", "if"],
  ...["then", "until", "while"],
]);

/** The programs that a line of shell calls, as far as they can be told without a parser. */
export function programsIn(line: string): string[] {
  return line
    .split(/&&|\|\||[;|&\n]/)
    .map((command) => command.trim().replace(/^(?:(?:exec|!) +|\w+=\S* +)+/, ""))
    .map((command) => /^[a-z][\w.-]*(?= |$)/.exec(command)?.[0] ?? "")
    .filter((word) => word !== "" && !shellWords.has(word));
}

/** The short lines of shell among a program's arguments; scripts of ours are for other machines too. */
function shellLines(rest: readonly unknown[]): string[] {
  const args = rest.find((one) => Array.isArray(one)) ?? [];
  return (args as unknown[]).filter(
    (one, index, all): one is string =>
      all[index - 1] === "-c" && typeof one === "string" && !one.includes("\n"),
  );
}

for (const name of ["spawn", "spawnSync", "execFile", "execFileSync"] as const) {
  const original = childProcess[name] as (program: string, ...rest: unknown[]) => unknown;
  Object.assign(childProcess, {
    [name]: (program: string, ...rest: unknown[]) => {
      requireAllowed(program);
      if (["sh", "bash", "dash", "unshare"].includes(program)) {
        shellLines(rest).flatMap(programsIn).forEach(requireAllowed);
      }
      return original(program, ...rest);
    },
  });
}
syncBuiltinESMExports();
