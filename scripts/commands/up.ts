import { z } from "zod";
import { readContext, type Context } from "../context";
import { isRemote } from "../engine/address";
import { EngineApi } from "../engine/api";
import { requirePort } from "../engine/port";
import { ownFolder } from "../paths";
import { repairBrokenState, requireReadableState } from "../pulumi/broken-state";
import { forgetEarlierStates } from "../pulumi/history";
import { takeUpKilledRun } from "../pulumi/killed-run";
import { requireEncryptedSecrets } from "../pulumi/plain-secrets";
import { upWithClients } from "../pulumi/clients";
import { ensureStack, askPulumi } from "../pulumi/run";
import type { PulumiCli } from "../pulumi/cli";
import { repairServer, undoServer } from "../pulumi/repair-server";
import { hasContainers } from "../pulumi/stack";
import { type Look, lookAtRegistry, problemOf } from "../registry/look";
import { outputsSchema } from "../registry/outputs";
import { setUp } from "../setup/set-up";
import { findChangedClients } from "./changed-clients";
import { nextSteps, nextStepsSchema } from "./next-steps";
import { isHelp, withDefaults } from "./pulumi-arguments";

/** `npm run up`: sets up whatever is missing, deploys, and tells what comes next. */
export async function up(args: readonly string[]): Promise<number> {
  const context = readContext(args);
  if (!isHelp(args)) {
    requireEncryptedSecrets(context);
    requireReadableState(context);
    await checkPortWhenNew(context);
  }
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
  forgetEarlierStates(context);

  const seen = await askWhatServes(context, cli);
  if (seen === undefined) return 0;
  if (seen.look.isElsewhere || problemOf(seen.look) === undefined)
    return tellWhatServes(context, seen);

  context.progress.note(`• ${problemOf(seen.look) ?? ""}: applying everything again`);
  await undoServer(context, cli);
  const again = await upWithClients(context, cli, withDefaults(args));
  if (again !== 0) return again;
  return tellWhatServes(context, { ...seen, ...(await askWhatServes(context, cli)) });
}

/** What the stack puts out, and what the registry was seen to do. */
interface Seen {
  outputs: z.infer<typeof upOutputsSchema>;
  look: Look;
}

const upOutputsSchema = z.intersection(nextStepsSchema, outputsSchema);

/** Asks the registry; undefined if the program is one of the user's own that puts out something else. */
async function askWhatServes(context: Context, cli: PulumiCli): Promise<Seen | undefined> {
  const { engine, project } = context;
  const asked = ["stack", "output", "--json", "--show-secrets"];
  const { data } = upOutputsSchema.safeParse(JSON.parse(await askPulumi(context, cli, asked)));
  if (data === undefined) return undefined;
  const look = await lookAtRegistry(new EngineApi(engine.host), project.bindAddress, data);
  return { outputs: data, look };
}

/** Says of the registry no more than it has answered. */
function tellWhatServes(context: Context, { outputs, look }: Seen): number {
  const { npmRun, progress } = context;
  const { registryUrl } = outputs;
  const problem = problemOf(look);
  if (problem === undefined) {
    process.stdout.write(nextSteps(outputs, `The registry answers at ${registryUrl}`, context));
    return 0;
  }
  if (look.unreachable !== undefined && look.isElsewhere) {
    const seen = `Deployed as ${registryUrl}. From this machine it could not be asked: ${problem}`;
    process.stdout.write(nextSteps(outputs, seen, context));
    return 0;
  }
  progress.note(`✗ deployed, but ${registryUrl} does not serve: ${problem}`);
  progress.note(`  See what is wrong: ${npmRun} doctor`);
  return 1;
}

/** Only when nothing is deployed: later, the one who has the port is the registry itself. */
async function checkPortWhenNew(context: Context): Promise<void> {
  const { backend, engine, npmRun, project, stack } = context;
  if (backend.backend === "own" || isRemote(engine.host)) return;
  if (hasContainers(ownFolder, project.name, stack.name)) return;
  await requirePort(project, new EngineApi(engine.host), npmRun);
}
