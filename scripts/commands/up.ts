import { readContext, type Context } from "../context";
import { isRemote } from "../engine/address";
import { EngineApi } from "../engine/api";
import { requirePort } from "../engine/port";
import { ownFolder } from "../paths";
import { takeUpKilledRun } from "../pulumi/killed-run";
import { upWithClients } from "../pulumi/clients";
import { ensureStack, askPulumi } from "../pulumi/run";
import { hasContainers } from "../pulumi/stack";
import { setUp } from "../setup/set-up";
import { findChangedClients } from "./changed-clients";
import { nextSteps, outputsSchema } from "./next-steps";
import { isHelp, withDefaults } from "./pulumi-arguments";

/** `npm run up`: sets up whatever is missing, deploys, and tells what comes next. */
export async function up(args: readonly string[]): Promise<number> {
  const context = readContext(args);
  if (!isHelp(args)) await checkPortWhenNew(context);
  const cli = await setUp(context, { engine: !isHelp(args), images: !isHelp(args) });
  if (!isHelp(args)) {
    await ensureStack(context, cli);
    await takeUpKilledRun(context, cli);
    await findChangedClients(context, cli);
  }
  const code = await upWithClients(context, cli, withDefaults(args));
  if (code !== 0 || isHelp(args) || args.includes("--preview-only")) return code;

  const output = await askPulumi(context, cli, ["stack", "output", "--json"]);
  const outputs = outputsSchema.safeParse(JSON.parse(output));
  if (outputs.success) {
    const seen = `The registry answers at ${outputs.data.registryUrl}`;
    process.stdout.write(nextSteps(outputs.data, seen, context));
  }
  return 0;
}

/** Only when nothing is deployed: later, the one who has the port is the registry itself. */
async function checkPortWhenNew(context: Context): Promise<void> {
  const { backend, engine, npmRun, project, stack } = context;
  if (backend.backend === "own" || isRemote(engine.host)) return;
  if (hasContainers(ownFolder, project.name, stack.name)) return;
  await requirePort(project, new EngineApi(engine.host), npmRun);
}
