import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment";
import { createDisk, type Disk } from "../support/disk";
import { docker, freePort, serving } from "../support/engine";
import { lost, type Pushing, startPushing } from "../support/pushing";
import { RegistryClient, type RegistryClientOptions } from "../support/registry-client";

// What the registry has acknowledged is there afterwards, whatever happens to it: every digest that
// was answered with 201 while clients pushed is asked for, and compared.

const alice = ["alice", "Pushes-1 thing"] as const;
let deployment: Deployment;
let disk: Disk;
let options: RegistryClientOptions;
let pushing: Pushing;

beforeAll(async () => {
  [deployment, disk] = await Promise.all([Deployment.create(), createDisk(2048)]);
  const port = await freePort();
  await deployment.up({
    domains: ["localhost"],
    httpsPort: port,
    bindAddress: "127.0.0.1",
    dataPath: disk.folder,
    users: { alice: { password: alice[1] } },
  });
  options = { port, host: "localhost", caPem: deployment.output("caCertificate") };
});

afterAll(async () => {
  await deployment.remove();
  await disk.remove();
});

beforeEach(async () => {
  pushing = startPushing(options, alice);
  await pushing.oneMoreEach();
});

afterEach(async () => {
  // Stopped already, unless something went wrong.
  await pushing.stop();
});

/** Pushes go on by themselves, and nothing is lost of those before. */
const expectRecovery = async () => {
  await pushing.oneMoreEach();
  await pushing.stop();
  const { acknowledged, corrupt } = pushing.seen;
  expect(corrupt).toEqual([]);
  expect(await lost(options, alice, acknowledged)).toEqual([]);
};

/** Pulling needs the registry for the manifest, and nginx for the layer. */
const isServing = async () => {
  try {
    const reply = await new RegistryClient(options).request("GET", "/v2/_catalog", { user: alice });
    return reply.status === 200;
  } catch {
    return false;
  }
};

describe("kill -9", () => {
  const times = 7;

  /** Kills the container's first process, each time when the engine has started it anew. */
  const killFirst = async (container: string) => {
    let killed = 0;
    for (let before = 0; killed < times;) {
      const pid = Number(await docker("inspect", "--format", "{{.State.Pid}}", container));
      if (pid !== 0 && pid !== before) {
        // At the start, or later, when there are pushes again.
        await pause(Math.random() * 600);
        process.kill(pid, "SIGKILL");
        killed += 1;
        before = pid;
      }
      await pause(50);
    }
  };

  it("of the registry, of nginx and of its workers loses nothing, and pushes go on", async () => {
    const { nginx, registry } = await serving(deployment.installation);
    await Promise.all([killFirst(registry.Id), killFirst(nginx.Id)]);
    await pushing.oneMoreEach();
    for (let killed = 0; killed < times; killed += 1) {
      process.kill(await someWorker(nginx.Id), "SIGKILL");
      await pause(Math.random() * 600);
    }
    await expectRecovery();
    const after = await serving(deployment.installation);
    expect(after.nginx.RestartCount).toBe(times);
    expect(after.registry.RestartCount).toBe(times);
    expect(pushing.seen.failures.length).toBeGreaterThan(times);
    expect(pushing.seen.resumed).toBeGreaterThan(0);
  });
});

describe("a full disk", () => {
  it("refuses pushes and says why, serves what is there, and takes pushes once it has room", async () => {
    const { acknowledged, failures } = pushing.seen;
    expect(failures).toEqual([]);
    await disk.fill(1_000_000);
    await expect.poll(() => failures.length).toBeGreaterThan(30);
    expect(await lost(options, alice, acknowledged.slice())).toEqual([]);
    for (const failure of failures) {
      expect(failure).toMatch(/got 500: .*no space left on device/);
    }
    await disk.empty();
    await expectRecovery();
  });
});

describe("a power cut", () => {
  it("loses nothing that was acknowledged", async () => {
    for (let time = 0; time < 5; time += 1) {
      const { nginx, registry } = await serving(deployment.installation);
      await pause(Math.random() * 1000);
      await disk.cutPower();
      await docker("kill", nginx.Id, registry.Id);
      await disk.restorePower();
      await docker("start", registry.Id, nginx.Id);
      await expect.poll(isServing, { timeout: 20_000 }).toBe(true);
    }
    await expectRecovery();
  });
});

async function someWorker(nginx: string): Promise<number> {
  const processes = await docker("top", nginx, "-o", "pid,args");
  const workers = processes.split("\n").filter((line) => line.includes("nginx: worker process"));
  return Number.parseInt(workers[Math.floor(Math.random() * workers.length)] ?? "", 10);
}
