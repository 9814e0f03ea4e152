import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment, type Settings } from "../support/deployment";
import { freePort } from "../support/engine";
import { RegistryClient } from "../support/registry-client";

// Pulumi gives up the default of `users` as a whole when the first user is named. Nobody goes away
// for that, and whoever does not want the default user says so.

let deployment: Deployment;
let settings: Settings;
let password: string;

beforeAll(async () => {
  deployment = await Deployment.create();
  settings = { domains: ["localhost"], httpsPort: await freePort(), bindAddress: "127.0.0.1" };
  await deployment.up(settings);
  password = deployment.passwords.admin ?? "";
});

afterAll(async () => {
  await deployment.remove();
});

async function login(name: string, word: string): Promise<number> {
  const client = new RegistryClient({
    port: settings.httpsPort as number,
    host: "localhost",
    caPem: deployment.output("caCertificate"),
  });
  return (await client.request("GET", "/v2/", { user: [name, word] })).status;
}

describe("the default user", () => {
  it("stays, with the password, when another one is named, and the warning says how to decide", async () => {
    await deployment.pulumi("config", "set", "--path", "users.alice.access", "pull");
    const { output } = await deployment.up();
    expect(Object.keys(deployment.passwords).sort()).toEqual(["admin", "alice"]);
    expect(deployment.passwords.admin).toBe(password);
    expect(await login("admin", password)).toBe(200);
    expect(output).toContain("The user admin was there by default and stays");
    expect(output).toContain("config set --path private-registry:users.admin.access none");
  });

  it("stays at the next up, and in a preview", async () => {
    const { changes } = await deployment.up();
    expect(changes).toEqual({ same: expect.any(Number) as number });
    expect(await deployment.pulumi("preview")).not.toMatch(/^\s+[-~+]/m);
  });

  it("goes when it is given no access", async () => {
    await deployment.pulumi("config", "set", "--path", "users.admin.access", "none");
    const { output } = await deployment.up();
    expect(Object.keys(deployment.passwords)).toEqual(["alice"]);
    expect(await login("admin", password)).toBe(401);
    expect(output).not.toContain("by default");
  });

  it("does not come back when the setting is removed", async () => {
    await deployment.pulumi("config", "rm", "--path", "users.admin");
    await deployment.up();
    expect(Object.keys(deployment.passwords)).toEqual(["alice"]);
  });

  it("is no default any more once it was named, and goes when its name does", async () => {
    await deployment.pulumi("config", "set", "--path", "users.admin.access", "push");
    await deployment.up();
    const again = deployment.passwords.admin ?? "";
    expect(await login("admin", again)).toBe(200);
    await deployment.pulumi("config", "rm", "--path", "users.admin");
    await deployment.up();
    expect(Object.keys(deployment.passwords)).toEqual(["alice"]);
    expect(await login("admin", again)).toBe(401);
  });

  it("is not there where a new stack names others", async () => {
    const other = await Deployment.create();
    try {
      await other.configure({
        ...settings,
        httpsPort: await freePort(),
        users: { ci: { access: "push" } },
      });
      await other.up();
      expect(Object.keys(other.passwords)).toEqual(["ci"]);
    } finally {
      await other.remove();
    }
  });
});
