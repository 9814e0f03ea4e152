import * as pulumi from "@pulumi/pulumi";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ClientTrust, type ClientTrustArgs, trustScript } from "../components/client-trust";
import { knownHostKey } from "../components/known-hosts";
import { asRoot } from "../components/render/client/as-root";
import { renderClientScript } from "../components/render/client-script";
import { caPem, record, resolved, secretInput } from "./support/mocks";

const registry = {
  installation: "private-registry-dev-hub",
  hosts: ["registry.example.com"],
  httpsPort: 443,
  caPem,
  registryAddress: "10.0.0.5",
};

const values = {
  ...registry,
  name: registry.installation,
  client: "hub-web1 at 10.0.0.11:22",
  tellHostKey: false,
};

const script = renderClientScript(values);

const hostKey = "ssh-ed25519 AAAAC3Nza";

/** What every connection has. */
const direct = { port: 22, user: "root", hostKey, dialErrorLimit: 3, perDialTimeout: 15 };

vi.mock("../components/known-hosts", () => ({ knownHostKey: vi.fn() }));

afterEach(() => {
  vi.restoreAllMocks();
  vi.mocked(knownHostKey).mockReset();
});

async function clientTrust(args: Partial<ClientTrustArgs>) {
  const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
  const made: ClientTrust[] = [];
  const resources = await record(() => {
    made.push(new ClientTrust("hub-web1", { host: "10.0.0.11", hostKey, ...registry, ...args }));
  });
  const [trust] = made;
  const command = resources.find(({ name }) => name === "hub-web1-trust");
  if (!trust || !command) {
    throw new Error("expected a ClientTrust with a command");
  }
  const warnings = warn.mock.calls.map(([message]) => message);
  return { trust, type: command.type, inputs: command.inputs, warnings };
}

describe("ClientTrust", () => {
  it("runs the script over SSH as root, and its removal at the end", async () => {
    const { type, inputs } = await clientTrust({});
    expect(type).toBe("command:remote:Command");
    expect(inputs).toEqual({
      connection: secretInput({ ...direct, host: "10.0.0.11" }),
      create: "sh -s -- apply",
      delete: "sh -s -- remove",
      stdin: script,
      triggers: ["10.0.0.11", 22, "private-registry-dev-hub"],
      logging: "stderr",
      addPreviousOutputInEnv: false,
    });
  });

  it("becomes root with sudo when it logs in as somebody else", async () => {
    expect((await clientTrust({ user: "ops" })).inputs).toMatchObject({
      connection: secretInput({ ...direct, host: "10.0.0.11", user: "ops" }),
      create: "sh -s -- apply",
      stdin: asRoot(script),
    });
  });

  it("uses sudo or not as told", async () => {
    const without = await clientTrust({ user: "toor", sudo: false });
    expect(without.inputs.stdin).toBe(script);
    const withSudo = await clientTrust({ sudo: true });
    expect(withSudo.inputs.stdin).toBe(asRoot(script));
  });

  it("gives sudo the password on standard input, which is secret then", async () => {
    const { inputs } = await clientTrust({ user: "ops", password: "secret-of-ops" });
    expect(inputs.stdin).toEqual(secretInput(asRoot(script, "secret-of-ops")));
  });

  it("keeps keys and passwords secret, and out of commands and scripts", async () => {
    const { inputs } = await clientTrust({
      privateKey: "key-of-ops",
      privateKeyPassword: "passphrase-of-ops",
      password: "secret-of-ops",
      proxy: { host: "bastion", privateKey: "key-of-bastion", hostKey },
    });
    expect(inputs.connection).toEqual(
      secretInput({
        ...direct,
        host: "10.0.0.11",
        privateKey: "key-of-ops",
        privateKeyPassword: "passphrase-of-ops",
        password: "secret-of-ops",
        proxy: { ...direct, host: "bastion", privateKey: "key-of-bastion" },
      }),
    );
    expect(JSON.stringify({ ...inputs, connection: undefined })).not.toMatch(
      /key-of|passphrase-of|secret-of|"bastion"/,
    );
  });

  it("reports what the script printed, for all to read", async () => {
    const { trust } = await clientTrust({});
    expect(await resolved(trust.report)).toEqual({
      value: "report of hub-web1-trust",
      secret: false,
    });
  });

  it("hands the choice of runtimes, trust store and hosts entry on", async () => {
    const { inputs } = await clientTrust({
      runtimes: ["docker"],
      systemTrust: true,
      hostsEntry: false,
    });
    expect(inputs.stdin).toBe(
      renderClientScript({
        ...values,
        runtimes: ["docker"],
        systemTrust: true,
        registryAddress: undefined,
      }),
    );
  });

  it("hands the login on, which makes the script secret", async () => {
    const login = { user: "ci", password: "secret-of-ops" };
    const { inputs } = await clientTrust({ login });
    expect(inputs.stdin).toEqual(secretInput(renderClientScript({ ...values, login })));
  });

  it("sets up the machine that runs Pulumi without SSH", async () => {
    const { type, inputs, warnings } = await clientTrust({
      local: true,
      host: undefined,
      hostKey: undefined,
    });
    expect(type).toBe("command:local:Command");
    expect(inputs).toEqual({
      create: "sh -s -- apply",
      delete: "sh -s -- remove",
      stdin: asRoot(
        renderClientScript({
          ...values,
          client: "hub-web1, where Pulumi runs",
          tellHostKey: undefined,
        }),
      ),
      triggers: ["private-registry-dev-hub"],
      logging: "stderr",
      addPreviousOutputInEnv: false,
    });
    expect(warnings).toEqual([]);
  });

  it("refuses to guess the machine", () => {
    expect(() => new ClientTrust("hub-web1", registry)).toThrow("expected host or local");
  });

  it("takes the host key from known_hosts if none is set", async () => {
    vi.mocked(knownHostKey).mockImplementation((host, port) => `ssh-ed25519 ${host}:${port}`);
    const { inputs, warnings } = await clientTrust({
      hostKey: undefined,
      port: 2222,
      proxy: { host: "bastion" },
    });
    expect(inputs.connection).toMatchObject(
      secretInput({
        hostKey: "ssh-ed25519 10.0.0.11:2222",
        proxy: { hostKey: "ssh-ed25519 bastion:22" },
      }) as object,
    );
    expect(warnings).toEqual([]);
  });

  it("says nothing when the host key is pinned", async () => {
    expect((await clientTrust({})).warnings).toEqual([]);
  });

  it("has a machine whose host key is not pinned tell it", async () => {
    const { inputs } = await clientTrust({ hostKey: undefined });
    expect(inputs.stdin).toBe(renderClientScript({ ...values, tellHostKey: true }));
    expect(inputs.connection).not.toHaveProperty("value.hostKey");
  });

  it("warns of every machine on the way whose host key is not pinned", async () => {
    const { warnings } = await clientTrust({
      hostKey: undefined,
      port: 2222,
      proxy: { host: "bastion" },
    });
    expect(warnings.sort()).toEqual([
      expect.stringMatching(
        /^hub-web1: no hostKey is set, and known_hosts has none.* ssh-keyscan -t ed25519 -p 2222 10\.0\.0\.11 /,
      ),
      expect.stringMatching(/^hub-web1: no proxy\.hostKey is set.* -p 22 bastion /),
    ]);
  });
});

describe("trustScript", () => {
  it("is the script that clients are set up with", async () => {
    expect((await resolved(trustScript(registry))).value).toBe(
      renderClientScript({ ...values, client: undefined }),
    );
  });
});
