import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { issue, type Issued } from "../support/certificates";
import { Deployment } from "../support/deployment";
import { createNetwork, freePort, type TestNetwork } from "../support/engine";
import { type Machine, startMachine } from "../support/machine";

// Several clients that fail at once, while what they depend on goes away. Each `npm run up` does the
// others, names those that failed, and leaves a state that the next one takes.

const names = Array.from({ length: 5 }, (_, index) => `web${index + 1}`);
let network: TestNetwork;
let machines: Record<string, Machine>;
let spare: Machine;
let deployment: Deployment;
let settings: Record<string, unknown>;
let ca: Issued;
const made: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  network = await createNetwork();
  made.push(() => network.remove());
  const start = async () => {
    const machine = await startMachine({ network: network.name, kind: "plain" });
    made.push(() => machine.stop());
    return machine;
  };
  machines = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await start()] as const)),
  );
  spare = await start();
  deployment = await Deployment.create();
  made.push(() => deployment.remove());
  ca = issue({ subject: "A CA of their own", ca: true });
  settings = {
    domains: ["hub.test"],
    httpsPort: await freePort(),
    bindAddress: network.gateway,
    registryAddress: network.gateway,
  };
});

afterAll(async () => {
  for (const remove of made.reverse()) await remove();
});

/** Takes the private CA out of the program, with all that it is made of. */
function ownCertificate() {
  const { certificatePem, privateKeyPem } = issue({
    subject: "hub.test",
    issuer: ca,
    sans: "DNS:hub.test",
  });
  return { ownCertificate: { certificatePem, privateKeyPem, caPem: ca.certificatePem } };
}

function clients(of: readonly string[], change: (name: string) => object = () => ({})) {
  return {
    clients: Object.fromEntries(of.map((name) => [name, { ...ssh(name), ...change(name) }])),
  };
}

function ssh(name: string) {
  const { ip: host, sshPrivateKey: privateKey, hostKey } = machines[name] ?? spare;
  return { host, privateKey, hostKey };
}

async function stopSshd(...of: string[]): Promise<void> {
  for (const name of of) await machines[name]?.exec("kill $(cat /run/sshd.pid)");
}

async function startSshd(...of: string[]): Promise<void> {
  for (const name of of) await machines[name]?.exec("/usr/sbin/sshd -E /var/log/sshd.log");
}

/** The names of the clients whose machines have this in the CA that they trust. */
async function trusting(caPem: string): Promise<string[]> {
  const line = caPem.split("\n")[3] ?? "";
  const found = await Promise.all(
    names.map(async (name) => {
      const command = `grep -q -F '${line}' /var/lib/private-registry/*/ca.crt`;
      const result = await machines[name]?.exec(command, { reject: false });
      return result?.exitCode === 0 ? [name] : [];
    }),
  );
  return found.flat();
}

/** `npm run up`, which fails for these clients and for nothing else. */
async function upWithout(...failing: string[]) {
  const { exitCode, output } = await deployment.npmRun("up");
  expect(output).not.toMatch(/integrity|unhandled|goroutine/);
  expect(
    new Set([...output.matchAll(/✗ (?:the machine that )?client (\w+)/g)].map((m) => m[1])),
    output,
  ).toEqual(new Set(failing));
  expect(exitCode).toBe(failing.length === 0 ? 0 : 1);
  return output;
}

describe("clients that fail together", () => {
  it("are set up at first", async () => {
    await deployment.configure({ ...settings, ...clients(names) });
    await upWithout();
  });

  it("are two, and an update goes on without them", async () => {
    await stopSshd("web1", "web2");
    await deployment.configure({ ...settings, ...ownCertificate(), ...clients(names) });
    await upWithout("web1", "web2");
    expect(await trusting(ca.certificatePem)).toEqual(["web3", "web4", "web5"]);
  });

  it("are three with another machine each, and the private CA comes back", async () => {
    await stopSshd("web3");
    const moved = (name: string) => (["web1", "web2", "web3"].includes(name) ? { port: 2222 } : {});
    await deployment.configure({ ...settings, ...clients(names, moved) });
    await upWithout("web1", "web2", "web3");
    expect(await trusting(ca.certificatePem)).toEqual(["web3"]);
  });

  it("are three that are no longer wanted, beside two that are new", async () => {
    const renamed = { new1: { ...ssh("web4"), port: 2222 }, new2: { ...ssh("web5"), port: 2222 } };
    const { clients: kept } = clients(["web4", "web5"]);
    await deployment.configure({
      ...settings,
      ...ownCertificate(),
      clients: { ...kept, ...renamed },
    });
    await upWithout("web1", "web2", "web3", "new1", "new2");
    expect(await trusting(ca.certificatePem)).toEqual(["web3", "web4", "web5"]);
  });

  it("are kept by down, with a state that the next command takes", async () => {
    const { exitCode, output } = await deployment.npmRun("down");
    expect(output).not.toMatch(/integrity|goroutine/);
    expect(output).toContain("client web1 is not cleaned");
    expect(exitCode).not.toBe(0);
  });

  it("are all cleaned once they answer", async () => {
    await startSshd("web1", "web2", "web3");
    const { exitCode, output } = await deployment.npmRun("down");
    expect(output).not.toContain("✗");
    expect(exitCode).toBe(0);
    expect(await trusting(ca.certificatePem)).toEqual([]);
  });
});
