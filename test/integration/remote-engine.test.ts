import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as shell from "../../components/render/shell";
import { Deployment } from "../support/deployment";
import { machineDocker } from "../support/docker-cli";
import { createNetwork } from "../support/engine";
import { type Machine, startMachine } from "../support/machine";
import { runsContainers } from "../support/nested-engine";

// The Docker host is another machine, which has nothing but sshd and a Docker engine; the port is
// 443, and the images are in a folder there.

const domain = "registry.test";
let host: Machine;
let client: Machine;
let deployment: Deployment;
/** What was made, to be taken away in the opposite order. */
const made: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const network = await createNetwork();
  made.push(() => network.remove());
  host = await startMachine({ network: network.name, runArguments: runsContainers });
  made.push(() => host.stop());
  client = await startMachine({ network: network.name });
  made.push(() => client.stop());
  await execa("docker", ["save", "registry:3.1.2", "nginx:1.30"], {
    ...{ encoding: "buffer", buffer: false },
  }).pipe("docker", ["exec", "--interactive", host.name, "docker", "load"]);
  const operator = await sshOf(host);
  made.push(() => rm(operator, { recursive: true }));
  deployment = await Deployment.create({ PATH: `${operator}:${process.env.PATH ?? ""}` });
  made.push(() => deployment.remove());
  await deployment.up({
    dockerHost: `ssh://root@${host.ip}`,
    domains: [domain],
    registryAddress: host.ip,
    dataPath: "/srv/registry",
    users: { alice: { access: "push" } },
    clients: {
      web1: { host: client.ip, privateKey: client.sshPrivateKey, hostKey: client.hostKey },
    },
  });
});

afterAll(async () => {
  for (const remove of made.reverse()) await remove();
});

/** A folder with an `ssh` that knows the machine, as the operator's own would by its settings. */
async function sshOf(machine: Machine): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "private-registry-test-ssh-"));
  const file = (name: string) => join(folder, name);
  await writeFile(file("key"), machine.sshPrivateKey, { mode: 0o600 });
  await writeFile(file("known_hosts"), `${machine.ip} ${machine.hostKey}\n`);
  const options = [`UserKnownHostsFile=${file("known_hosts")}`, `IdentityFile=${file("key")}`];
  const command = ["/usr/bin/ssh", ...options.flatMap((option) => ["-o", option])];
  await writeFile(file("ssh"), `#!/bin/sh\nexec ${shell.join(command)} "$@"\n`);
  await chmod(file("ssh"), 0o755);
  return folder;
}

describe("a registry on another machine's engine, over SSH", () => {
  it("runs there", async () => {
    const { stdout } = await host.exec("docker ps --format '{{.Image}} {{.Ports}}'");
    expect(stdout).toContain("0.0.0.0:443->8443/tcp");
    expect(stdout.trim().split("\n")).toHaveLength(3);
  });

  it("is named without a port, and used by a client so", async () => {
    expect(deployment.output("registryUrl")).toBe(`https://${domain}`);
    const there = machineDocker(client);
    const { alice = "" } = deployment.passwords;
    expect((await there.login(domain, "alice", alice)).output).toContain("Login Succeeded");
    const image = `${domain}/team/app:1`;
    await client.exec(`echo content >file && tar -c file | docker import - ${image}`);
    expect((await there.docker("push", image)).exitCode).toBe(0);
    await there.docker("image", "rm", image);
    expect((await there.docker("pull", image)).output).toContain("Downloaded newer image");
  });

  it("keeps the images in the folder on that machine", async () => {
    await host.exec("test -d /srv/registry/docker/registry/v2/repositories/team/app");
  });

  it("is left alone by a second up", async () => {
    const { changes } = await deployment.up();
    expect(Object.keys(changes)).toEqual(["same"]);
  });

  it("leaves nothing on the machine but the images once it is destroyed", async () => {
    await deployment.destroy();
    const left =
      "docker ps --all --quiet; docker volume ls --quiet; docker network ls --quiet --filter type=custom";
    expect((await host.exec(left)).stdout).toBe("");
    await host.exec("test -d /srv/registry/docker/registry/v2/repositories/team/app");
  });
});
