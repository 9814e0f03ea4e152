/** What those who are logged in notice of strangers who mean ill. */
import { join } from "node:path";
import { basic } from "../../test/support/registry-client";
import type { Seen, Side } from "../programs/attack";
import { runBeside, type System, type User } from "../systems/system";

/** Who attacks beside the clients whose time is taken; nobody if undefined. */
export type Attack = Pick<Side, "kind" | "rate" | "addresses"> | undefined;

/** What a process of its own sees that plays one side. */
async function play(
  part: Pick<Side, "kind" | "rate" | "addresses" | "seconds" | "path">,
  system: System & { user: User },
  signal: AbortSignal,
): Promise<Seen> {
  const { port, caFile, user } = system;
  const side: Side = { ...part, port, caFile, authorization: basic(...user) };
  const program = join(import.meta.dirname, "../programs/attack.ts");
  const command = [process.execPath, "--import", "tsx", program, JSON.stringify(side)];
  return JSON.parse(await runBeside(system, command, { signal })) as Seen;
}

/** How long wrong passwords of a user, or of nobody, take to be refused. Throws if one is not. */
export async function guesses(
  kind: "known" | "unknown",
  system: System & { user: User },
  { count, signal }: { count: number; signal: AbortSignal },
): Promise<Seen> {
  const side = { kind, rate: count, addresses: count, seconds: 0, path: "/v2/" };
  const seen = await play(side, system, signal);
  if (seen.statuses["401"] !== count) {
    throw new Error(`guesses of ${kind} names got ${JSON.stringify(seen.statuses)}`);
  }
  return seen;
}

/** How long the clients' requests take while somebody attacks. Throws if one of them fails. */
export async function during(
  attack: Attack,
  system: System & { user: User },
  path: string,
  { seconds, signal }: { seconds: number; signal: AbortSignal },
): Promise<Seen> {
  const run = (part: Pick<Side, "kind" | "rate" | "addresses" | "seconds">) =>
    play({ ...part, path }, system, signal);
  // The attack begins before the clients do, and ends after them. Half requests take ten seconds to be
  // all there.
  const ahead = attack === undefined ? 0 : attack.kind === "half" ? 12 : 4;
  const attacking = attack && run({ ...attack, seconds: ahead + seconds + 1 });
  await new Promise((resolve) => setTimeout(resolve, ahead * 1_000));
  const seen = await run({ kind: "paced", rate: 80, addresses: 1, seconds });
  await attacking;
  const others = Object.keys(seen.statuses).filter((status) => status !== "200");
  if (others.length > 0) {
    throw new Error(`clients that are logged in got ${JSON.stringify(seen.statuses)}`);
  }
  return seen;
}
