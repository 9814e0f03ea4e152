import { constants } from "node:os";
import { execa } from "execa";
import { pulumiEnvironment, type Context } from "../context";
import { checkout, ownFolder } from "../paths";
import { Problem } from "../problem";
import type { PulumiCli } from "./cli";
import { prepareBackend } from "./environment";
import { hideRewriting } from "./settings-file";
import { stackExists } from "./stack";
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
    await hideRewriting(checkout, context.stack.name);
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
 */
export async function askPulumi(
  context: Context,
  cli: PulumiCli,
  args: readonly string[],
  { input = "" }: { input?: string } = {},
): Promise<string> {
  const result = await execa(cli.program, [...args, "--non-interactive"], {
    cwd: checkout,
    env: pulumiEnvironment(context, cli),
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
  throw new Problem(`pulumi ${args.join(" ")}:`, words.split("\n"));
}

/**
 * Makes sure of the backend and the stack. Where both are ours, two files tell that there is
 * nothing to do; for a backend of the user's the CLI is asked.
 */
export async function ensureStack(context: Context, cli: PulumiCli): Promise<void> {
  const { backend, project, stack } = context;
  prepareBackend(backend, ownFolder);
  const exists = backend.backend === "ours" && stackExists(ownFolder, project.name, stack.name);
  if (exists && stack.from !== "default") return;
  if (stack.from === "argument") {
    // Named for this command only: it becomes no selection.
    if (backend.backend === "ours") {
      context.progress.note(`• stack ${stack.name}: creating it`);
      await askPulumi(context, cli, ["stack", "init", stack.name, "--no-select"]);
    }
    return;
  }
  context.progress.note(
    `• stack ${stack.name}: ${exists ? "selecting" : "selecting or creating"} it`,
  );
  await askPulumi(context, cli, ["stack", "select", stack.name, "--create"]);
}
