import { readContext, type Context } from "../context";
import { isRemote } from "../engine/address";
import { EngineApi } from "../engine/api";
import { requirePort } from "../engine/port";
import { ownFolder } from "../paths";
import { repairBrokenState } from "../pulumi/broken-state";
import { takeUpKilledRun } from "../pulumi/killed-run";
import { upWithClients } from "../pulumi/clients";
import { ensureStack, askPulumi } from "../pulumi/run";
import type { PulumiCli } from "../pulumi/cli";
import { repairServer } from "../pulumi/repair-server";
import { hasContainers } from "../pulumi/stack";
import { lookAtRegistry, problemOf } from "../registry/look";
import { outputsSchema } from "../registry/outputs";
import { setUp } from "../setup/set-up";
import { findChangedClients } from "./changed-clients";
import { nextSteps, nextStepsSchema } from "./next-steps";
import { isHelp, withDefaults } from "./pulumi-arguments";

/** `npm run up`: sets up whatever is missing, deploys, and tells what comes next. */
export async function up(args: readonly string[]): Promise<number> {
  const context = readContext(args);
  if (!isHelp(args)) await checkPortWhenNew(context);
  const cli = await setUp(context, { engine: !isHelp(args), images: !isHelp(args) });
  if (!isHelp(args)) {
    await ensureStack(context, cli);
    await repairBrokenState(context, cli);
    await takeUpKilledRun(context, cli);
    if (!args.includes("--preview-only")) await repairServer(context, cli);
    await findChangedClients(context, cli);
  }
  const code = await upWithClients(context, cli, withDefaults(args));
  if (code !== 0 || isHelp(args) || args.includes("--preview-only")) return code;

  return tellWhatServes(context, cli);
}

/** Asks the registry, and says of it no more than it answered. */
async function tellWhatServes(context: Context, cli: PulumiCli): Promise<number> {
  const { engine, progress, project, stack } = context;
  const named = stack.from === "argument" ? ["--stack", stack.name] : [];
  const output = await askPulumi(context, cli, [
    ...["stack", "output", "--json", "--show-secrets", ...named],
  ]);
  const outputs: unknown = JSON.parse(output);
  const next = nextStepsSchema.safeParse(outputs);
  const registry = outputsSchema.safeParse(outputs);
  // A program of one's own may put out something else.
  if (!next.success || !registry.success) return 0;
  const look = await lookAtRegistry(engine.host, project.bindAddress, registry.data);
  const { registryUrl } = registry.data;
  const problem = problemOf(look);
  if (problem === undefined) {
    process.stdout.write(nextSteps(next.data, `The registry answers at ${registryUrl}`));
    return 0;
  }
  if (look.unreachable !== undefined && look.isElsewhere) {
    const seen = `Deployed as ${registryUrl}. From this machine it could not be asked: ${problem}`;
    process.stdout.write(nextSteps(next.data, seen));
    return 0;
  }
  progress.note(`✗ deployed, but ${registryUrl} does not serve: ${problem}`);
  progress.note("  See what is wrong: npm run doctor");
  return 1;
}

/** Only when nothing is deployed: later, the one who has the port is the registry itself. */
async function checkPortWhenNew({ backend, engine, project, stack }: Context): Promise<void> {
  if (backend.backend === "own" || isRemote(engine.host)) return;
  if (hasContainers(ownFolder, project.name, stack.name)) return;
  await requirePort(project, new EngineApi(engine.host));
}
