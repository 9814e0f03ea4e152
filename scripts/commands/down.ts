import { readContext, type Context } from "../context";
import { EngineApi } from "../engine/api";
import { findLeft } from "../engine/deployed";
import { ownFolder } from "../paths";
import type { PulumiCli } from "../pulumi/cli";
import { repairBrokenState } from "../pulumi/broken-state";
import { rememberDataVolume } from "../pulumi/data-volume";
import { takeUpKilledRun } from "../pulumi/killed-run";
import { runPulumiWithClients } from "../pulumi/clients";
import { type KnownServer, knownServer } from "../pulumi/repair-server";
import { askPulumi } from "../pulumi/run";
import { stackExists } from "../pulumi/stack";
import { setUp } from "../setup/set-up";
import { isHelp, withDefaults } from "./pulumi-arguments";

/** `npm run down`: takes away what the stack has deployed. */
export async function down(args: readonly string[]): Promise<number> {
  const context = readContext(args);
  const { backend, project, stack } = context;
  const isOurs = backend.backend === "ours";
  if (!isHelp(args) && isOurs && !stackExists(ownFolder, project.name, stack.name)) {
    return nothingToDo(context);
  }
  const cli = await setUp(context, { engine: !isHelp(args), images: false });
  if (!isHelp(args) && !isOurs && !(await isKnown(context, cli))) return nothingToDo(context);
  if (!isHelp(args)) {
    await repairBrokenState(context, cli);
    await takeUpKilledRun(context, cli);
    await rememberDataVolume(context, cli);
  }
  const named = stack.from === "default" ? ["--stack", stack.name] : [];
  // A client that does not answer keeps what it depends on, and nothing else.
  const others = args.some((argument) => argument.startsWith("--continue-on-error"))
    ? []
    : ["--continue-on-error"];
  const server = isHelp(args) ? undefined : await knownServer(context, cli);
  const code = await runPulumiWithClients(context, cli, [
    "destroy",
    ...[...named, ...others, ...withDefaults(args)],
  ]);
  if (code !== 0 || server === undefined || args.some((argument) => CHOOSING.test(argument))) {
    return code;
  }
  return requireNothingLeft(context, server);
}

/** Arguments of `destroy` with which something is meant to stay. */
const CHOOSING = /^(-t|--target|--exclude|--exclude-protected|--preview-only)(=.*)?$/;

/** Looks whether what was to go is gone. */
async function requireNothingLeft(
  { engine, progress }: Context,
  { objects }: KnownServer,
): Promise<number> {
  const left = await findLeft(
    new EngineApi(engine.host),
    objects.filter(({ isKept }) => !isKept),
  );
  for (const { kind, name, id } of left) {
    progress.note(`✗ still on the engine: the ${kind} ${name}; remove it: docker ${kind} rm ${id}`);
  }
  return left.length === 0 ? 0 : 1;
}

function nothingToDo({ progress, stack }: Context): number {
  progress.note(`There is no stack ${stack.name} here: nothing to take down.`);
  return 0;
}

/** Whether the user's own backend has the stack. */
async function isKnown(context: Context, cli: PulumiCli): Promise<boolean> {
  const listed = await askPulumi(context, cli, ["stack", "ls", "--json"]);
  const stacks = JSON.parse(listed) as { name: string }[];
  return stacks.some(({ name }) => name.split("/").at(-1) === context.stack.name);
}
