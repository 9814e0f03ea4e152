import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment";
import { createNetwork, freePort, type TestNetwork } from "../support/engine";
import { type Machine, startMachine } from "../support/machine";

// Two clients, one of which is switched off for good.

let network: TestNetwork;
let lasting: Machine;
let gone: Machine;
let deployment: Deployment;
let settings: Record<string, unknown>;
/** What was made, to be taken away in the opposite order. */
const made: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  network = await createNetwork();
  made.push(() => network.remove());
  lasting = await startMachine({ network: network.name, kind: "plain" });
  made.push(() => lasting.stop());
  gone = await startMachine({ network: network.name, kind: "plain" });
  made.push(() => gone.stop());
  deployment = await Deployment.create();
  made.push(() => deployment.remove());
  settings = {
    domains: ["hub.test"],
    httpsPort: await freePort(),
    bindAddress: network.gateway,
    registryAddress: network.gateway,
    clients: { lasting: client(lasting), gone: { ...client(gone), port: 2222 } },
  };
});

afterAll(async () => {
  for (const remove of made.reverse()) await remove();
});

function client({ ip: host, sshPrivateKey: privateKey, hostKey }: Machine) {
  return { host, privateKey, hostKey };
}

async function trusts(machine: Machine): Promise<boolean> {
  const { exitCode } = await machine.exec("grep -q ' hub.test$' /etc/hosts", { reject: false });
  return exitCode === 0;
}

describe("one client of two", () => {
  it("that does not answer is named by up, and the other one is set up", async () => {
    const failure = await deployment.failingUp(settings);
    expect(failure).toContain("registry-gone-trust");
    expect(failure).toContain(`dial tcp ${gone.ip}:2222: connect: connection refused`);
    expect(failure).not.toMatch(/registry-lasting-trust \*\*creating failed/);
    expect(await trusts(lasting)).toBe(true);
    expect(await trusts(gone)).toBe(false);
  });

  it("that is gone for good is named by down, and the other one is cleaned", async () => {
    await deployment.up({
      ...settings,
      clients: { lasting: client(lasting), gone: client(gone) },
    });
    expect(await trusts(gone)).toBe(true);
    await gone.exec("kill $(cat /run/sshd.pid)");

    const { exitCode, output } = await deployment.npmRun("down");
    expect(exitCode).not.toBe(0);
    expect(output).toContain("client gone is not cleaned");
    expect(output).toContain("npm run forget -- gone");
    expect(output).not.toContain("client lasting");
    expect(await trusts(lasting)).toBe(false);
  });

  it("is forgotten by one command, and then down takes everything away", async () => {
    const unknown = await deployment.npmRun("forget", "nobody");
    expect(unknown.exitCode).toBe(1);
    expect(unknown.output).toContain("client nobody: not known to stack");
    expect(unknown.output).toContain("Its clients: gone");

    const { exitCode, output } = await deployment.npmRun("forget", "gone");
    expect(output).toContain("✓ client gone: forgotten");
    expect(exitCode).toBe(0);

    expect((await deployment.npmRun("down")).exitCode).toBe(0);
    expect(await deployment.objects()).toEqual({ containers: [], volumes: [], networks: [] });
  });
});
