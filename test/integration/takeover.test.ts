import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment, type Settings } from "../support/deployment";
import { createNetwork, docker, freePort, serving, type TestNetwork } from "../support/engine";
import { landedProject } from "../support/landed";
import { type Machine, startMachine } from "../support/machine";
import { RegistryClient, type RegistryClientOptions } from "../support/registry-client";
import { startTraffic } from "../support/traffic";

// An installation of the version that people have becomes one of this version by an `up`.

let deployment: Deployment;
let network: TestNetwork;
let machine: Machine;
let options: RegistryClientOptions;
const alice = ["alice", "Pushes-1 thing"] as const;
let settings: Settings;

beforeAll(async () => {
  const landed = await landedProject();
  try {
    deployment = await Deployment.create({}, landed.folder);
    network = await createNetwork();
    machine = await startMachine({ network: network.name });
    const domain = `${deployment.stackName}.registry.test`;
    settings = {
      domains: [domain],
      httpsPort: await freePort(),
      bindAddress: network.gateway,
      users: { alice: { password: alice[1] }, bob: { access: "pull" } },
      registryAddress: network.gateway,
      clients: {
        web1: {
          host: machine.ip,
          privateKey: machine.sshPrivateKey,
          hostKey: machine.hostKey,
          login: "alice",
          systemTrust: true,
        },
      },
    };
    await deployment.up(settings);
    options = {
      address: network.gateway,
      port: settings.httpsPort as number,
      host: domain,
      caPem: deployment.output("caCertificate"),
    };
    await new RegistryClient(options).push("team/app", "1", alice);
    await deployment.upgrade();
  } finally {
    await landed.remove();
  }
});

afterAll(async () => {
  await deployment.remove();
  await machine.stop();
  await network.remove();
});

describe("an installation of the version before", () => {
  it("is taken over without a failed request, a new CA, or a new container", async () => {
    const before = await serving(deployment.installation);
    const { caCertificate, passwords } = outputs();
    const traffic = startTraffic(options, "/v2/team/app/tags/list", alice);
    try {
      await deployment.up();
    } finally {
      const { answered, failures } = await traffic.stop();
      expect(failures).toEqual([]);
      expect(answered).toBeGreaterThan(100);
    }
    const after = await serving(deployment.installation);
    expect([after.nginx.Id, after.registry.Id]).toEqual([before.nginx.Id, before.registry.Id]);
    expect(outputs()).toEqual({ caCertificate, passwords });
  });

  it("has its images, which say now whose they are", async () => {
    const tags = await new RegistryClient(options).request("GET", "/v2/team/app/tags/list", {
      user: alice,
    });
    expect(JSON.parse(tags.body)).toEqual({ name: "team/app", tags: ["1"] });
    const id = await docker(
      ...["run", "--rm", "--user", "0", "--volume", `${deployment.dataVolume}:/volume:ro`],
      ...["--entrypoint", "cat", "nginx:1.30", "/volume/docker/.private-registry"],
    );
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(await deployment.state()).toContain(id);
  });

  it("has its client, logged in as before", async () => {
    expect(deployment.clients.web1).toMatch(/logged in as alice/);
    const image = `${options.host}:${options.port}/team/app:2`;
    await machine.exec(`echo content >file && tar -c file | docker import - ${image}`);
    await machine.exec(`docker push ${image}`);
  });

  it("is left alone by a second up, and by one after a refresh", async () => {
    expect(Object.keys((await deployment.up()).changes)).toEqual(["same"]);
    await deployment.refresh();
    expect(Object.keys((await deployment.up()).changes)).toEqual(["same"]);
  });
});

const outputs = () => ({
  caCertificate: deployment.output("caCertificate"),
  passwords: deployment.passwords,
});
