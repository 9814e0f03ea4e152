import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Context } from "../context";
import { tellBrokenState } from "./broken-state";
import type { PulumiCli } from "./cli";
import { askPulumi, INTERRUPTED, isInterrupted, runPulumi } from "./run";
import { CLIENT, nameOf, typeOf } from "./urn";
import { Watch } from "./watch";

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
  /** The component that the resource is in; empty if it is in none. */
  parent: string;
  /** As Pulumi calls it: `create`, `update`, `delete`, `create-replacement`… */
  operation: string;
}

/** What of an exported state is looked at; the rest stays as it is when it is changed. */
export const stateSchema = z.looseObject({
  deployment: z.looseObject({
    resources: z
      .array(
        z.looseObject({
          urn: z.string(),
          type: z.string(),
          parent: z.string().optional(),
          // To be deleted, with another in its place.
          delete: z.boolean().optional(),
          inputs: z.record(z.string(), z.unknown()).optional(),
          outputs: z.record(z.string(), z.unknown()).optional(),
        }),
      )
      .nullish(),
  }),
});

const resourceSchema = z.object({ parent: z.string() }).nullish();
const eventSchema = z.object({
  resOpFailedEvent: z.object({
    metadata: z.object({
      urn: z.string(),
      op: z.string(),
      old: resourceSchema,
      new: resourceSchema,
    }),
  }),
});

/** Arguments of `up` that choose which resources are done, or that all are tried anyway. */
const CHOOSING = /^(-t|--target|--continue-on-error|--preview-only)(=.*)?$/;

/** The clients in what `pulumi stack export` prints. */
export function clientsOf(exported: string): Client[] {
  const resources = stateSchema.parse(JSON.parse(exported)).deployment.resources ?? [];
  return resources
    .filter(({ type }) => type === CLIENT)
    .map(({ urn, parent }) => ({
      // A PrivateRegistry puts its own name in front of its clients'.
      name: nameOf(urn).replace(`${nameOf(parent ?? "")}-`, ""),
      urn,
      children: resources.filter((child) => child.parent === urn).map((child) => child.urn),
    }));
}

/**
 * The state without a client; or, if another machine has taken the place of one that could not be
 * cleaned, without that one only.
 *
 * @param exported What `pulumi stack export` prints.
 * @returns The same for `pulumi stack import`.
 */
export function withoutClient(
  exported: string,
  { urn, children }: Client,
): { state: string; isReplaced: boolean } {
  const state = stateSchema.parse(JSON.parse(exported));
  const resources = state.deployment.resources ?? [];
  const isReplaced = resources.some((one) => children.includes(one.urn) && one.delete === true);
  const gone = isReplaced ? children : [urn, ...children];
  state.deployment.resources = resources.filter(
    (one) => !gone.includes(one.urn) || (isReplaced && one.delete !== true),
  );
  return { state: JSON.stringify(state), isReplaced };
}

/** What failed, by the lines of Pulumi's event log. */
export function failuresOf(events: string): Failure[] {
  return events
    .split("\n")
    .filter((line) => line.includes('"resOpFailedEvent"'))
    .map((line) => eventSchema.parse(JSON.parse(line)).resOpFailedEvent.metadata)
    .map(({ urn, op, old, new: next }) => ({
      urn,
      parent: (next ?? old)?.parent ?? "",
      operation: op,
    }));
}

/**
 * What to do about the clients among what failed.
 *
 * @param npmRun How a command of this project is called for the stack.
 */
export function adviceOn(
  failures: readonly Failure[],
  clients: readonly Client[],
  npmRun = "npm run",
): string[] {
  return clients.flatMap(({ name, urn }) => {
    const failure = failures.find(({ parent }) => parent === urn);
    if (failure === undefined) return [];
    if (!failure.operation.startsWith("delete")) {
      return [
        `✗ client ${name} is not set up: see its error above.`,
        `  Fix that, then ${npmRun} up again; or leave it out:`,
        `  ${npmRun} pulumi -- config rm --path clients.${name}`,
      ];
    }
    const isReplaced = failure.operation === "delete-replaced";
    return [
      isReplaced
        ? `✗ the machine that client ${name} was before is not cleaned, so it is not forgotten.`
        : `✗ client ${name} is not cleaned, so it is kept, with all that it depends on.`,
      "  When it answers again: the same command again. If it is gone for good, forget it first:",
      `  ${npmRun} forget -- ${name}`,
    ];
  });
}

