import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Deployment, type Settings } from "../support/deployment";
import { createNetwork } from "../support/engine";
import { type Machine, startMachine } from "../support/machine";
import { runsContainers } from "../support/nested-engine";
import { lost, type Pushing, startPushing } from "../support/pushing";
import type { RegistryClientOptions } from "../support/registry-client";

// A Docker host that goes down while clients push, and what serves there afterwards by itself.

const alice = ["alice", "Pushes-1 thing"] as const;
const domain = "registry.test";
let host: Machine;
let engine: string;
let deployment: Deployment;
let settings: Settings;
let options: RegistryClientOptions;
let pushing: Pushing;
/** What was made, to be taken away in the opposite order. */
const made: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const network = await createNetwork();
  made.push(() => network.remove());
  engine = await mkdtemp(join(tmpdir(), "private-registry-test-engine-"));
  made.push(() => rm(engine, { recursive: true }));
  await configureEngine({});
  host = await startMachine({
    network: network.name,
    runArguments: [
      ...runsContainers,
      // As everywhere, emptied by a reboot.
      ...["--tmpfs", "/run:exec"],
      ...["--volume", `${engine}:/engine`],
      ...["--volume", `${engine}/daemon.json:/etc/docker/daemon.json:ro`],
    ],
  });
  made.push(() => host.stop());
  await execa("docker", ["save", "registry:3.1.2", "nginx:1.30"], {
    ...{ encoding: "buffer", buffer: false },
  }).pipe("docker", ["exec", "--interactive", host.name, "docker", "load"]);
  deployment = await Deployment.create();
  made.push(() => deployment.remove());
  settings = {
    dockerHost: `unix://${engine}/docker.sock`,
    domains: [domain],
    users: { alice: { password: alice[1] } },
  };
  await deployment.up(settings);
  const caPem = deployment.output("caCertificate");
  options = { address: host.ip, port: 443, host: domain, caPem };
});

afterAll(async () => {
  for (const remove of made.reverse()) await remove();
});

beforeEach(async () => {
  pushing = startPushing(options, alice);
  await pushing.oneMoreEach();
});

afterEach(async () => {
  await pushing.stop();
});

const configureEngine = (options: object) => {
  const hosts = ["unix:///run/docker.sock", "unix:///engine/docker.sock"];
  return writeFile(join(engine, "daemon.json"), JSON.stringify({ hosts, ...options }));
};

const expectRecovery = async () => {
  await pushing.oneMoreEach();
  await pushing.stop();
  expect(pushing.seen.corrupt).toEqual([]);
  expect(await lost(options, alice, pushing.seen.acknowledged)).toEqual([]);
  const { changes } = await deployment.up();
  expect(Object.keys(changes)).toEqual(["same"]);
};

/** SIGKILL for dockerd alone, and a new one. */
const restartEngine = () =>
  host.exec(`
pid=$(cat /run/docker.pid)
kill -9 "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
dockerd >>/var/log/dockerd.log 2>&1 &
for i in $(seq 300); do docker version >/dev/null 2>&1 && exit; sleep 0.1; done
tail -n 20 /var/log/dockerd.log; exit 1`);

describe("a Docker host that loses its power", () => {
  it("serves again by itself, and what was acknowledged is there", async () => {
    for (let time = 0; time < 3; time += 1) {
      await execa("docker", ["restart", "--time", "0", host.name]);
      await pushing.oneMoreEach();
    }
    await expectRecovery();
    expect(pushing.seen.failures.length).toBeGreaterThan(0);
  });
});

describe("a Docker engine that is killed", () => {
  it("starts both containers again, and what was acknowledged is there", async () => {
    for (let time = 0; time < 3; time += 1) {
      await restartEngine();
      await pushing.oneMoreEach();
    }
    await expectRecovery();
    expect(pushing.seen.failures.length).toBeGreaterThan(0);
  });
});

describe("a Docker engine that is killed, and leaves containers running", () => {
  it("interrupts nothing, and the next up replaces the registry without a loss", async () => {
    await configureEngine({ "live-restore": true });
    await restartEngine();
    await pushing.oneMoreEach();
    pushing.seen.failures.length = 0;

    await restartEngine();
    await pushing.oneMoreEach();
    await host.exec("echo 'FROM registry:3.1.2\nLABEL other=true' | docker build --tag other:1 -");
    await deployment.up({ ...settings, images: { registry: "other:1" } });
    await expectRecovery();
    expect(pushing.seen.failures).toEqual([]);
  });
});
