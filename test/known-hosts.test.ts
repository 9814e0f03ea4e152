import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { knownHostKey } from "../components/known-hosts";

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "private-registry-test-"));
  mkdirSync(join(home, ".ssh"));
  vi.stubEnv("HOME", home);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

/** A new public key, in authorized_keys form. */
function key(type: string): string {
  const file = join(home, type);
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "", "-f", file]);
  return readFileSync(`${file}.pub`, "utf8").trim();
}

function know(...lines: string[]): void {
  writeFileSync(join(home, ".ssh/known_hosts"), lines.map((line) => `${line}\n`).join(""));
}

describe("knownHostKey", () => {
  it("finds a host by name, by address and with a port", () => {
    const ed25519 = key("ed25519");
    know(`web1.test,10.0.0.11 ${ed25519} a comment`, `[web2.test]:2222 ${ed25519}`);
    expect(knownHostKey("web1.test", 22)).toBe(ed25519);
    expect(knownHostKey("10.0.0.11", 22)).toBe(ed25519);
    expect(knownHostKey("web2.test", 2222)).toBe(ed25519);
    expect(knownHostKey("web2.test", 22)).toBeUndefined();
  });

  it("finds a name that is hashed", () => {
    const ed25519 = key("ed25519");
    know(`web1.test ${ed25519}`);
    execFileSync("ssh-keygen", ["-H", "-f", join(home, ".ssh/known_hosts")], { stdio: "ignore" });
    expect(readFileSync(join(home, ".ssh/known_hosts"), "utf8")).not.toContain("web1");
    expect(knownHostKey("web1.test", 22)).toBe(ed25519);
  });

  it("takes the key that can be pinned, whatever the order", () => {
    const [rsa, ecdsa, ed25519] = [key("rsa"), key("ecdsa"), key("ed25519")];
    know(...[ed25519, rsa, ecdsa].map((one) => `web1.test ${one}`), `web2.test ${rsa}`);
    expect(knownHostKey("web1.test", 22)).toBe(ed25519);
    expect(knownHostKey("web2.test", 22)).toBeUndefined();
  });

  it("takes no key that is revoked or a certificate authority's", () => {
    const ed25519 = key("ed25519");
    know(`@revoked web1.test ${ed25519}`, `@cert-authority *.test ${ed25519}`);
    expect(knownHostKey("web1.test", 22)).toBeUndefined();
  });

  it("knows none where there is no such file, or no OpenSSH", () => {
    expect(knownHostKey("web1.test", 22)).toBeUndefined();
    know(`web1.test ${key("ed25519")}`);
    vi.stubEnv("PATH", home);
    expect(knownHostKey("web1.test", 22)).toBeUndefined();
  });
});
