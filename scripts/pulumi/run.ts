import { constants } from "node:os";
import { execa } from "execa";
import { pulumiEnvironment, readSelection, spellings, type Context } from "../context";
import { checkout, ownFolder } from "../paths";
import { asProblem, Problem } from "../problem";
import type { PulumiCli } from "./cli";
import { prepareBackend } from "./environment";
import { hideRewriting } from "./settings-file";
import { shortName, stackExists, stateFile, stateMend } from "./stack";
import type { RunningCli } from "./watch";

/** How long {@link askPulumi} waits: a refresh asks the engine for everything. */
const ASK_SECONDS = 10 * 60;

/** What {@link runPulumi} adds a signal's number to, as shells do. */
const SIGNALLED = 128;

/** The exit code of {@link runPulumi} after Ctrl-C. */
export const INTERRUPTED = SIGNALLED + constants.signals.SIGINT;

/** Whether this exit code of {@link runPulumi} says that somebody asked the run to end. */
export function isInterrupted(code: number): boolean {
  return code > SIGNALLED;
}

interface RunOptions {
  env?: NodeJS.ProcessEnv;
  onStart?: (running: RunningCli) => () => void;
}

/**
 * Runs the CLI with this run's own input and output.
 *
 * @param env Added to the CLI's environment.
 * @param onStart Called once it runs; what it returns is called when it has ended.
 * @returns Its exit code; 128 and the signal's number when it was ended by one.
 */
export async function runPulumi(
  context: Context,
  cli: PulumiCli,
  args: readonly string[],
  { env = {}, onStart }: RunOptions = {},
): Promise<number> {
  let signal: NodeJS.Signals | undefined;
  // Ctrl-C reaches the CLI too, which then ends in good order; this run waits for it.
  const interrupt = () => (signal = "SIGINT");
  process.on("SIGINT", interrupt);
  try {
    const running = execa(cli.program, args, {
      cwd: checkout,
      env: { ...pulumiEnvironment(context, cli), ...env },
      extendEnv: false,
      stdio: "inherit",
      reject: false,
    });
    const forward = () => {
      signal = "SIGTERM";
      running.kill(signal);
    };
    process.on("SIGTERM", forward);
    const onEnd = onStart?.(running);
    const result = await running;
    onEnd?.();
    process.off("SIGTERM", forward);
    await hideRewriting(checkout, shortName(context.stack.name));
    if (result.exitCode === 0) return 0;
    signal = result.signal ?? signal;
    if (signal !== undefined) return SIGNALLED + constants.signals[signal];
    if (result.exitCode === undefined) throw new Error(result.shortMessage);
    return result.exitCode;
  } finally {
    process.off("SIGINT", interrupt);
  }
}

/**
 * Runs the CLI and gives what it wrote. Throws a Problem with its own words when it fails.
 *
 * @param input What it reads; nothing if undefined.
 * @param env Added to the CLI's environment.
 */
export async function askPulumi(
  context: Context,
  cli: PulumiCli,
  args: readonly string[],
  { input = "", env = {} }: { input?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const result = await execa(cli.program, [...args, "--non-interactive"], {
    cwd: checkout,
    env: { ...pulumiEnvironment(context, cli), ...env },
    extendEnv: false,
    input,
    timeout: ASK_SECONDS * 1_000,
    reject: false,
  });
  if (!result.failed) return result.stdout;
  if (result.timedOut) {
    throw new Problem(`pulumi ${args.join(" ")}: no end within ${ASK_SECONDS / 60} min.`, [
      "It was ended. See what holds it up: npm run doctor",
    ]);
  }
  const words = result.stderr.trim() || (result.shortMessage ?? "");
  const { backend, project, stack } = context;
  const isBroken = backend.backend === "ours" && words.includes("failed to load checkpoint");
  const mend = isBroken ? stateMend(stateFile(ownFolder, project.name, stack.name)) : [];
  throw new Problem(`pulumi ${args.join(" ")}:`, [...words.split("\n"), ...mend]);
}

/**
 * Makes sure of the backend and the stack. Where both are ours, two files tell that there is nothing
 * to do; for a backend of the user's the CLI is asked.
 *
 * A stack becomes the selected one by `pulumi stack select` and `init` only. The one exception is the
 * default where nothing is selected yet: Pulumi by itself would not know which stack is meant.
 */
export async function ensureStack(context: Context, cli: PulumiCli): Promise<void> {
  const { backend, progress, stack } = context;
  prepareBackend(backend, ownFolder);
  if (backend.backend === "ours" && stack.name.includes("/")) throw noSuchBackend(stack.name);
  // Named for this command, and perhaps misspelled: a backend of the user's may be many people's.
  const isTheirs = backend.backend === "own" && stack.from === "argument";
  if (!isTheirs && !(await isKnown(context, cli))) {
    progress.note(`• stack ${stack.name}: creating it`);
    await askPulumi(context, cli, ["stack", "init", stack.name, "--no-select"]);
  }
  if (stack.from !== "default") return;
  try {
    await askPulumi(context, cli, ["stack", "select", stack.name]);
    progress.note(`• stack ${stack.name}: selected, as no other one is`);
  } catch (error) {
    // Such as a home that cannot be written. Commands of this project do without.
    const why = asProblem(error).mend.join(" ");
    progress.note(`• stack ${stack.name}: not selected for plain Pulumi: ${why}`);
  }
}

function noSuchBackend(stack: string): Problem {
  return new Problem(`stack ${stack}: the backend of this checkout has no organizations.`, [
    "If it is in another backend, say in which: PULUMI_BACKEND_URL, or npm run pulumi -- login URL",
    `If it is a stack of this checkout, leave them out: ${shortName(stack)}`,
  ]);
}

/** Whether there is such a stack. */
export async function isKnown(context: Context, cli: PulumiCli): Promise<boolean> {
  const { backend, project, stack } = context;
  if (backend.backend === "ours") return stackExists(ownFolder, project.name, stack.name);
  try {
    await askPulumi(context, cli, ["stack", "--show-name", "--stack", stack.name]);
    return true;
  } catch (error) {
    const isMissing = error instanceof Problem && error.mend.join().includes("no stack named");
    if (!isMissing) throw error;
    return false;
  }
}

/** Whether a command, by its words, changes which stack is selected, or what it is called. */
export function isSelecting([first, second = ""]: readonly string[]): boolean {
  return first === "stack" && ["init", "rename", "rm", "select", "unselect"].includes(second);
}

/**
 * Does what has to follow a command that selects: the CLI remembers a selection for one spelling of
 * the checkout's path, and forgets it with whatever stack is removed or renamed.
 *
 * @param before What was selected before the command.
 * @param command Such as `rm`.
 */
export async function settleSelection(
  context: Context,
  cli: PulumiCli,
  before: string | undefined,
  command = "",
): Promise<void> {
  if (before !== undefined && ["rm", "rename"].includes(command)) {
    // It fails if that one is gone, and then nothing is selected.
    await askPulumi(context, cli, ["stack", "select", before]).catch(() => undefined);
  }
  const [shell = "", ...others] = spellings(context.env);
  const selected = readSelection(context.env, context.project, [shell]);
  for (const other of others) {
    const args = selected === undefined ? ["unselect"] : ["select", selected];
    await askPulumi(context, cli, ["stack", ...args], { env: { PWD: other } });
  }
}
