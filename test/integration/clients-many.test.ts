import pLimit from "p-limit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment";
import { createNetwork, freePort, type TestNetwork } from "../support/engine";
import { type Machine, startMachine } from "../support/machine";

// More clients than Pulumi sets up side by side.

const count = 50;
let network: TestNetwork;
let machines: Machine[];
let deployment: Deployment;
let settings: Record<string, unknown>;
/** What was made, to be taken away in the opposite order. */
const made: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  network = await createNetwork();
  made.push(() => network.remove());
  const start = pLimit(4);
  machines = await Promise.all(
    Array.from({ length: count }, () =>
      start(async () => {
        const machine = await startMachine({ network: network.name, kind: "plain" });
        made.push(() => machine.stop());
        return machine;
      }),
    ),
  );
  deployment = await Deployment.create();
  made.push(() => deployment.remove());
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

/** The settings of the clients, `web1` and so on. */
function clients(change: Record<string, object> = {}): Record<string, object> {
  return Object.fromEntries(
    machines.map(({ ip: host, sshPrivateKey: privateKey, hostKey }, index) => {
      const name = `web${index + 1}`;
      return [name, { host, privateKey, hostKey, ...change[name] }];
    }),
  );
}

/** The names of the clients whose machines trust the registry. */
async function trusting(): Promise<string[]> {
  const found = await Promise.all(
    machines.map((machine) => machine.exec("grep -q ' hub.test$' /etc/hosts", { reject: false })),
  );
  return found.flatMap(({ exitCode }, index) => (exitCode === 0 ? [`web${index + 1}`] : []));
}

const all = Array.from({ length: count }, (_, index) => `web${index + 1}`);

describe("many clients", () => {
  it("are set up by one up but for the one that does not answer, which is named", async () => {
    await deployment.configure({ ...settings, clients: clients({ web1: { port: 2222 } }) });
    const { exitCode, output } = await deployment.npmRun("up");
    expect(exitCode).not.toBe(0);
    expect(await trusting()).toEqual(all.filter((name) => name !== "web1"));
    expect(output.match(/✗ client \w+ .*/g)).toEqual([
      "✗ client web1 is not set up: see its error above.",
    ]);
  });
});
