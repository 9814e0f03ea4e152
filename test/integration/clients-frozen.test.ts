import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment";
import { createNetwork, docker, freePort, type TestNetwork } from "../support/engine";
import { type Machine, startMachine } from "../support/machine";

// A machine that takes connections and says nothing: its kernel runs, and nothing else does.

let network: TestNetwork;
let lasting: Machine;
let frozen: Machine;
let deployment: Deployment;
let settings: Record<string, unknown>;
const made: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  network = await createNetwork();
  made.push(() => network.remove());
  lasting = await startMachine({ network: network.name, kind: "plain" });
  made.push(() => lasting.stop());
  frozen = await startMachine({ network: network.name, kind: "plain" });
  made.push(() => frozen.stop());
  deployment = await Deployment.create({ PRIVATE_REGISTRY_CLIENT_SECONDS: "25" });
  made.push(() => deployment.remove());
  settings = {
    httpsPort: await freePort(),
    bindAddress: network.gateway,
    registryAddress: network.gateway,
    clients: { lasting: client(lasting), frozen: client(frozen) },
  };
});

afterAll(async () => {
  for (const remove of made.reverse()) await remove();
});

function client({ ip: host, sshPrivateKey: privateKey, hostKey }: Machine) {
  return { host, privateKey, hostKey };
}

async function knows(machine: Machine, domain: string): Promise<boolean> {
  const command = `grep -q ' ${domain}$' /etc/hosts`;
  return (await machine.exec(command, { reject: false })).exitCode === 0;
}

describe("a client that is frozen", () => {
  it("is waited for no longer than it may take, and named; the others are done", async () => {
    await deployment.up({ ...settings, domains: ["hub.test"] });
    await docker("pause", frozen.name);
    await deployment.configure({ ...settings, domains: ["new.test"] });
    const { exitCode, output } = await deployment.npmRun("up");
    expect(output).toContain("! client frozen could not be checked: no answer within 30 s");
    expect(output).toMatch(/✗ registry-frozen: no answer within \d+ s, and no longer waited for/);
    expect(output).toContain("✗ client frozen is not set up");
    expect(output).not.toContain("client lasting");
    expect(exitCode).toBe(1);
    expect(await knows(lasting, "new.test")).toBe(true);
  }, 600_000);

  it("is named by doctor", async () => {
    const { output } = await deployment.npmRun("doctor");
    expect(output).toMatch(/✗ client frozen +no answer within 30 s\n/);
    expect(output).toMatch(/✓ client lasting +as it was set up\n/);
  });

  it("is set up once it is awake", async () => {
    await docker("unpause", frozen.name);
    const { exitCode, output } = await deployment.npmRun("up");
    expect(output).not.toContain("✗");
    expect(exitCode).toBe(0);
    expect(await knows(frozen, "new.test")).toBe(true);
  });

  it("is not waited for by down either", async () => {
    await docker("pause", frozen.name);
    const { exitCode, output } = await deployment.npmRun("down");
    await docker("unpause", frozen.name);
    expect(output).toContain("✗ client frozen is not cleaned");
    expect(exitCode).toBe(1);
    expect(await knows(lasting, "new.test")).toBe(false);
  });
});
