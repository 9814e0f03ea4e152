import * as pulumi from "@pulumi/pulumi";
import * as bcrypt from "bcryptjs";
import { describe, expect, it, vi } from "vitest";
import { Credentials, type UserArgs } from "../components/credentials";
import { record, resolved } from "./support/mocks";

async function credentials(users: Record<string, UserArgs>) {
  let made: Credentials | undefined;
  const resources = await record(() => {
    made = new Credentials("c", { users });
  });
  if (!made) throw new Error("the program made no Credentials");
  return {
    resources,
    configured: made.configured,
    passwords: await resolved(made.passwords),
    htpasswd: await resolved(made.htpasswd),
  };
}

describe("Credentials", () => {
  it("generates a password of 32 letters and digits where none is given", async () => {
    const { resources, passwords } = await credentials({ alice: {} });
    expect(resources).toContainEqual({
      type: "random:index/randomPassword:RandomPassword",
      name: "c-password-alice",
      inputs: { length: 32, special: false },
    });
    expect(passwords.value).toEqual({ alice: "password of c-password-alice" });
  });

  it("knows who has a setting of their own", async () => {
    const { configured } = await credentials({
      admin: {},
      alice: { access: "push" },
      bob: { password: "s3cret" },
    });
    expect(configured).toEqual(["alice", "bob"]);
  });

  it("takes the hash of a generated password from the state", async () => {
    const { htpasswd } = await credentials({ alice: {} });
    expect(htpasswd.value).toBe("alice:$2a$10$hash of c-password-alice\n");
  });

  it("hashes a given password with bcrypt at cost 10 and the salt in the state", async () => {
    const { resources, htpasswd, passwords } = await credentials({ bob: { password: "s3cret" } });
    expect(resources).toContainEqual({
      type: "random:index/randomBytes:RandomBytes",
      name: "c-salt-bob",
      inputs: { length: 16 },
    });
    const [user, hash = ""] = htpasswd.value.trim().split(":");
    expect(user).toBe("bob");
    expect(hash).toMatch(/^\$2b\$10\$/);
    expect(await bcrypt.compare("s3cret", hash)).toBe(true);
    expect(passwords.value).toEqual({ bob: "s3cret" });
  });

  it("hashes a given password to the same bytes every time", async () => {
    const [first, second] = await Promise.all([
      credentials({ bob: { password: "s3cret" } }),
      credentials({ bob: { password: "s3cret" } }),
    ]);
    expect(second.htpasswd.value).toBe(first.htpasswd.value);
  });

  it("has a line for every user, whatever the access", async () => {
    const { htpasswd } = await credentials({ alice: { access: "push" }, bob: { access: "pull" } });
    expect(htpasswd.value.split("\n").map((line) => line.split(":")[0])).toEqual([
      "alice",
      "bob",
      "",
    ]);
  });

  it("has only secret outputs", async () => {
    const { passwords, htpasswd } = await credentials({ bob: { password: "s3cret" } });
    expect([passwords.secret, htpasswd.secret]).toEqual([true, true]);
  });

  it("advises longer passwords than of eleven bytes, and shows none", async () => {
    const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
    await credentials({
      short: { password: "0123456789a" },
      long: { password: pulumi.output("0123456789ab") },
      made: {},
    });
    const said = warn.mock.calls.map(([message]) => message);
    expect(said).toEqual([
      "users.short: the password has fewer than 12 bytes, and can be guessed: pulumi config set " +
        "--secret --path private-registry:users.short.password",
    ]);
    warn.mockRestore();
  });
});
