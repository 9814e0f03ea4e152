import { existsSync, readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { z } from "zod";
import type { Context } from "../context";
import { ownFolder } from "../paths";
import type { PulumiCli } from "./cli";
import { askPulumi } from "./run";
import { stateFile } from "./stack";

const lockSchema = z.object({ pid: z.number(), hostname: z.string() });

const stateSchema = z.object({
  checkpoint: z.object({
    latest: z
      .object({
        resources: z.array(z.object({ type: z.string(), id: z.string().optional() })).optional(),
        pending_operations: z.array(z.object({ type: z.string() })).optional(),
      })
      .nullish(),
  }),
});

/** What a state file of the local backend tells about a run that did not come to its end. */
export interface StateFacts {
  /** The ids of the containers that the state knows. */
  containers: string[];
  /** Something was being created, and whether it was is not known. */
  pendingCreation: boolean;
}

/**
 * Takes up a deployment that was killed (SIGKILL, power cut) in the local backend of this checkout.
 * Pulumi would refuse the next one for the lock that is left; and a container that was started and
 * not written down would hold the port for ever.
 */
export async function takeUpKilledRun(context: Context, cli: PulumiCli): Promise<void> {
  const { backend, progress, project, stack } = context;
  const file = stateFile(ownFolder, project.name, stack.name);
  if (backend.backend !== "ours" || !existsSync(file)) return;
  const locks = join(ownFolder, "state/.pulumi/locks/organization", project.name, stack.name);
  const named = ["--stack", stack.name];

  const killed = deadLocks(locks, isAlive);
  if (killed.length > 0) {
    progress.note(`• the last run (process ${killed.join(", ")}) was killed: taking it up`);
    await askPulumi(context, cli, ["cancel", "--yes", ...named]);
  }
  const { containers, pendingCreation } = readState(readFileSync(file, "utf8"));
  if (!pendingCreation) return;
  // The name that index.ts gives its registry is part of the label.
  const label = `private-registry=${project.name}-${stack.name}-registry`;
  for (const container of await unknownContainers(context.engine.host, label, containers)) {
    progress.note(`• removing container ${container.slice(0, 12)}, which nothing knows of`);
    await execa("docker", ["rm", "--force", "--volumes", container], {
      env: { DOCKER_HOST: context.engine.host },
    });
  }
  const clear = ["refresh", "--yes", "--skip-preview", "--clear-pending-creates"];
  await askPulumi(context, cli, [...clear, ...named]);
}

/** The processes of this machine that left a lock in `folder` and are gone. */
export function deadLocks(folder: string, alive: (pid: number) => boolean): number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => lockSchema.safeParse(JSON.parse(readFileSync(join(folder, name), "utf8"))))
    .flatMap(({ data }) => (data?.hostname === hostname() && !alive(data.pid) ? [data.pid] : []));
}

export function readState(text: string): StateFacts {
  const { latest } = stateSchema.parse(JSON.parse(text)).checkpoint;
  return {
    containers: (latest?.resources ?? [])
      .filter(({ type }) => type === "docker:index/container:Container")
      .flatMap(({ id }) => id ?? []),
    pendingCreation: (latest?.pending_operations ?? []).some(({ type }) => type === "creating"),
  };
}

async function unknownContainers(
  host: string,
  label: string,
  known: readonly string[],
): Promise<string[]> {
  const { stdout } = await execa(
    "docker",
    ["ps", "--all", "--quiet", "--no-trunc", "--filter", `label=${label}`],
    { env: { DOCKER_HOST: host } },
  );
  return stdout.split("\n").filter((id) => id !== "" && !known.includes(id));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
