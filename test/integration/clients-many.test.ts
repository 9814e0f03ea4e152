import pLimit from "p-limit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment";
import { createNetwork, freePort, type TestNetwork } from "../support/engine";
import { type Machine, startMachine } from "../support/machine";

// Many more clients than Pulumi sets up side by side, all behind one bastion, whose sshd has the
// settings that it comes with.

const names = Array.from({ length: 50 }, (_, index) => `web${index + 1}`);
let network: TestNetwork;
let bastion: Machine;
/** By the clients' names. */
let machines: Record<string, Machine>;
let deployment: Deployment;
let settings: Record<string, unknown>;
/** What was made, to be taken away in the opposite order. */
const made: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  network = await createNetwork();
  made.push(() => network.remove());
  const limit = pLimit(4);
  const start = () =>
    limit(async () => {
      const machine = await startMachine({ network: network.name, kind: "plain" });
      made.push(() => machine.stop());
      return machine;
    });
  bastion = await start();
  machines = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await start()] as const)),
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

/** The settings of all clients, with something else for one of them. */
function clients(change: Record<string, object> = {}) {
  return Object.fromEntries(
    Object.entries(machines).map(([name, machine]) => [
      name,
      { ...ssh(machine), proxy: ssh(bastion), ...change[name] },
    ]),
  );
}

function ssh({ ip: host, sshPrivateKey: privateKey, hostKey }: Machine) {
  return { host, privateKey, hostKey };
}

/** The names of the clients on whose machines this line of shell succeeds. */
async function where(line: string): Promise<string[]> {
  const found = await Promise.all(
    names.map(async (name) => {
      const result = await machines[name]?.exec(line, { reject: false });
      return result?.exitCode === 0 ? [name] : [];
    }),
  );
  return found.flat();
}

const trusting = () => where("grep -q ' hub.test$' /etc/hosts");
const withLogins = (count: number) => where(`[ "$(${countLogins})" -eq ${count} ]`);
const countLogins = "grep -c 'Accepted publickey' /var/log/sshd.log || :";

describe("fifty clients behind one bastion", () => {
  const others = names.filter((name) => name !== "web1");

  it("are set up by one npm run up, but for the one that does not answer, which is named", async () => {
    await deployment.configure({ ...settings, clients: clients({ web1: { port: 2222 } }) });
    const { exitCode, output } = await deployment.npmRun("up");
    expect(output.match(/✗ client \w+ .*/g)).toEqual([
      "✗ client web1 is not set up: see its error above.",
    ]);
    expect(exitCode).toBe(1);
    expect(output).toMatch(/ \d+ of 50 clients done\n/);
    expect(await trusting()).toEqual(others);
  });

  it("are all set up once that one answers", async () => {
    const { changes } = await deployment.up({ ...settings, clients: clients() });
    expect(changes).toMatchObject({ create: 1 });
    expect(await trusting()).toEqual(names);
  });

  it("were each logged in to once, and the bastion refused nobody", async () => {
    expect(await withLogins(1)).toEqual(names);
    // web1's own machine refused the first two: one in each run of the first up.
    expect((await bastion.exec(countLogins)).stdout).toBe(`${names.length + 2}\n`);
    const { stdout } = await bastion.exec("grep -v Accepted /var/log/sshd.log || :");
    expect(stdout).not.toMatch(/MaxStartups/);
  });

  it("are left alone by a second up", async () => {
    const { changes } = await deployment.up();
    expect(Object.keys(changes)).toEqual(["same"]);
    expect(await withLogins(1)).toEqual(names);
  });

  it("are all cleaned by destroy, with one login more", async () => {
    await deployment.destroy();
    expect(await trusting()).toEqual([]);
    expect(await withLogins(2)).toEqual(names);
  });
});
