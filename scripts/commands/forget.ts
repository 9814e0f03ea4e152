import { readContext } from "../context";
import { Problem } from "../problem";
import { readClients } from "../pulumi/clients";
import { askPulumi } from "../pulumi/run";
import { setUp } from "../setup/set-up";

/**
 * `npm run forget -- NAME`: takes a client that is gone for good out of the stack's state, so that
 * nothing is tried on it any more. What is on the machine stays there.
 */
export async function forget(client: string): Promise<number> {
  const context = readContext();
  const cli = await setUp(context, { engine: false, images: false });
  const clients = await readClients(context, cli);
  const found = clients.find(({ name }) => name === client);
  if (found === undefined) {
    const known = clients.map(({ name }) => name).join(", ") || "none";
    throw new Problem(`client ${client}: not known to stack ${context.stack.name}.`, [
      `Its clients: ${known}`,
    ]);
  }
  for (const urn of [...found.children, found.urn]) {
    await askPulumi(context, cli, [
      ...["state", "delete", urn, "--yes", "--stack", context.stack.name],
    ]);
  }
  context.progress.note(`✓ client ${client}: forgotten; nothing was done on the machine`);
  context.progress.note(
    `  If it is still among the settings: npm run pulumi -- config rm --path clients.${client}`,
  );
  return 0;
}
