/** Changes while clients are at work, and the requests that they cost. */
import { randomBytes } from "node:crypto";
import { Agent } from "node:https";
import { images } from "../../scripts/pins";
import { manifestType, RegistryClient } from "../../test/support/registry-client";
import { startTraffic } from "../../test/support/traffic";
import { change, type Ours } from "../systems/ours";
import type { Recipe } from "../systems/recipe";
import type { User } from "../systems/system";

/** What is changed, by the words of the table. */
export const kinds = [
  "user added",
  "certificate rotated",
  "CA changed",
  "old CA retired",
  "password changed",
  "nginx setting changed",
  "user removed",
  "registry image replaced",
] as const;
export type Kind = (typeof kinds)[number];

/** What clients saw of one kind of change. */
export interface Seen {
  changes: number;
  requests: number;
  failures: string[];
}

/** Images and pulls of the clients; see {@link startClients}. */
interface Clients {
  stop(): Promise<{ requests: number; failures: string[] }>;
}

/**
 * Several kinds at once, since each `up` takes seconds. A failure counts for all of them: where there
 * is none, no kind has lost a request. A CA is changed in one `up` and ends the one before in the
 * next, as the README has it.
 */
export const groups = [
  ["nginx setting changed", "registry image replaced", "CA changed"],
  ["user added", "user removed", "password changed", "certificate rotated", "old CA retired"],
] as const satisfies (readonly Kind[])[];

/** Changes our deployment `times` times in each way. `otherImage` is the registry's, renamed. */
export async function changeOurs(
  ours: Ours,
  otherImage: string,
  times: number,
  signal: AbortSignal,
): Promise<Record<Kind, Seen>> {
  const seen = nothingSeen();
  for (let time = 0; time < times; time += 1) {
    for (const group of groups) {
      signal.throwIfAborted();
      const settings = changedBy(group, ours.settings, time, otherImage);
      await whileClientsWork(ours, seen, group, () => change(ours, settings));
    }
  }
  return seen;
}

/** Changes the recipe once in each way that needs more than a new htpasswd file. */
export async function changeRecipe(recipe: Recipe): Promise<Record<Kind, Seen>> {
  const seen = nothingSeen();
  await whileClientsWork(recipe, seen, ["certificate rotated", "nginx setting changed"], () =>
    recipe.restartNginx(),
  );
  await whileClientsWork(recipe, seen, ["registry image replaced"], () => recipe.replaceRegistry());
  return seen;
}

/** How long nobody answers while `replace` puts another nginx container in place, in seconds. */
export async function withoutService(
  system: { publishedPort: number; caPem: string; user: User },
  replace: () => Promise<unknown>,
): Promise<number> {
  const { publishedPort: port, caPem, user } = system;
  const traffic = startTraffic({ port, host: "127.0.0.1", caPem }, "/v2/", user, {
    keepAlive: false,
  });
  return (await during(traffic, replace, 2000)).silence;
}

/** The settings after the changes of a group, for the time that is counted from 0. */
export function changedBy(
  group: readonly Kind[],
  settings: Ours["settings"],
  time: number,
  otherImage: string,
): Ours["settings"] {
  return group.reduce((before, kind) => changed(before, kind, time, otherImage), settings);
}

function changed(
  settings: Ours["settings"],
  kind: Kind,
  time: number,
  otherImage: string,
): Ours["settings"] {
  const { users, certificate = {} } = settings;
  const { caGeneration = 1 } = certificate;
  const isEven = time % 2 === 0;
  switch (kind) {
    case "user added":
      return { ...settings, users: { ...users, [`guest-${time + 1}`]: { access: "push" } } };
    case "user removed": {
      const others = Object.entries(users).filter(([name]) => name !== `guest-${time}`);
      return { ...settings, users: Object.fromEntries(others) };
    }
    case "password changed": {
      const password = randomBytes(12).toString("hex");
      return { ...settings, users: { ...users, guest: { access: "push", password } } };
    }
    case "certificate rotated":
      return { ...settings, certificate: { ...certificate, validityDays: isEven ? 300 : 365 } };
    case "CA changed":
      return { ...settings, certificate: { ...certificate, caGeneration: caGeneration + 1 } };
    case "old CA retired":
      return {
        ...settings,
        certificate: { ...certificate, retiredCaGeneration: caGeneration - 1 },
      };
    case "nginx setting changed":
      return { ...settings, anonymousPull: isEven };
    case "registry image replaced":
      return {
        ...settings,
        images: { ...settings.images, registry: isEven ? otherImage : images.registry },
      };
  }
}

async function whileClientsWork(
  system: { publishedPort: number; caPem: string; user: User },
  seen: Record<Kind, Seen>,
  group: readonly Kind[],
  work: () => Promise<unknown>,
): Promise<void> {
  const results = await during(startClients(system), work, 500);
  for (const kind of group) {
    seen[kind].changes += 1;
    seen[kind].requests += results.requests;
    seen[kind].failures.push(...results.failures);
  }
}

/**
 * Eight clients that push and pull one image after the other and never repeat a request. They trust
 * the CA that the system has now, whatever it is changed to, and verify each new connection.
 */
function startClients(system: { publishedPort: number; caPem: string; user: User }): Clients {
  const { publishedPort: port, caPem, user } = system;
  const failures: string[] = [];
  let requests = 0;
  let isStopping = false;
  const work = async (_: unknown, index: number) => {
    const agent = new Agent({
      keepAlive: true,
      maxSockets: 1,
      // A session that is taken up again verifies nothing.
      maxCachedSessions: 0,
    });
    const client = new RegistryClient({ port, host: "127.0.0.1", caPem, agent });
    const pull = async (path: string) => {
      const { status } = await client.request("GET", path, {
        user,
        headers: { Accept: `${manifestType}, */*` },
      });
      if (status !== 200) throw new Error(`GET ${path}: expected status 200, got ${status}`);
      requests += 1;
    };
    while (!isStopping) {
      try {
        const image = await client.push(`load/${index}`, "latest", user);
        requests += 5;
        await pull(`/v2/${image.name}/manifests/${image.tag}`);
        await pull(`/v2/${image.name}/blobs/${image.layer}`);
      } catch (error) {
        requests += 1;
        failures.push(error instanceof Error ? error.message : String(error));
      }
      // Leaves `pulumi up` something of the two cores.
      await pause(200);
    }
    agent.destroy();
  };
  const working = Promise.all(Array.from({ length: 8 }, work));
  return {
    stop: async () => {
      isStopping = true;
      await working;
      return { requests, failures };
    },
  };
}

function nothingSeen(): Record<Kind, Seen> {
  const entries = kinds.map((kind) => [kind, { changes: 0, requests: 0, failures: [] }]);
  return Object.fromEntries(entries) as Record<Kind, Seen>;
}

/** What a load tells that goes on until a while after the work. */
async function during<Told>(
  load: { stop(): Promise<Told> },
  work: () => Promise<unknown>,
  afterMs: number,
): Promise<Told> {
  let told;
  try {
    await pause(500);
    await work();
    await pause(afterMs);
  } finally {
    told = await load.stop();
  }
  return told;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
