import { copyFileSync, existsSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import type { Context } from "../context";
import { readJson } from "../files";
import { ownFolder } from "../paths";
import type { PulumiCli } from "./cli";
import { exportState } from "./clients";
import { askPulumi } from "./run";
import { stateFile, stateMend } from "./stack";
import { nameOf } from "./urn";

/** What of a resource says which others must stand before it. */
const resourcesSchema = z.array(
  z.object({
    urn: z.string(),
    type: z.string(),
    provider: z.string().nullish(),
    parent: z.string().nullish(),
    deletedWith: z.string().nullish(),
    dependencies: z.array(z.string()).nullish(),
    propertyDependencies: z.record(z.string(), z.array(z.string()).nullish()).nullish(),
  }),
);

const checkpointSchema = z.object({
  checkpoint: z.object({ latest: z.object({ resources: resourcesSchema.nullish() }).nullish() }),
});

const exportSchema = z.object({ deployment: z.object({ resources: resourcesSchema.nullish() }) });

/**
 * What Pulumi would refuse a state for: a resource that refers to another one which is not there, or
 * comes after it. Undefined if the state is sound.
 */
export function brokenReference(
  resources: z.infer<typeof resourcesSchema>,
): { resource: string; missing: string } | undefined {
  const seen = new Set<string>();
  for (const one of resources) {
    const wanted = [
      // A provider's reference ends with its id.
      one.provider?.replace(/::[^:]*$/, ""),
      one.parent,
      one.deletedWith,
      ...(one.dependencies ?? []),
      ...Object.values(one.propertyDependencies ?? {}).flatMap((urns) => urns ?? []),
    ];
    const missing = wanted.find((urn) => urn && !seen.has(urn));
    if (missing) return { resource: one.urn, missing };
    seen.add(one.urn);
  }
  return undefined;
}

/**
 * Repairs a state in the local backend of this checkout that Pulumi would refuse ("snapshot integrity
 * failure"), by Pulumi's own `state repair`. A copy of what was there stays beside the state.
 *
 * @throws Problem if the state cannot be read at all
 */
export async function repairBrokenState(context: Context, cli: PulumiCli): Promise<void> {
  const { backend, progress, project, stack } = context;
  const file = stateFile(ownFolder, project.name, stack.name);
  if (backend.backend !== "ours" || !existsSync(file)) return;
  const broken = brokenReference(readResources(file));
  if (broken === undefined) return;
  const time = new Date().toISOString().replaceAll(":", "-");
  const copy = join(ownFolder, `broken-state-${stack.name}-${time}.json`);
  copyFileSync(file, copy);
  await askPulumi(context, cli, ["state", "repair", "--yes", "--stack", stack.name]);
  progress.note(`• the state of stack ${stack.name} was broken, and is repaired`);
  progress.note(`  ${nameOf(broken.resource)} referred to ${nameOf(broken.missing)}, which`);
  progress.note(`  was not there before it. As it was: ${relative(process.cwd(), copy)}`);
}

/**
 * Whatever else is looked at takes a state that cannot be read for one in which nothing is deployed.
 *
 * @throws Problem if the local backend of this checkout has such a state
 */
export function requireReadableState({ backend, project, stack }: Context): void {
  const file = stateFile(ownFolder, project.name, stack.name);
  if (backend.backend === "ours" && existsSync(file)) readResources(file);
}

/**
 * Says the cure if the state in a backend of the user's is what made a command fail: others may work
 * with it, so it is not repaired without a word.
 */
export async function tellBrokenState(context: Context, cli: PulumiCli): Promise<void> {
  const { backend, npmRun, progress, stack } = context;
  if (backend.backend === "ours") return;
  // A state that cannot be had has been complained about by the command itself.
  const exported = await exportState(context, cli).catch(() => undefined);
  if (exported === undefined) return;
  const { deployment } = exportSchema.parse(JSON.parse(exported));
  const broken = brokenReference(deployment.resources ?? []);
  if (broken === undefined) return;
  progress.note(`✗ the state of stack ${stack.name} is broken: ${nameOf(broken.resource)} refers`);
  progress.note(`  to ${nameOf(broken.missing)}, which is not there before it. Keep a copy, then:`);
  progress.note(`  ${npmRun} -s pulumi -- stack export > state.json`);
  progress.note(`  ${npmRun} pulumi -- state repair`);
}

function readResources(file: string): z.infer<typeof resourcesSchema> {
  return readJson(file, checkpointSchema, stateMend(file))?.checkpoint.latest?.resources ?? [];
}
