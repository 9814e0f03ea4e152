import pLimit from "p-limit";
import { z } from "zod";
import { Problem } from "../problem";
import type { EngineApi } from "./api";

/** Something on the engine that a stack's state knows of. */
export interface Deployed {
  urn: string;
  kind: "container" | "image" | "network" | "volume";
  /** As the engine calls it. */
  id: string;
  /** For people. */
  name: string;
  /** Of a container: the networks that it is to be on. */
  networks: string[];
  /** Of a container: whether it publishes a port. */
  isPublished: boolean;
  /** It stays when the rest is destroyed. */
  isKept: boolean;
}

/** What is wrong with something that is deployed. */
export interface Trouble {
  deployed: Deployed;
  /**
   * `crashing` is a container that restarts again and again, `failing` one that does not answer,
   * `disconnected` one that is not on its network.
   */
  kind: "crashing" | "disconnected" | "failing" | "gone" | "paused" | "stopped";
  /** For people: "stopped, exit code 137". */
  detail: string;
}

const stateSchema = z.object({
  resources: z
    .array(
      z.looseObject({
        urn: z.string(),
        type: z.string(),
        id: z.string().optional(),
        delete: z.boolean().optional(),
        retainOnDelete: z.boolean().optional(),
        outputs: z.record(z.string(), z.unknown()).optional(),
      }),
    )
    .nullish(),
});

const kinds: Record<string, Deployed["kind"]> = {
  "docker:index/container:Container": "container",
  "docker:index/network:Network": "network",
  "docker:index/remoteImage:RemoteImage": "image",
  "docker:index/volume:Volume": "volume",
};

/** Of a container's outputs. */
const publishedSchema = z.array(z.unknown()).min(1);
const networksSchema = z.array(z.looseObject({ name: z.string() }));

/**
 * What of a stack is on the engine, in the order of its making.
 *
 * @param deployment With its `resources`, as the state has them.
 */
export function deployedObjects(deployment: unknown): Deployed[] {
  const { data } = stateSchema.safeParse(deployment);
  return (data?.resources ?? []).flatMap((one) => {
    const kind = kinds[one.type];
    const outputs = one.outputs ?? {};
    // The id of an image in the state is the engine's with the image's name behind it.
    const id = kind === "image" ? outputs["imageId"] : one.id;
    if (kind === undefined || typeof id !== "string" || one.delete === true) return [];
    return {
      urn: one.urn,
      kind,
      id,
      name: typeof outputs["name"] === "string" ? outputs["name"] : id.slice(0, 12),
      networks: (networksSchema.safeParse(outputs["networksAdvanced"]).data ?? []).map(
        (network) => network.name,
      ),
      isPublished: publishedSchema.safeParse(outputs["ports"]).success,
      isKept: kind === "image" || one.retainOnDelete === true,
    };
  });
}

const containerSchema = z.object({
  RestartCount: z.number(),
  State: z.object({
    Running: z.boolean(),
    Paused: z.boolean(),
    Restarting: z.boolean(),
    ExitCode: z.number(),
    Health: z.object({ Status: z.string() }).nullish(),
  }),
  NetworkSettings: z.object({
    Networks: z.record(z.string(), z.object({ NetworkID: z.string() })).nullish(),
  }),
});

/** Questions at the same time: over SSH, each is a login, of which sshd drops a burst. */
const PARALLEL = 4;

/**
 * Looks at what is deployed.
 *
 * @throws Problem if the engine does not answer
 */
export async function findTroubles(
  api: EngineApi,
  objects: readonly Deployed[],
): Promise<Trouble[]> {
  const found = await inspectAll(api, objects);
  return found.flatMap(({ deployed, inspected }) => {
    if (inspected === undefined) return { deployed, kind: "gone", detail: "not on the engine" };
    return deployed.kind === "container" ? (troubleOf(deployed, inspected) ?? []) : [];
  });
}

/**
 * Those that are still on the engine.
 *
 * @throws Problem if the engine does not answer
 */
export async function findLeft(api: EngineApi, objects: readonly Deployed[]): Promise<Deployed[]> {
  const found = await inspectAll(api, objects);
  return found.filter(({ inspected }) => inspected !== undefined).map(({ deployed }) => deployed);
}

async function inspectAll(api: EngineApi, objects: readonly Deployed[]) {
  const limit = pLimit(PARALLEL);
  const inspect = async (deployed: Deployed) => {
    try {
      return { deployed, inspected: await api.inspect(deployed.kind, deployed.id) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const what = `${deployed.kind} ${deployed.name}`;
      throw new Problem(`Docker engine ${api.host}: no answer about the ${what}: ${reason}`, [
        `Try it by hand: docker -H ${api.host} ${deployed.kind} inspect ${deployed.id}`,
      ]);
    }
  };
  return Promise.all(objects.map((deployed) => limit(() => inspect(deployed))));
}

/** @param inspected What the engine says of a container. */
export function troubleOf(deployed: Deployed, inspected: unknown): Trouble | undefined {
  const { RestartCount, State, NetworkSettings } = containerSchema.parse(inspected);
  const trouble = (kind: Trouble["kind"], detail: string) => ({ deployed, kind, detail });
  if (State.Paused) return trouble("paused", "paused");
  // Between two restarts it runs, and is not well yet.
  const isWell = State.Health == null || State.Health.Status === "healthy";
  if (State.Restarting || (RestartCount > 0 && !isWell)) {
    return trouble("crashing", `restarts again and again, exit code ${State.ExitCode}`);
  }
  if (!State.Running) return trouble("stopped", `stopped, exit code ${State.ExitCode}`);
  // After a refresh, the state may have the id.
  const on = Object.entries(NetworkSettings.Networks ?? {}).flatMap(([name, { NetworkID }]) => [
    name,
    NetworkID,
  ]);
  const missing = deployed.networks.filter((network) => !on.includes(network));
  if (missing.length > 0)
    return trouble("disconnected", `not on its network ${missing.join(", ")}`);
  if (State.Health?.Status === "unhealthy")
    return trouble("failing", "does not answer (unhealthy)");
  return undefined;
}

/** "the container registry-server-nginx-1a2b3c4 (stopped, exit code 137)" */
export function describeTrouble({ deployed, detail }: Trouble): string {
  return `the ${deployed.kind} ${deployed.name.slice(0, 60)} (${detail})`;
}
