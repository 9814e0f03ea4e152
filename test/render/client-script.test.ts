import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { asRoot } from "../../components/render/client/as-root";
import {
  type ClientScriptValues,
  renderClientScript,
  reportOf,
} from "../../components/render/client-script";

const caPem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

function script(overrides: Partial<ClientScriptValues> = {}): string {
  return renderClientScript({
    name: "private-registry-dev-hub",
    hosts: ["registry.example.com", "10.0.0.5"],
    httpsPort: 443,
    caPem,
    registryAddress: "10.0.0.5",
    ...overrides,
  });
}

/** The value that a line `name=…` of the settings gives, as a shell understands it. */
function setting(name: string, overrides: Partial<ClientScriptValues> = {}): string {
  const settings = script(overrides).split("\n# ---")[0] ?? "";
  return execFileSync("sh", ["-s"], {
    input: `${settings}\nprintf %s "$${name}"`,
    encoding: "utf8",
  });
}

const variants = {
  "port 443": script(),
  "another port, an own certificate": script({ httpsPort: 5443, caPem: undefined }),
  "no hosts entry, chosen runtimes": script({ registryAddress: undefined, runtimes: ["docker"] }),
  "the machine's own store": script({ systemTrust: true }),
  "names that mean the machine itself": script({ hosts: ["localhost", "127.0.0.1", "::1"] }),
  sudo: asRoot(script()),
  "sudo with a password": asRoot(script(), "it's open"),
};

describe("renderClientScript", () => {
  it("makes this text", async () => {
    await expect(script()).toMatchFileSnapshot("__texts__/client-script.sh");
  });

  it("makes the same text of the same values", () => {
    expect(script()).toBe(script());
  });

  it("names registries as images do: on port 443 with and without it, else with it", () => {
    expect(setting("registries")).toBe(
      "registry.example.com registry.example.com:443 10.0.0.5 10.0.0.5:443",
    );
    expect(setting("registries", { httpsPort: 5443 })).toBe(
      "registry.example.com:5443 10.0.0.5:5443",
    );
  });

  it("puts IPv6 addresses in brackets there", () => {
    expect(setting("registries", { hosts: ["fd00::5"] })).toBe("[fd00::5] [fd00::5]:443");
  });

  it("gives hosts entries to names only, and never to localhost", () => {
    const hosts = ["a.test", "10.0.0.5", "fd00::5", "localhost", "hub.localhost", "b.test"];
    expect(setting("address_names", { hosts })).toBe("a.test b.test");
  });

  it("knows the hosts that mean the machine itself", () => {
    const hosts = ["a.test", "127.0.0.1", "127.1.2.3", "::1", "localhost", "127.example.com"];
    expect(setting("own_hosts", { hosts })).toBe("127.0.0.1 127.1.2.3 ::1 localhost");
  });

  it("gives the machine's own store the CA only when asked", () => {
    expect(setting("system_trust")).toBe("no");
    expect(setting("system_trust", { systemTrust: true })).toBe("yes");
  });

  it("hands the CA on unchanged", () => {
    expect(setting("ca_pem")).toBe(caPem.trim());
  });

  it.each(["", "a b", "../etc", "-x", "a\nb", "$(id)"])("refuses the name %j", (name) => {
    expect(() => script({ name })).toThrow("name: expected letters, digits");
  });

  it.each(["a b", "$(id)", "*", "a\nb", "https://a", ""])("refuses the host %j", (host) => {
    expect(() => script({ hosts: [host] })).toThrow("expected a DNS name or an IP address");
    expect(() => script({ registryAddress: host })).toThrow();
  });

  it("begins what it prints with a line that no greeting of the machine's shell is taken for", () => {
    const printed = `Welcome!\n${setting("heading")}\ndocker: trusts a.test\nproved\n`;
    expect(reportOf("private-registry-dev-hub", printed)).toBe("docker: trusts a.test\nproved");
  });
});

describe.each(Object.entries(variants))("the script for %s", (_, text) => {
  it.each(["sh", "bash", "bash --posix", "dash", "busybox sh"])("is a script to %s", (command) => {
    const [shell = "", ...options] = command.split(" ");
    const { error, status, stderr } = spawnSync(shell, [...options, "-n"], {
      input: text,
      encoding: "utf8",
    });
    if (error) {
      throw new Error(
        `${shell}: expected it on the PATH (${error.message}); install it with: ` +
          `apt-get install -y ${shell}`,
      );
    }
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  it("has nothing that shellcheck objects to", () => {
    // Lines for other shells are single-quoted on purpose (SC2016).
    const { error, stdout } = spawnSync("shellcheck", ["--shell=sh", "--exclude=SC2016", "-"], {
      input: text,
      encoding: "utf8",
    });
    if (error) {
      throw new Error(
        `shellcheck: expected it on the PATH (${error.message}); install it with: ` +
          "apt-get install -y shellcheck",
      );
    }
    expect(stdout).toBe("");
  });
});
