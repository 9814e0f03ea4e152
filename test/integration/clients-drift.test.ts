import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { quote } from "../../components/render/shell";
import { Deployment } from "../support/deployment";
import { createNetwork, freePort, type TestNetwork } from "../support/engine";
import { listing, type Machine, startMachine } from "../support/machine";

// Clients that somebody changes by hand, that move, and the machine that runs Pulumi itself.

let network: TestNetwork;
let settings: Record<string, unknown>;
const made: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  network = await createNetwork();
  made.push(() => network.remove());
  settings = {
    domains: ["hub.test"],
    bindAddress: network.gateway,
    registryAddress: network.gateway,
  };
});

afterAll(async () => {
  for (const remove of made.reverse()) await remove();
});

async function machine(): Promise<Machine> {
  const started = await startMachine({ network: network.name, kind: "plain" });
  made.push(() => started.stop());
  return started;
}

async function deploy(environment?: Record<string, string>): Promise<Deployment> {
  const deployment = await Deployment.create(environment);
  made.push(() => deployment.remove());
  return deployment;
}

function client({ ip: host, sshPrivateKey: privateKey, hostKey }: Machine) {
  return { host, privateKey, hostKey };
}

async function trusts(machine: Machine): Promise<boolean> {
  const { exitCode } = await machine.exec("grep -q ' hub.test$' /etc/hosts", { reject: false });
  return exitCode === 0;
}

describe("a client that somebody has changed by hand", () => {
  let web1: Machine;
  let web2: Machine;
  let deployment: Deployment;
  let asSetUp: string;

  beforeAll(async () => {
    web1 = await machine();
    web2 = await machine();
    deployment = await deploy();
    const clients = { web1: client(web1), web2: client(web2) };
    await deployment.up({ ...settings, httpsPort: await freePort(), clients });
    asSetUp = await listing(web1);
  });

  it("is as it was set up before that, says doctor", async () => {
    const { output } = await deployment.npmRun("doctor");
    expect(output).toMatch(/✓ client web1 +as it was set up\n✓ client web2 +as it was set up\n/);
  });

  it("is looked at without a change", async () => {
    expect(await listing(web1)).toBe(asSetUp);
  });

  it("is named by doctor, with what has changed", async () => {
    await web1.exec("rm /var/lib/private-registry/*/ca.crt; echo 127.0.0.1 web1 >/etc/hosts");
    const { output } = await deployment.npmRun("doctor");
    expect(output).toMatch(/– client web1 +changed since: .*\/ca.crt, \/etc\/hosts\n/);
    expect(output).toMatch(/✓ client web2 +as it was set up\n/);
    expect(await trusts(web1)).toBe(false);
  });

  it("is set up again by npm run up, in place, and no other is", async () => {
    const { exitCode, output } = await deployment.npmRun("up");
    expect(output).toMatch(/• client web1 has changed: .*\/ca.crt, \/etc\/hosts\n/);
    expect(output).not.toContain("client web2");
    expect(output).toMatch(/~ 1 updated/);
    expect(output).not.toMatch(/created|replaced|deleted/);
    expect(exitCode).toBe(0);
    expect(await trusts(web1)).toBe(true);
  });

  it("is left alone by the next one", async () => {
    const { output } = await deployment.npmRun("up");
    expect(output).not.toContain("has changed");
    expect(output).not.toMatch(/updated|created|replaced|deleted/);
  });

  it("does not hold up an up when it cannot be asked", async () => {
    await web2.exec("kill $(cat /run/sshd.pid)");
    const { exitCode, output } = await deployment.npmRun("up");
    expect(output).toMatch(/! client web2 could not be checked: .*dial tcp/);
    expect(exitCode).toBe(0);
    const { output: told } = await deployment.npmRun("doctor");
    expect(told).toMatch(/✗ client web2 .*dial tcp/);
    await deployment.npmRun("forget", "web2");
  });
});

describe("a client that moves to another machine", () => {
  let before: Machine;
  let after: Machine;
  let deployment: Deployment;

  beforeAll(async () => {
    before = await machine();
    after = await machine();
    deployment = await deploy();
    const clients = { web1: client(before) };
    await deployment.up({ ...settings, httpsPort: await freePort(), clients });
  });

  it("is set up there and cleaned where it was", async () => {
    await deployment.up({
      ...settings,
      httpsPort: await freePort(),
      clients: { web1: client(after) },
    });
    expect(await trusts(before)).toBe(false);
    expect(await trusts(after)).toBe(true);
  });

  it("stays set up under another name", async () => {
    await deployment.up({
      ...settings,
      httpsPort: await freePort(),
      clients: { www: client(after) },
    });
    expect(await trusts(after)).toBe(true);
  });

  it("is set up there though the one before is gone for good, which can be forgotten", async () => {
    await after.exec("kill $(cat /run/sshd.pid)");
    await deployment.configure({
      ...settings,
      httpsPort: await freePort(),
      clients: { www: client(before) },
    });
    const { exitCode, output } = await deployment.npmRun("up");
    expect(output).toContain("the machine that client www was before is not cleaned");
    expect(exitCode).not.toBe(0);
    expect(await trusts(before)).toBe(true);

    const forgotten = await deployment.npmRun("forget", "www");
    expect(forgotten.output).toContain("✓ client www: the machine that it was before is forgotten");
    expect((await deployment.up()).changes).toEqual({ same: expect.any(Number) as number });
    expect(await trusts(before)).toBe(true);
  });
});

describe("the machine that runs Pulumi", () => {
  let folder: string;
  let deployment: Deployment;

  /** In a mount namespace, where files of /etc and /var/lib are written beside the real ones. */
  const aside = (command: string) => `set -e
for name in etc var/lib; do
  under="$folder/$name"
  mount -t overlay overlay -o "lowerdir=/$name,upperdir=$under/upper,workdir=$under/work" "/$name"
done
${command}`;

  const see = async (command: string) => {
    const { stdout } = await execa("unshare", ["--mount", "sh", "-c", aside(command)], {
      env: { folder },
      reject: false,
    });
    return stdout;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "private-registry-test-"));
    made.push(() => rm(folder, { recursive: true }));
    for (const name of ["etc", "var/lib"]) {
      await mkdir(join(folder, name, "upper"), { recursive: true });
      await mkdir(join(folder, name, "work"), { recursive: true });
    }
    await mkdir(join(folder, "bin"));
    const path = process.env["PATH"] ?? "";
    const script = `#!/bin/sh
export PATH=${quote(path)} folder=${quote(folder)}
exec unshare --mount sh -c ${quote(aside('exec pulumi "$@"'))} sh "$@"
`;
    await writeFile(join(folder, "bin/pulumi"), script);
    await chmod(join(folder, "bin/pulumi"), 0o755);
    deployment = await deploy({ PATH: join(folder, "bin") + delimiter + path });
    await deployment.configure({
      ...settings,
      httpsPort: await freePort(),
      clients: { here: { local: true, runtimes: ["podman"] } },
    });
  });

  it("is a client without SSH", async () => {
    await deployment.up();
    expect(deployment.clients["here"]).toContain("proved with curl: hub.test");
    expect(await see("grep 'hub.test$' /etc/hosts")).toBe(`${network.gateway} hub.test`);
    expect(await see("ls /var/lib/private-registry")).toBe(deployment.installation);
  });

  it("is left alone by a second up", async () => {
    expect((await deployment.up()).changes).toEqual({ same: expect.any(Number) as number });
  });

  it("is cleaned when it is no client any more", async () => {
    await deployment.destroy();
    expect(await see("grep hub.test /etc/hosts; ls /var/lib/private-registry")).toBe("");
  });
});
