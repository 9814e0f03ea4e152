import type { Context } from "../context";
import { ownFolder } from "../paths";
import { Problem } from "../problem";
import type { PulumiCli } from "../pulumi/cli";
import { checkClients, type ClientCheck, withChanged } from "../pulumi/client-checks";
import { exportState, importState } from "../pulumi/clients";
import { hasClients } from "../pulumi/stack";

/**
 * Finds clients that somebody has changed by hand since they were set up, and has the `up` that
 * follows set them up again.
 */
export async function findChangedClients(context: Context, cli: PulumiCli): Promise<void> {
  const { backend, progress, project, stack } = context;
  if (backend.backend === "ours" && !hasClients(ownFolder, project.name, stack.name)) return;
  let checks: ClientCheck[];
  try {
    checks = await progress.step({ title: "clients: looking for changes", isShort: true }, () =>
      checkClients(context, cli),
    );
  } catch (error) {
    // The up that follows finds out by itself whether it can reach them.
    if (!(error instanceof Problem)) throw error;
    progress.failure(error);
    return;
  }
  for (const { name, failure } of checks) {
    if (failure !== undefined) progress.note(`! client ${name} could not be checked: ${failure}`);
  }
  const changed = checks.filter((check) => check.changed.length > 0);
  if (changed.length === 0) return;
  for (const check of changed) {
    progress.note(`• client ${check.name} has changed: ${check.changed.join(", ")}`);
  }
  await importState(context, cli, withChanged(await exportState(context, cli), changed));
}
