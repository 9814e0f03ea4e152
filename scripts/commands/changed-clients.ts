import type { Context } from "../context";
import { ownFolder } from "../paths";
import type { PulumiCli } from "../pulumi/cli";
import { checkClients, withChanged } from "../pulumi/client-checks";
import { askPulumi } from "../pulumi/run";
import { hasClients } from "../pulumi/stack";

/**
 * Finds clients that somebody has changed by hand since they were set up, and has the `up` that
 * follows set them up again.
 */
export async function findChangedClients(context: Context, cli: PulumiCli): Promise<void> {
  const { backend, progress, project, stack } = context;
  if (backend.backend === "ours" && !hasClients(ownFolder, project.name, stack.name)) return;
  const checks = await progress.step({ title: "clients: looking for changes", isShort: true }, () =>
    checkClients(context, cli),
  );
  for (const { name, failure } of checks) {
    if (failure !== undefined) progress.note(`! client ${name} could not be checked: ${failure}`);
  }
  const changed = checks.filter((check) => check.changed.length > 0);
  if (changed.length === 0) return;
  for (const check of changed) {
    progress.note(`• client ${check.name} has changed: ${check.changed.join(", ")}`);
  }
  const exported = await askPulumi(context, cli, ["stack", "export", "--stack", stack.name]);
  const input = withChanged(exported, changed);
  await askPulumi(context, cli, ["stack", "import", "--stack", stack.name], { input });
}
