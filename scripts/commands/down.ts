import { readContext, type Context } from "../context";
import { EngineApi } from "../engine/api";
import { findLeft, findTroubles } from "../engine/deployed";
import { ownFolder } from "../paths";
import { Problem } from "../problem";
import { repairBrokenState } from "../pulumi/broken-state";
import { rememberDataVolume } from "../pulumi/data-volume";
import { forgetEarlierStates } from "../pulumi/history";
import { takeUpKilledRun } from "../pulumi/killed-run";
import { runPulumiWithClients } from "../pulumi/clients";
import { type KnownServer, knownServer, requireSameEngine } from "../pulumi/repair-server";
import { isKnown } from "../pulumi/run";
import { localStacks } from "../pulumi/stack";
import { setUp } from "../setup/set-up";
import { isHelp, withDefaults } from "./pulumi-arguments";

/** `npm run down`: takes away what the stack has deployed. */
export async function down(args: readonly string[]): Promise<number> {
  const context = readContext(args);
  const { backend, project, stack } = context;
  if (!isHelp(args) && backend.backend === "ours") {
    const stacks = localStacks(ownFolder, project.name);
    if (!stacks.includes(stack.name)) return nothingToDo(context, stacks);
  }
  const cli = await setUp(context, { engine: !isHelp(args), images: false });
  if (!isHelp(args)) {
    if (!(await isKnown(context, cli))) return nothingToDo(context);
    await repairBrokenState(context, cli);
    await takeUpKilledRun(context, cli);
    await rememberDataVolume(context, cli);
  }
  // A client that does not answer keeps what it depends on, and nothing else.
  const others = args.some((argument) => argument.startsWith("--continue-on-error"))
    ? []
    : ["--continue-on-error"];
  const server = isHelp(args) ? undefined : await knownServer(context, cli);
  if (server !== undefined) {
    requireKnownEngine(context);
    const troubles = await findTroubles(new EngineApi(context.engine.host), server.objects);
    requireSameEngine(context, server.objects, troubles);
  }
  const code = await runPulumiWithClients(context, cli, [
    "destroy",
    ...[...others, ...withDefaults(args)],
  ]);
  if (code === 0 && !isHelp(args)) forgetEarlierStates(context);
  if (code !== 0 || server === undefined || args.some((argument) => CHOOSING.test(argument))) {
    return code;
  }
  return requireNothingLeft(context, server);
}

/** What is deployed is on an engine, and no program runs that would report a malformed setting. */
function requireKnownEngine({ npmRun, project }: Context): void {
  if (project.isEngineKnown) return;
  throw new Problem("private-registry:dockerHost: the setting names no Docker engine.", [
    "Set it as it was when the stack was deployed, then run this again:",
    `  ${npmRun} pulumi -- config set dockerHost ssh://user@host`,
    "or, for the engine that docker itself uses:",
    `  ${npmRun} pulumi -- config rm dockerHost`,
  ]);
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
    progress.note(
      `✗ still on the engine: the ${kind} ${name}; remove it: docker ${kind} rm ${kind === "container" ? "--force " : ""}${id}`,
    );
  }
  return left.length === 0 ? 0 : 1;
}

/** Says so, and which stacks may have been meant. */
function nothingToDo({ progress, stack }: Context, others: readonly string[] = []): number {
  progress.note(`There is no stack ${stack.name} here: nothing to take down.`);
  for (const other of others)
    progress.note(`  Another one is here: PULUMI_STACK=${other} npm run down`);
  return 0;
}