/** As {@link runPulumi}; when clients are what fails, it tells which ones, and what to do. */
export async function runPulumiWithClients(
  context: Context,
  cli: PulumiCli,
  command: readonly string[],
  watch = new Watch(context.progress, context.env),
): Promise<number> {
  const { code, failures } = await runAndListFailures(context, cli, command, watch);
  if (code !== 0) await tellFailedClients(context, cli, failures);
  return code;
}

/**
 * `pulumi up`, with all clients but those that fail. Pulumi starts nothing more once something has
 * failed. If only clients have, then the registry, which they depend on, is up to date, and a second
 * run does the rest. That run goes on after a failure, as the first one must not: it might delete a
 * registry that is still in use, because the switch to the new one has failed.
 *
 * The second run tries the failed clients again: with `--exclude`, Pulumi writes a state that it
 * then refuses, when two clients depend on something that is no longer wanted (pulumi#22694).
 */
export async function upWithClients(
  context: Context,
  cli: PulumiCli,
  args: readonly string[],
): Promise<number> {
  const watch = new Watch(context.progress, context.env);
  const { code, failures } = await runAndListFailures(context, cli, ["up", ...args], watch);
  const others = isInterrupted(code) ? undefined : argumentsForOthers(args, failures);
  if (others === undefined) {
    if (code !== 0) await tellFailedClients(context, cli, failures);
    return code;
  }
  context.progress.note("• Pulumi stopped where a client failed: all others now");
  return runPulumiWithClients(context, cli, ["up", ...others], watch);
}

/**
 * What the second run of `up` is given, which goes on where a client fails; undefined if something
 * else failed, or `args` choose what is done.
 */
export function argumentsForOthers(
  args: readonly string[],
  failures: readonly Failure[],
): string[] | undefined {
  const ofClients = failures.filter(({ parent }) => typeOf(parent) === CLIENT);
  if (ofClients.length === 0 || ofClients.length < failures.length) return undefined;
  if (args.some((argument) => CHOOSING.test(argument))) return undefined;
  return [...args, "--yes", "--skip-preview", "--continue-on-error"];
}

/** Runs the CLI as {@link runPulumi}, and gives its exit code and what failed. */
async function runAndListFailures(
  context: Context,
  cli: PulumiCli,
  [command = "", ...args]: readonly string[],
  watch: Watch,
): Promise<{ code: number; failures: Failure[] }> {
  const folder = mkdtempSync(join(tmpdir(), "private-registry-events-"));
  try {
    const log = join(folder, "events.json");
    // The option is there for those who ask for debugging commands, such as the automation API.
    const env = { PULUMI_DEBUG_COMMANDS: "true" };
    const code = await runPulumi(context, cli, [command, "--event-log", log, ...args], {
      env,
      onStart: (running) => watch.start(running, log),
    });
    if (watch.isStuck) return { code: INTERRUPTED, failures: [] };
    // Without a log, it ended before anything was done.
    const failed = code !== 0 && existsSync(log);
    return { code, failures: failed ? failuresOf(readFileSync(log, "utf8")) : [] };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function tellFailedClients(
  context: Context,
  cli: PulumiCli,
  failures: readonly Failure[],
): Promise<void> {
  if (failures.length === 0) return tellBrokenState(context, cli);
  const clients = clientsOf(await exportState(context, cli));
  for (const line of adviceOn(failures, clients, context.npmRun)) {
    context.progress.note(line);
  }
}

/** What `pulumi stack export` prints. */
export function exportState(context: Context, cli: PulumiCli, ...options: string[]) {
  return askPulumi(context, cli, ["stack", "export", "--stack", context.stack.name, ...options]);
}

/** Puts a changed state in the place of the one that was exported. */
export async function importState(context: Context, cli: PulumiCli, state: string): Promise<void> {
  const { name } = context.stack;
  await askPulumi(context, cli, ["stack", "import", "--stack", name], { input: state });
}
