import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Context } from "../context";
import type { PulumiCli } from "./cli";
import { askPulumi, runPulumi } from "./run";

/** A client machine as the stack's state knows it. */
export interface Client {
  /** Its name in `clients.<name>`. */
  name: string;
  /** What Pulumi calls it: the component, and what is in it. */
  urn: string;
  children: string[];
}

/** An operation on a resource that failed. */
export interface Failure {
  urn: string;
  /** As Pulumi calls it: `create`, `update`, `delete`, `create-replacement`… */
  operation: string;
}

const stateSchema = z.object({
  deployment: z.object({
    resources: z
      .array(z.object({ urn: z.string(), type: z.string(), parent: z.string().optional() }))
      .nullish(),
  }),
});

const eventSchema = z.object({
  resOpFailedEvent: z.object({ metadata: z.object({ urn: z.string(), op: z.string() }) }),
});

/** The clients in what `pulumi stack export` prints. */
export function clientsOf(exported: string): Client[] {
  const resources = stateSchema.parse(JSON.parse(exported)).deployment.resources ?? [];
  return resources
    .filter(({ type }) => type === "private-registry:index:ClientTrust")
    .map(({ urn, parent }) => ({
      // A PrivateRegistry puts its own name in front of its clients'.
      name: nameOf(urn).replace(`${nameOf(parent ?? "")}-`, ""),
      urn,
      children: resources.filter((child) => child.parent === urn).map((child) => child.urn),
    }));
}

/** What failed, by the lines of Pulumi's event log. */
export function failuresOf(events: string): Failure[] {
  return events
    .split("\n")
    .filter((line) => line.includes('"resOpFailedEvent"'))
    .map((line) => eventSchema.parse(JSON.parse(line)).resOpFailedEvent.metadata)
    .map(({ urn, op }) => ({ urn, operation: op }));
}

/** What to do about the clients among what failed. */
export function adviceOn(failures: readonly Failure[], clients: readonly Client[]): string[] {
  return clients.flatMap(({ name, children }) => {
    const failure = failures.find(({ urn }) => children.includes(urn));
    if (failure === undefined) return [];
    if (!failure.operation.startsWith("delete")) {
      return [
        `✗ client ${name} is not set up: see its error above.`,
        "  Mend that, then run npm run up again; or leave it out:",
        `  npm run pulumi -- config rm --path clients.${name}`,
      ];
    }
    return [
      `✗ client ${name} is not cleaned, so it is kept, with all that it depends on.`,
      "  When it answers again: the same command again. If it is gone for good, forget it first:",
      `  npm run forget -- ${name}`,
    ];
  });
}

/** As {@link runPulumi}; when clients are what fails, it tells which ones, and what to do. */
export async function runPulumiWithClients(
  context: Context,
  cli: PulumiCli,
  [command, ...args]: readonly [command: string, ...args: string[]],
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "private-registry-events-"));
  try {
    const log = join(folder, "events.json");
    // The option is there for those who ask for debugging commands, such as the automation API.
    const env = { PULUMI_DEBUG_COMMANDS: "true" };
    const code = await runPulumi(context, cli, [command, "--event-log", log, ...args], env);
    if (code !== 0) await tellFailedClients(context, cli, log);
    return code;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function tellFailedClients(context: Context, cli: PulumiCli, log: string): Promise<void> {
  let events: string;
  try {
    events = readFileSync(log, "utf8");
  } catch {
    return; // It failed before anything was done.
  }
  const failures = failuresOf(events);
  if (failures.length === 0) return;
  for (const line of adviceOn(failures, await readClients(context, cli))) {
    context.progress.note(line);
  }
}

/** The clients of the stack. */
export async function readClients(context: Context, cli: PulumiCli): Promise<Client[]> {
  const { name } = context.stack;
  return clientsOf(await askPulumi(context, cli, ["stack", "export", "--stack", name]));
}

/** The last part of a URN. */
function nameOf(urn: string): string {
  return urn.split("::").at(-1) ?? "";
}
