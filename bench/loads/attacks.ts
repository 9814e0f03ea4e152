/** What those who are logged in notice of strangers who mean ill. */
import { join } from "node:path";
import { basic } from "../../test/support/registry-client";
import type { Seen, Side } from "../programs/attack";
import { runBeside, type System, type User } from "../systems/system";

/** Who attacks beside the clients whose time is taken; nobody if undefined. */
export type Attack = Pick<Side, "kind" | "rate" | "addresses"> | undefined;

/** How long the clients' requests take while somebody attacks. Throws if one of them fails. */
export async function during(
  attack: Attack,
  system: System & { user: User },
  path: string,
  { seconds, signal }: { seconds: number; signal: AbortSignal },
): Promise<Seen> {
  const run = async (part: Pick<Side, "kind" | "rate" | "addresses" | "seconds">) => {
    const { port, caFile, user } = system;
    const side: Side = { ...part, port, caFile, path, authorization: basic(...user) };
    const program = join(import.meta.dirname, "../programs/attack.ts");
    const command = [process.execPath, "--import", "tsx", program, JSON.stringify(side)];
    return JSON.parse(await runBeside(system, command, { signal })) as Seen;
  };
  // The attack begins before the clients do, and ends after them.
  const attacking = attack === undefined ? undefined : run({ ...attack, seconds: seconds + 5 });
  await new Promise((resolve) => setTimeout(resolve, attack === undefined ? 0 : 4_000));
  const seen = await run({ kind: "paced", rate: 80, addresses: 1, seconds });
  await attacking;
  const others = Object.keys(seen.statuses).filter((status) => status !== "200");
  if (others.length > 0) {
    throw new Error(`clients that are logged in got ${JSON.stringify(seen.statuses)}`);
  }
  return seen;
}
