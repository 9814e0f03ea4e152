import { readContext, type Context } from "../context";
import { ownFolder } from "../paths";
import { takeUpKilledRun } from "../pulumi/killed-run";
import { runPulumiWithClients } from "../pulumi/clients";
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
    await takeUpKilledRun(context, cli);
  }
  // A client that does not answer keeps what it depends on, and nothing else.
  const others = args.some((argument) => argument.startsWith("--continue-on-error"))
    ? []
    : ["--continue-on-error"];
  return runPulumiWithClients(context, cli, ["destroy", ...others, ...withDefaults(args)]);
}

/** Says so, and which stacks may have been meant. */
function nothingToDo({ progress, stack }: Context, others: readonly string[] = []): number {
  progress.note(`There is no stack ${stack.name} here: nothing to take down.`);
  for (const other of others)
    progress.note(`  Another one is here: PULUMI_STACK=${other} npm run down`);
  return 0;
}
