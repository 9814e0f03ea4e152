import { readContext } from "../context";
import { Problem } from "../problem";
import { clientsOf, exportState, importState, withoutClient } from "../pulumi/clients";
import { setUp } from "../setup/set-up";

/**
 * `npm run forget -- NAME`: takes a client that is gone for good out of the stack's state, so that
 * nothing is tried on it any more. What is on the machine stays there. Of a client that has moved to
 * another machine, it is the one before that is forgotten.
 */
export async function forget(client: string): Promise<number> {
  const context = readContext();
  const cli = await setUp(context, { engine: false, images: false });
  const exported = await exportState(context, cli);
  const clients = clientsOf(exported);
  const found = clients.find(({ name }) => name === client);
  if (found === undefined) {
    const known = clients.map(({ name }) => name).join(", ") || "none";
    throw new Problem(`client ${client}: not known to stack ${context.stack.name}.`, [
      `Its clients: ${known}`,
    ]);
  }
  const { state, isReplaced } = withoutClient(exported, found);
  await importState(context, cli, state);
  if (isReplaced) {
    context.progress.note(`✓ client ${client}: the machine that it was before is forgotten`);
    return 0;
  }
  context.progress.note(`✓ client ${client}: forgotten; nothing was done on the machine`);
  context.progress.note(
    `  If it is still among the settings: ${context.npmRun} pulumi -- config rm --path clients.${client}`,
  );
  return 0;
}
