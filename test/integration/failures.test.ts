import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment, type Settings } from "../support/deployment";
import { containers, freePort } from "../support/engine";
import { RegistryClient } from "../support/registry-client";

// A first `pulumi up` that cannot work: it names the thing and the mend, and makes nothing.

let deployment: Deployment;
let settings: Settings;

beforeAll(async () => {
  deployment = await Deployment.create();
  settings = {
    domains: ["localhost"],
    httpsPort: await freePort(),
    bindAddress: "127.0.0.1",
    users: { alice: { password: "Pushes-1 thing" } },
  };
});

afterAll(async () => {
  await deployment.remove();
});

const expectNothingMade = async () => {
  expect(await containers(`private-registry=${deployment.installation}`)).toEqual([]);
  expect(await deployment.objects()).toEqual({ containers: [], volumes: [], networks: [] });
};

describe("settings that are wrong", () => {
  const secret = "Xq7mVz4K";
  let failure: string;

  beforeAll(async () => {
    failure = await deployment.failingUp({
      domains: ["https://registry.example.com:5443"],
      httpsPort: 123456,
      bindAddress: "everywhere",
      users: {
        alice: { password: secret.repeat(10), acess: "push" },
        bob: { access: "write" },
      },
      keepData: "perhaps",
      clients: { web1: { host: "", privateKey: `${secret} is no key` } },
    });
  });

  it.each([
    [/domains\[0\]: expected a DNS name.*pulumi config set --path .*registry\.example\.com/],
    [/httpsPort: expected a whole number.*got 123456; set it with: pulumi config set/],
    [/bindAddress: expected an IP address/],
    [/users\.alice\.password: expected a password of 1 to 72 bytes.*got a text of 80 bytes/],
    [/users\.alice\.acess: expected one of password, access.*did you mean access\?/],
    [/users\.bob\.access: expected one of push, pull, none, got "write"/],
    [/keepData: expected true or false/],
    [/clients\.web1\.host: expected a host name/],
    [/clients\.web1\.privateKey: expected a private key/],
  ])("are all told at once, each with its mend: %s", (problem) => {
    expect(failure).toMatch(problem);
  });

  it("are told without a secret, and without a stack trace", () => {
    expect(failure).not.toContain(secret);
    expect(failure).not.toMatch(/^\s+at /m);
  });

  it("make nothing", async () => {
    expect(failure).toContain("nothing was touched");
    await expectNothingMade();
  });
});

describe("an engine that does not answer", () => {
  it("is named with the mend, and nothing is made", async () => {
    const failure = await deployment.failingUp({
      ...settings,
      dockerHost: "unix:///nonexistent/docker.sock",
    });
    expect(failure).toContain("unix:///nonexistent/docker.sock");
    expect(failure).toContain("The Docker engine does not answer");
    expect(failure).toContain("pulumi config set private-registry:dockerHost");
    await expectNothingMade();
  });
});

describe("images that cannot be had, and a port in use", () => {
  it("are told in one go, and nothing is made", async () => {
    const failure = await deployment.failingUp({
      ...settings,
      images: { registry: "localhost:1/none:1", nginx: "localhost:1/none:2" },
    });
    expect(failure).toContain("images.registry: cannot get localhost:1/none:1");
    expect(failure).toContain("images.nginx: cannot get localhost:1/none:2");
    expect(failure).toContain("docker load");
    expect(failure).toContain("pulumi config set --path private-registry:images.nginx");
    await expectNothingMade();
  });

  it("names an address that is not the Docker host's, and the mend", async () => {
    const failure = await deployment.failingUp({ ...settings, bindAddress: "192.0.2.1" });
    expect(failure).toContain(
      `httpsPort: cannot publish 192.0.2.1:${settings.httpsPort as number}`,
    );
    expect(failure).toContain("bindAddress must be an address of the Docker host");
    expect(failure).not.toContain("Stop what uses it");
  });

  it("names the port and the mend, and nothing is made", async () => {
    const server = createServer();
    const port = settings.httpsPort as number;
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    try {
      const failure = await deployment.failingUp(settings);
      expect(failure).toContain(`httpsPort: cannot publish 127.0.0.1:${port}`);
      expect(failure).toMatch(/address already in use/);
      expect(failure).toContain("pulumi config set private-registry:httpsPort");
      await expectNothingMade();
    } finally {
      server.close();
    }
  });
});

describe("once all of it is mended", () => {
  it("the same stack comes up and serves", async () => {
    await deployment.up(settings);
    const client = new RegistryClient({
      port: settings.httpsPort as number,
      host: "localhost",
      caPem: deployment.output("caCertificate"),
    });
    const user = ["alice", "Pushes-1 thing"] as const;
    expect((await client.request("GET", "/v2/", { user })).status).toBe(200);
  });
});
