import { z } from "zod";
import type { Context } from "../context";
import type { PulumiCli } from "./cli";
import { exportState, stateSchema } from "./clients";
import { askPulumi } from "./run";
import { shortName } from "./stack";
import { nameOf } from "./urn";

const volumeSchema = z.object({
  urn: z.string().endsWith("-server-data"),
  type: z.literal("docker:index/volume:Volume"),
  id: z.string(),
});

/** A registry's volume of images, and the name that an `up` of a new stack would give it. */
export interface DataVolume {
  name: string;
  usualName: string;
}

/** @param exported What `pulumi stack export` prints. */
export function dataVolumeOf(
  exported: string,
  project: string,
  stack: string,
): DataVolume | undefined {
  const resources = stateSchema.parse(JSON.parse(exported)).deployment.resources ?? [];
  const [volume] = resources.flatMap((resource) => volumeSchema.safeParse(resource).data ?? []);
  if (volume === undefined) return undefined;
  const registry = nameOf(volume.urn).replace(/-server-data$/, "");
  return { name: volume.id, usualName: `${project}-${stack}-${registry}-data` };
}

/**
 * Has the next deployment find the images of a stack that was renamed: their volume keeps its first
 * name, which nothing but the state knows.
 */
export async function rememberDataVolume(context: Context, cli: PulumiCli): Promise<void> {
  const { progress, project, stack } = context;
  const volume = dataVolumeOf(await exportState(context, cli), project.name, shortName(stack.name));
  if (volume === undefined || volume.name === volume.usualName) return;
  const key = "private-registry:dataVolume";
  await askPulumi(context, cli, ["config", "set", key, volume.name, "--stack", stack.name]);
  progress.note(
    `• the images are in the volume ${volume.name}: the setting dataVolume names it now`,
  );
}
