import { readFileSync } from "node:fs";
import type { Context } from "../context";
import { EngineApi } from "../engine/api";
import {
  type Deployed,
  deployedObjects,
  describeTrouble,
  findTroubles,
  type Trouble,
} from "../engine/deployed";
import { ownFolder } from "../paths";
import { Problem } from "../problem";
import { addressOf, askOpenly } from "../registry/ask";
import { type RegistryOutputs, outputsIn } from "../registry/outputs";
import type { PulumiCli } from "./cli";
import { exportState, importState, stateSchema } from "./clients";
import { askPulumi } from "./run";
import { hasContainers, stateFile } from "./stack";

/** A container that is stopped drains first; what is asked of the engine then takes longer. */
const ACTION_SECONDS = 120;

/** What the state says of the server. */
export interface KnownServer {
  objects: Deployed[];
  /** Undefined if the program has no such outputs. */
  outputs: RegistryOutputs | undefined;
  /** Whether an `up` renews the certificate, which is not the user's own. */
  renewsCertificate: boolean;
}

/** What is deployed, by the state; undefined if nothing is. Asks nobody where the state is ours. */
export async function knownServer(
  context: Context,
  cli: PulumiCli | undefined,
): Promise<KnownServer | undefined> {
  const deployment = await deploymentOf(context, cli);
  const objects = deployedObjects(deployment);
  if (!objects.some(({ kind }) => kind === "container")) return undefined;
  const renewsCertificate = JSON.stringify(deployment).includes('"tls:index/locallySignedCert');
  return { objects, outputs: outputsIn(deployment), renewsCertificate };
}

async function deploymentOf(context: Context, cli: PulumiCli | undefined): Promise<unknown> {
  const { backend, project, stack } = context;
  if (backend.backend === "ours") {
    if (!hasContainers(ownFolder, project.name, stack.name)) return undefined;
    const file = stateFile(ownFolder, project.name, stack.name);
    const text = readFileSync(file, "utf8");
    try {
      return (JSON.parse(text) as { checkpoint?: { latest?: unknown } }).checkpoint?.latest;
    } catch {
      throw new Problem(`${file}: it is no state of Pulumi's`, ["npm run up says what to do."]);
    }
  }
  if (cli === undefined) return undefined;
  const exported = await exportState(context, cli);
  return (JSON.parse(exported) as { deployment?: unknown }).deployment;
}

/**
 * Repairs what somebody has stopped, paused or removed by hand, which a plain `pulumi up` does not
 * look for: what only needs a start is started, the state is told what is gone, and the `up` that
 * follows makes that anew and runs all that was done to the server again.
 */
export async function repairServer(context: Context, cli: PulumiCli): Promise<void> {
  const { engine, progress, project, stack } = context;
  if (!project.isEngineKnown) return;
  const server = await knownServer(context, cli);
  if (server === undefined) return;
  const api = new EngineApi(engine.host);
  const troubles = await findTroubles(api, server.objects);
  requireSameEngine(context, server.objects, troubles);
  await takeOtherImages(context, cli, api, server.objects);
  if (troubles.length === 0) {
    const deaf = await findDeaf(context, api, server);
    if (deaf === undefined) return;
    troubles.push(deaf);
  }
  for (const trouble of troubles) progress.note(`• ${describeTrouble(trouble)}: repairing it`);

  const gone = troubles.filter(({ kind }) => kind === "gone").map(({ deployed }) => deployed);
  for (const trouble of troubles) {
    if (!(await isRevived(api, trouble))) gone.push(trouble.deployed);
  }
  if (gone.length > 0) {
    const targets = gone.flatMap(({ urn }) => ["--target", urn]);
    const refresh = ["refresh", "--yes", "--skip-preview", "--stack", stack.name];
    await askPulumi(context, cli, [...refresh, ...targets]);
  }
  await undoServer(context, cli);
}

/**
 * Tells the state of images that are others by now under the same name, pulled or loaded since: the
 * `up` that follows replaces what runs of the old ones.
 */
