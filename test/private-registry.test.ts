import * as pulumi from "@pulumi/pulumi";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PrivateRegistry, type PrivateRegistryArgs } from "../components";
import { issue } from "./support/certificates";
import { caPem, record, resolved } from "./support/mocks";

async function registry(args: PrivateRegistryArgs) {
  const made: PrivateRegistry[] = [];
  const resources = await record(() => {
    made.push(new PrivateRegistry("hub", args));
  });
  const [hub] = made;
  if (!hub) throw new Error("the program made no PrivateRegistry");
  return { hub, resources };
}

describe("PrivateRegistry", () => {
  it.each([
    [["hub.test"], undefined, "hub.test"],
    [["hub.test", "other.test"], 443, "hub.test"],
    [["hub.test"], 5443, "hub.test:5443"],
    [["10.0.0.5"], 443, "10.0.0.5"],
    [["fd00::5"], 5443, "[fd00::5]:5443"],
  ])("of %j at port %s is %s", async (domains, httpsPort, host) => {
    const { hub } = await registry({ domains, ...(httpsPort && { httpsPort }) });
    expect((await resolved(hub.registryHost)).value).toBe(host);
    expect((await resolved(hub.registryUrl)).value).toBe(`https://${host}`);
    expect((await resolved(hub.loginCommand)).value).toBe(`docker login ${host} --username admin`);
  });

  it("has a user admin with a generated password if none is named", async () => {
    const { hub } = await registry({ domains: ["hub.test"] });
    expect(await resolved(hub.passwords)).toEqual({
      value: { admin: "password of hub-credentials-password-admin" },
      secret: true,
    });
  });

  it("has exactly the users that are named, but for those without access", async () => {
    const users = { alice: {}, bob: { access: "none" } } as const;
    const { hub } = await registry({ domains: ["hub.test"], users });
    expect(await resolved(hub.passwords)).toEqual({
      value: { alice: "password of hub-credentials-password-alice" },
      secret: true,
    });
  });

  it("tells the first user how to log in", async () => {
    const { hub } = await registry({ domains: ["hub.test"], users: { ci: {}, alice: {} } });
    expect((await resolved(hub.loginCommand)).value).toBe("docker login hub.test --username ci");
  });

  it("keeps nothing secret but the passwords", async () => {
    const { hub } = await registry({ domains: ["hub.test"], clients: { web1: { host: "web1" } } });
    const open = [
      hub.registryUrl,
      hub.registryHost,
      hub.loginCommand,
      hub.clients,
      hub.trustScript,
    ];
    for (const output of [...open, hub.caCertificate, hub.caFingerprint]) {
      if (!output) throw new Error("an output is missing");
      expect((await resolved(output as pulumi.Output<unknown>)).secret).toBe(false);
    }
  });

  describe("with clients", () => {
    const info = vi.spyOn(pulumi.log, "info");
    const withClients = (host: pulumi.Input<string>) =>
      registry({ domains: ["hub.test"], clients: { web1: { host: "web1" }, web2: { host } } });

    beforeEach(() => {
      info.mockReset().mockResolvedValue();
    });
    afterAll(() => info.mockRestore());
    afterEach(() => vi.useRealTimers());

    it("tells how many are done while one is not", async () => {
      const told = new Promise((resolve) => {
        info.mockImplementation(() => {
          resolve(undefined);
          return Promise.resolve();
        });
      });
      await withClients(told.then(() => "web2"));
      const messages = info.mock.calls.map(([message]) => message);
      expect(messages).toEqual(["1 of 2 clients done", "2 of 2 clients done"]);
    });

    it("tells nothing when all are done at once, as when nothing changes", async () => {
      vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
      await withClients("web2");
      vi.advanceTimersByTime(2_000);
      expect(info).not.toHaveBeenCalled();
    });
  });

  it("sets up every client, and tells what was done there", async () => {
    const { hub, resources } = await registry({
      domains: ["hub.test"],
      clients: { web1: { host: "10.0.0.11" }, web2: { host: "10.0.0.12" } },
    });
    const hosts = resources
      .filter(({ type }) => type === "command:remote:Command")
      .map(({ inputs }) => JSON.stringify(inputs.connection));
    expect(hosts).toHaveLength(2);
    expect(hosts.join()).toContain("10.0.0.11");
    expect(hosts.join()).toContain("10.0.0.12");
    expect(Object.keys((await resolved(hub.clients)).value)).toEqual(["web1", "web2"]);
  });

  it("gives the same CA to clients, to the output and to the script for the rest", async () => {
    const { hub, resources } = await registry({
      domains: ["hub.test"],
      clients: { web1: { host: "10.0.0.11" } },
    });
    if (!hub.caCertificate) throw new Error("no CA");
    expect((await resolved(hub.caCertificate)).value).toBe(caPem);
    expect((await resolved(hub.trustScript)).value).toContain(caPem.trim());
    const client = resources.find(({ type }) => type === "command:remote:Command");
    expect(JSON.stringify(client?.inputs.stdin)).toContain(
      JSON.stringify(caPem.trim()).slice(1, -1),
    );
  });

  it("gives clients every CA that is trusted, and puts out the newest", async () => {
    const { hub } = await registry({ domains: ["hub.test"], certificate: { caGeneration: 2 } });
    if (!hub.caCertificate) throw new Error("no CA");
    const newest = `PEM of hub-tls-ca-2\n${caPem}`;
    expect((await resolved(hub.caCertificate)).value).toBe(newest);
    expect((await resolved(hub.trustScript)).value).toContain((caPem + newest).trim());
  });

  it("deploys to dockerHost through a provider of its own", async () => {
    const { resources } = await registry({
      domains: ["hub.test"],
      dockerHost: "ssh://ops@hub.test",
    });
    expect(resources.find(({ type }) => type === "pulumi:providers:docker")?.inputs.host).toBe(
      "ssh://ops@hub.test",
    );
  });

  it("refuses bad arguments all at once, before it makes anything", async () => {
    const made: unknown[] = [];
    const resources = await record(() => {
      try {
        new PrivateRegistry("hub", { domains: ["https://hub.test"], httpsPort: 0 });
      } catch (error) {
        made.push(error);
      }
    });
    expect(resources.filter(({ type }) => !type.startsWith("pulumi:"))).toEqual([]);
    const [error] = made;
    expect(pulumi.RunError.isInstance(error)).toBe(true);
    expect(String(error)).toMatch(/domains\[0\].*\n.*httpsPort/);
  });

  it("passes an own certificate through, with no CA for clients", async () => {
    const own = issue({ subject: "hub", sans: "DNS:hub.test" });
    const { hub, resources } = await registry({
      domains: ["hub.test"],
      ownCertificate: {
        certificatePem: pulumi.output(own.certificatePem),
        privateKeyPem: pulumi.secret(own.privateKeyPem),
      },
    });
    expect(resources.filter(({ type }) => type.startsWith("tls:"))).toEqual([]);
    expect(hub.caCertificate).toBeUndefined();
    expect(hub.caFingerprint).toBeUndefined();
  });
});
