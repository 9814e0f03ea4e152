import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";

/** The provider that runs the clients' commands. */
const COMMAND_PROVIDER = "pulumi-resource-command";

/**
 * Ends the command provider of a Pulumi CLI, so that what it is doing fails. There is no gentler way:
 * a command over SSH is waited for without an end, whatever `customTimeouts` say, also by an engine
 * that is asked to stop.
 *
 * @param cli The process of the CLI.
 * @returns Whether there was one to end.
 */
export function endCommandProvider(cli: number): boolean {
  const found = childrenOf(cli).filter(({ program }) => basename(program) === COMMAND_PROVIDER);
  for (const { pid } of found) process.kill(pid, "SIGKILL");
  return found.length > 0;
}

/** The children of a process that run a program, by its path. None where there is no proc(5). */
export function childrenOf(parent: number): { pid: number; program: string }[] {
  return processes().flatMap((pid) => {
    try {
      // The name is in brackets, and may have some itself; then come the state and the parent.
      const [, ppid] = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      if (Number(ppid) !== parent) return [];
      const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return [{ pid, program }];
    } catch {
      return []; // It has ended meanwhile.
    }
  });
}

function processes(): number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}
