import { type Context, readContext, readSelection } from "../context";
import { ownFolder } from "../paths";
import { repairBrokenState, tellBrokenState } from "../pulumi/broken-state";
import { prepareBackend } from "../pulumi/environment";
import { forgetEarlierStates } from "../pulumi/history";
import { endDeadLocks, requireWholeState } from "../pulumi/killed-run";
import { requireEncryptedSecrets } from "../pulumi/plain-secrets";
import { settingsFile } from "../pulumi/project";
import { ensureStack, isSelecting, runPulumi, settleSelection } from "../pulumi/run";
import { unpackJsonText } from "../pulumi/settings-file";
import { shortName } from "../pulumi/stack";
import { setUp } from "../setup/set-up";
import { changedInPart, isHelp, refuseHiddenFlags, refusePlainSecret } from "./pulumi-arguments";

/** Commands that work without a stack, or choose one themselves. */
const WITHOUT_STACK = [
  "about",
  "completion",
  "help",
  "login",
  "logout",
  "plugin",
  "stack init",
  "stack ls",
  "stack select",
  "stack unselect",
  "version",
  "whoami",
];

/** Commands that ask the engine for something. */
const WITH_ENGINE = ["destroy", "import", "preview", "refresh", "up", "update", "watch"];

/** Those of them that run the program, and so use the settings. */
const WITH_PROGRAM = ["preview", "up", "update", "watch"];

/** Those of them after which the states of before are of no use. */
const CHANGING = ["destroy", "up", "update"];

/** `npm run pulumi -- ARGS`: the CLI with what `npm run up` uses. */
export async function pulumi(args: readonly string[]): Promise<number> {
  const context = readContext(args);
  refuseHiddenFlags(args, context.npmRun);
  refusePlainSecret(args, context.npmRun);
  const words = args.filter((argument) => !argument.startsWith("-"));
  if (WITH_PROGRAM.includes(words[0] ?? "") && !isHelp(args)) requireEncryptedSecrets(context);
  const cli = await setUp(context, {
    engine: WITH_ENGINE.includes(words[0] ?? ""),
    images: ["up", "update", "watch"].includes(words[0] ?? ""),
  });
  if (!needsStack(args)) {
    prepareBackend(context.backend, ownFolder);
  } else {
    await ensureStack(context, cli);
    await repairBrokenState(context, cli);
  }
  unpackChangedSetting(context, args);
  if (WITH_ENGINE.includes(words[0] ?? "") && !isHelp(args)) await endDeadLocks(context, cli);
  const before = isSelecting(words) ? readSelection(context.env, context.project) : undefined;
  const code = await runPulumi(context, cli, args);
  if (code === 0 && CHANGING.includes(words[0] ?? "") && !isHelp(args)) {
    forgetEarlierStates(context);
  }
  if (code === 0 && isSelecting(words)) await settleSelection(context, cli, before, words[1]);
  // Pulumi has said what it could not read, but not how that is brought back.
  else if (needsStack(args)) {
    requireWholeState(context);
    await tellBrokenState(context, cli);
  }
  return code;
}

function unpackChangedSetting(
  { progress, project, stack }: Context,
  args: readonly string[],
): void {
  const key = changedInPart(args, project.name);
  const file = settingsFile(project, shortName(stack.name));
  if (key === undefined || isHelp(args) || !unpackJsonText(file, key)) return;
  progress.note(
    `• ${key} was one JSON text, which --path would replace: it has keys of its own now`,
  );
}

/** Whether a command works on the selected stack, so that one must be selected. */
export function needsStack(args: readonly string[]): boolean {
  const words = args.filter((argument) => !argument.startsWith("-"));
  if (words.length === 0 || isHelp(args)) return false;
  const [first, second] = words;
  return ![first, `${first ?? ""} ${second ?? ""}`].some((command) =>
    WITHOUT_STACK.includes(command ?? ""),
  );
}
