/** Machines that this project sets up over SSH, and a registry that they can reach. */
import { randomBytes } from "node:crypto";
import pLimit from "p-limit";
import type { Deployment, Settings } from "../../test/support/deployment";
import { createNetwork, freePort } from "../../test/support/engine";
import { startMachine, type Machine } from "../../test/support/machine";
import { timedUp } from "./ours";
import type { Surroundings } from "./system";

/** A registry that none of them is a client of yet. */
export interface ClientMachines {
  deployment: Deployment;
  /** Makes clients of that many by one `up`, in seconds, and then cleans them by another. */
  timedSetUp(count: number): Promise<number>;
}

/**
 * Starts `count` machines with sshd and podman, and deploys the project where they reach it; the
 * caller removes `deployment`.
 */
export async function startClientMachines(
  surroundings: Surroundings,
  deployment: Deployment,
  count: number,
): Promise<ClientMachines> {
  const name = `bench-clients-${randomBytes(4).toString("hex")}`;
  const network = await createNetwork(name, surroundings.label);
  const settings: Settings = {
    domains: ["registry.test"],
    httpsPort: await freePort(),
    bindAddress: network.gateway,
    registryAddress: network.gateway,
    keepData: false,
  };
  const starts = [
    startMachines(surroundings, network.name, count),
    deployment.up(settings),
  ] as const;
  // All to their end: a start that goes on when another has failed would leave something behind.
  await Promise.allSettled(starts);
  const [machines] = await Promise.all(starts);
  return {
    deployment,
    timedSetUp: async (count) => {
      await deployment.configure({ ...settings, clients: clientSettings(machines, count) });
      const seconds = await timedUp(deployment);
      await deployment.configure(settings);
      await timedUp(deployment);
      return seconds;
    },
  };
}

async function startMachines(
  { label, signal }: Surroundings,
  network: string,
  count: number,
): Promise<Machine[]> {
  const limit = pLimit(4);
  const start = () =>
    limit(() => {
      signal.throwIfAborted();
      return startMachine({ kind: "podman", network, runArguments: ["--label", label] });
    });
  const starts = Array.from({ length: count }, start);
  await Promise.allSettled(starts);
  return Promise.all(starts);
}

function clientSettings(machines: readonly Machine[], count: number): Settings {
  const clients = machines.slice(0, count).map(({ ip: host, sshPrivateKey, hostKey }, index) => {
    return [`web${index + 1}`, { host, privateKey: sshPrivateKey, hostKey }];
  });
  return Object.fromEntries(clients) as Settings;
}