async function takeOtherImages(
  context: Context,
  cli: PulumiCli,
  api: EngineApi,
  objects: readonly Deployed[],
): Promise<void> {
  const { progress, stack } = context;
  const images = objects.filter(({ kind }) => kind === "image");
  const now = await Promise.all(images.map(({ name }) => api.image(name)));
  const targets = images.flatMap(({ id, name, urn }, index) => {
    const other = now[index];
    if (other === undefined || other.id === id) return [];
    const date = other.created.toISOString().slice(0, 10);
    progress.note(`• image ${name}: it is another one now, of ${date}: replacing what runs`);
    return ["--target", urn];
  });
  if (targets.length === 0) return;
  const refresh = ["refresh", "--yes", "--skip-preview", "--stack", stack.name];
  await askPulumi(context, cli, [...refresh, ...targets]);
}

/**
 * Refuses an engine that has nothing of what the state knows: it is another one, such as that of a
 * Docker context that was chosen since. Its answers would have the state forget all that runs.
 *
 * @throws Problem
 */
export function requireSameEngine(
  { engine, npmRun }: Pick<Context, "engine" | "npmRun">,
  objects: readonly Deployed[],
  troubles: readonly Trouble[],
): void {
  const own = objects.filter(({ kind }) => kind !== "image");
  const isGone = (one: Deployed) =>
    troubles.some(({ kind, deployed }) => kind === "gone" && deployed === one);
  if (own.length === 0 || !own.every(isGone)) return;
  throw new Problem(
    `Nothing of this stack is on the Docker engine ${engine.host} (from ${engine.from}).`,
    [
      "Is another engine meant? Unset DOCKER_HOST, choose its context (docker context use default), or set",
      "dockerHost. If this one has lost all of it, have the state forget it, then run this again:",
      `  ${npmRun} pulumi -- refresh --yes`,
    ],
  );
}

/** Has the next `up` do again whatever is done to the server by commands. */
export async function undoServer(context: Context, cli: PulumiCli): Promise<void> {
  await importState(context, cli, withServerUndone(await exportState(context, cli)));
}

/** The published container of an engine here, if all of it runs and its port does not answer. */
async function findDeaf(
  { project }: Context,
  api: EngineApi,
  server: KnownServer,
): Promise<Trouble | undefined> {
  const deployed = server.objects.find(({ isPublished }) => isPublished);
  if (deployed === undefined || server.outputs === undefined || !(await api.isHere())) {
    return undefined;
  }
  const address = addressOf(api.host, project.bindAddress, server.outputs.registryUrl);
  const { unreachable } = await askOpenly(address, server.outputs);
  if (unreachable === undefined) return undefined;
  return { deployed, kind: "failing", detail: `its port does not answer: ${unreachable}` };
}

/**
 * Does what a container needs to go on. One that cannot is removed, so that another takes its place.
 *
 * @returns Whether it is there and runs
 */
async function isRevived(api: EngineApi, { kind, deployed }: Trouble): Promise<boolean> {
  const { id, networks } = deployed;
  const commands: Record<Exclude<Trouble["kind"], "crashing">, string[][]> = {
    disconnected: networks.map((network) => ["network", "connect", network, id]),
    failing: [["restart", id]],
    gone: [],
    paused: [["unpause", id]],
    stopped: [["start", id]],
  };
  if (kind === "gone") return true; // There is nothing to revive.
  try {
    // What makes it crash may be repaired later, and Docker goes on to count the restarts till then.
    if (kind === "crashing") throw new Error("it needs to be made anew");
    for (const command of commands[kind]) await api.docker(command, ACTION_SECONDS);
    return true;
  } catch {
    await api.docker(["rm", "--force", "--volumes", id], ACTION_SECONDS).catch((error: unknown) => {
      throw new Problem(
        `${deployed.name}: it can neither be started nor removed: ${String(error)}`,
        [`Try it by hand: docker rm --force ${id.slice(0, 12)}`],
      );
    });
    return false;
  }
}

/**
 * The state in which the server's commands are no longer the ones that the program asks for.
 *
 * @param exported What `pulumi stack export` prints.
 * @returns The same for `pulumi stack import`.
 */
export function withServerUndone(exported: string): string {
  const state = stateSchema.parse(JSON.parse(exported));
  for (const { urn, type, delete: isOld, inputs, outputs } of state.deployment.resources ?? []) {
    const isServers = urn.includes("private-registry:index:RegistryServer$");
    if (!isServers || type !== "command:local:Command" || isOld === true) continue;
    for (const recorded of [inputs, outputs]) {
      if (recorded) recorded["create"] = "undone since";
    }
  }
  return JSON.stringify(state);
}
