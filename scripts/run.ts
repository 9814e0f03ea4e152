import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { basename, dirname, relative } from "node:path";
import { execa } from "execa";
import { Problem } from "./problem";

/** A command whose output goes to a log file. */
export interface LoggedCommand {
  file: string;
  args: readonly string[];
  /** The log file; each command is appended to it. */
  log: string;
  cwd?: string;
  /** Added to the environment. */
  env?: NodeJS.ProcessEnv;
  /** Neither Ctrl-C nor the end of this run ends it: half of it would leave a mess. */
  runsToItsEnd?: boolean;
  /**
   * Ended after this time.
   *
   * @default an hour, which is longer than the longest build on a slow machine
   */
  timeoutSeconds?: number;
  /** What to do when it fails; the log's last lines are told in any case. */
  mend?: readonly string[];
}

/** Runs a command to its end, its output in the log. Throws a Problem with the last lines of it. */
export async function runLogged(command: LoggedCommand): Promise<void> {
  const { file, args, log } = command;
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  appendFileSync(log, `\n$ ${[file, ...args].join(" ")}\n`, { mode: 0o600 });
  const output = { file: log, append: true };
  const result = await execa(file, args, {
    cwd: command.cwd ?? process.cwd(),
    env: command.env ?? {},
    stdin: "ignore",
    stdout: output,
    stderr: output,
    buffer: false,
    detached: command.runsToItsEnd ?? false,
    cleanup: !(command.runsToItsEnd ?? false),
    timeout: (command.timeoutSeconds ?? 3_600) * 1_000,
    reject: false,
  });
  if (!result.failed) return;
  throw new Problem(`${[basename(file), args[0]].join(" ")}: ${outcome(result)}; its last words:`, [
    ...lastLines(readFileSync(log, "utf8"), 12).map((line) => `| ${line}`),
    `The whole log: ${relative(process.cwd(), log)}`,
    ...(command.mend ?? []),
  ]);
}

function outcome(result: { timedOut: boolean; exitCode?: number; signal?: string }): string {
  if (result.timedOut) return "no end within the time it may take";
  if (result.exitCode !== undefined) return `exit code ${result.exitCode}`;
  return `ended by ${result.signal ?? "a failed start"}`;
}

/** The last lines that are not empty. */
export function lastLines(text: string, count: number): string[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.slice(-count);
}
