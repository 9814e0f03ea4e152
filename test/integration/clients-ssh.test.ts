import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalWorkspace, PulumiCommand, type Stack } from "@pulumi/pulumi/automation";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ClientTrust, type ClientTrustArgs } from "../../components/client-trust";
import { type BareRegistry, registryUser, startBareRegistry } from "../support/bare-registry";
import { listing, type Machine, startMachine, userPassword } from "../support/machine";
import { RegistryClient } from "../support/registry-client";
import { watchProcesses } from "../support/processes";

const network = "private-registry-test-ssh";
let registry: BareRegistry;
/** A user `ops` who may use sudo. */
let machine: Machine;
/** Only root. */
let spare: Machine;

beforeAll(async () => {
  await execa("docker", ["network", "create", network]);
  registry = await startBareRegistry({ network, hosts: ["hub.test", "other.test"], port: 443 });
  machine = await startMachine({ network, kind: "plain", user: "ops" });
  spare = await startMachine({ network, kind: "plain" });
});

afterAll(async () => {
  await Promise.all([registry, machine, spare].map((each) => each.stop()));
  await execa("docker", ["network", "rm", network]);
});

/** A stack of one client, `web1`, whose arguments the tests change between deployments. */
class OneClient {
  log = "";
  private constructor(
    private readonly folder: string,
    private readonly stack: Stack,
    private readonly setArgs: (args: ClientTrustArgs | undefined) => void,
  ) {}

  static async create(): Promise<OneClient> {
    const folder = await mkdtemp(join(tmpdir(), "private-registry-test-"));
    let args: ClientTrustArgs | undefined;
    const stack = await LocalWorkspace.createStack(
      {
        stackName: `test-${randomBytes(4).toString("hex")}`,
        projectName: "clients",
        program: () => {
          const client = args && new ClientTrust("web1", args);
          return Promise.resolve({ report: client?.report });
        },
      },
      {
        workDir: folder,
        pulumiCommand: await PulumiCommand.get({ skipVersionCheck: true }),
        envVars: {
          PULUMI_BACKEND_URL: `file://${folder}`,
          PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
          PULUMI_SKIP_UPDATE_CHECK: "true",
        },
      },
    );
    return new OneClient(folder, stack, (next) => (args = next));
  }

  /** What was done with the client's command: `create`, `update`, `replace` or `same`. */
  async up(args?: ClientTrustArgs): Promise<Record<string, number>> {
    this.setArgs(args);
    this.log = "";
    const { summary } = await this.stack.up({ onOutput: (text) => (this.log += text) });
    return { ...summary.resourceChanges };
  }

  /** What `pulumi up` prints when it fails. */
  async failingUp(args: ClientTrustArgs): Promise<string> {
    await expect(this.up(args)).rejects.toThrow();
    return this.log;
  }

  async report(): Promise<unknown> {
    return (await this.stack.outputs()).report;
  }

  /** Whether the state, as it is stored, or the last output has `secret` in the clear. */
  async tells(secret: string): Promise<boolean> {
    const file = join(this.folder, `.pulumi/stacks/clients/${this.stack.name}.json`);
    return (this.log + (await readFile(file, "utf8"))).includes(secret);
  }

  /** Takes the client out of the program, which destroys it. */
  async remove(): Promise<void> {
    await this.up();
    await rm(this.folder, { recursive: true });
  }
}

function args(overrides: Partial<ClientTrustArgs> = {}): ClientTrustArgs {
  return {
    host: machine.ip,
    user: machine.user,
    privateKey: machine.sshPrivateKey,
    hostKey: machine.hostKey,
    installation: "private-registry-test",
    hosts: ["hub.test"],
    httpsPort: 443,
    caPem: registry.caPem,
    registryAddress: registry.ip,
    ...overrides,
  };
}

function spareArgs(): ClientTrustArgs {
  const { ip, user, sshPrivateKey, hostKey } = spare;
  return args({ host: ip, user, privateKey: sshPrivateKey, hostKey });
}

async function trusts(machine: Machine, host: string): Promise<boolean> {
  const { exitCode } = await machine.exec(
    `grep -q ' ${host}$' /etc/hosts && [ -f /var/lib/private-registry/*/ca.crt ]`,
    { reject: false },
  );
  return exitCode === 0;
}

describe("one client", () => {
  let client: OneClient;

  beforeAll(async () => {
    client = await OneClient.create();
  });
  afterAll(() => client.remove());

  it("is set up by up, which tells what was done there", async () => {
    expect(await client.up(args())).toEqual({ create: 3 });
    expect(await client.report()).toEqual({
      value: `not in use: docker, podman, containerd\nhosts: hub.test at ${registry.ip}\nproved with curl: hub.test`,
      secret: false,
    });
    expect(client.log).not.toContain("hostKey");
    expect(await trusts(machine, "hub.test")).toBe(true);
  });

  it("is left alone by a second up", async () => {
    expect(await client.up(args())).toEqual({ same: 3 });
  });

  it("keeps the private key out of the state and of what is printed", async () => {
    const line = machine.sshPrivateKey.split("\n")[3] ?? "";
    expect(line.length).toBeGreaterThan(50);
    expect(await client.tells(line)).toBe(false);
  });

  it("is brought up to date when the registry's names change", async () => {
    expect(await client.up(args({ hosts: ["other.test"] }))).toEqual({ update: 1, same: 2 });
    expect(await trusts(machine, "hub.test")).toBe(false);
    expect(await trusts(machine, "other.test")).toBe(true);
  });

  it("is cleaned when another machine takes its place", async () => {
    expect(await client.up(spareArgs())).toEqual({ replace: 1, same: 2 });
    expect(await trusts(machine, "other.test")).toBe(false);
    expect(await trusts(spare, "hub.test")).toBe(true);
  });

  it("is cleaned under its old mark when the installation is called otherwise", async () => {
    await client.up({ ...spareArgs(), installation: "renamed" });
    const { stdout } = await spare.exec("ls /var/lib/private-registry");
    expect(stdout).toBe("renamed\n");
  });
});

describe("a client that is destroyed", () => {
  it("forgets the registry", async () => {
    const client = await OneClient.create();
    await client.up(args());
    expect(await trusts(machine, "hub.test")).toBe(true);
    await client.remove();
    expect(await trusts(machine, "hub.test")).toBe(false);
    const { exitCode } = await machine.exec("ls /var/lib/private-registry", { reject: false });
    expect(exitCode).not.toBe(0);
  });
});

describe("a machine of busybox and dropbear, with skopeo", () => {
  let busybox: Machine;
  let client: OneClient;
  let before: string;

  beforeAll(async () => {
    busybox = await startMachine({ network, kind: "busybox" });
    before = await listing(busybox);
    client = await OneClient.create();
  });
  afterAll(async () => {
    await client.remove();
    await busybox.stop();
  });

  const busyboxArgs = () => {
    const { ip, user, sshPrivateKey, hostKey } = busybox;
    return args({ host: ip, user, privateKey: sshPrivateKey, hostKey });
  };

  it("is set up, and says that it has nothing to prove it with", async () => {
    await client.up(busyboxArgs());
    expect(await client.report()).toMatchObject({
      value: `not in use: docker, containerd
hosts: hub.test at ${registry.ip}
not proved: this machine has no curl, GNU wget or openssl to ask the registry with
podman: trusts hub.test, hub.test:443, proved by a pull`,
    });
  });

  it("pulls", async () => {
    const { name, password } = registryUser;
    const options = { address: registry.ip, host: registry.ip, port: 443, caPem: registry.caPem };
    await new RegistryClient(options).push("tiny", "1", [name, password]);
    const pull = `skopeo copy --src-creds ${name}:${password} docker://hub.test/tiny:1 dir:/pulled`;
    await busybox.exec(`${pull} && [ -s /pulled/manifest.json ]`);
  });

  it("is left alone by a second up", async () => {
    expect(await client.up(busyboxArgs())).toEqual({ same: 3 });
  });

  it("is byte for byte as before once the registry is removed", async () => {
    await client.up();
    expect(await listing(busybox)).toBe(before);
  });
});

describe("a way to a machine", () => {
  let client: OneClient;

  beforeEach(async () => {
    client = await OneClient.create();
    return () => client.remove();
  });

  it("may be a password", async () => {
    await client.up(args({ privateKey: undefined, password: userPassword }));
    expect(await client.tells(userPassword)).toBe(false);
  });

  it("may go through a bastion", async () => {
    const { ip: host, user, sshPrivateKey: privateKey, hostKey } = spare;
    await client.up(args({ proxy: { host, user, privateKey, hostKey } }));
    expect(await trusts(machine, "hub.test")).toBe(true);
  });

  it("may end in a login shell that greets everybody", async () => {
    await spare.exec(
      "cp /root/.bashrc /rc; printf 'echo Hello\\necho there >&2\\n' >/root/.bashrc",
    );
    try {
      await client.up(spareArgs());
      expect(await client.report()).toMatchObject({
        value: `not in use: docker, podman, containerd\nhosts: hub.test at ${registry.ip}\nproved with curl: hub.test`,
      });
    } finally {
      await spare.exec("mv /rc /root/.bashrc");
    }
  });

  it("may end in fish", async () => {
    await machine.exec("usermod --shell /usr/bin/fish ops");
    try {
      await client.up(args());
      expect(await trusts(machine, "hub.test")).toBe(true);
    } finally {
      await machine.exec("usermod --shell /bin/bash ops");
    }
  });

  it("without a pinned host key is told of, with the way to pin it", async () => {
    await client.up(args({ hostKey: undefined }));
    // The preview before it could not know the key yet.
    expect(client.log).toContain("web1: no hostKey is set, and known_hosts has none");
    expect(client.log).toContain(`It has the key "${machine.hostKey}"`);
  });
});

describe("a user whose sudo", () => {
  let client: OneClient;

  beforeEach(async () => {
    client = await OneClient.create();
    return () => machine.exec("echo 'ops ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/client");
  });

  it("asks for a password is set up and cleaned with it, which nobody sees", async () => {
    await machine.exec("echo 'ops ALL=(ALL) ALL' >/etc/sudoers.d/client");
    const password = `it's $(${randomBytes(8).toString("hex")}) "open"`;
    await machine.exec("chpasswd", { stdin: `ops:${password}` });
    const watch = watchProcesses();
    let seen: string;
    try {
      await client.up(args({ password }));
      expect(await trusts(machine, "hub.test")).toBe(true);
      expect(await client.report()).toMatchObject({ secret: false });
      expect(await client.tells(password)).toBe(false);
      await client.remove();
      expect(await trusts(machine, "hub.test")).toBe(false);
    } finally {
      seen = await watch.stop();
      await machine.exec("chpasswd", { stdin: `ops:${userPassword}` });
    }
    expect(seen).toContain("sudo");
    expect(seen).not.toContain(password);
  });

  it("asks for none leaves the password unused", async () => {
    await client.up(args({ password: "touch /tmp/ran" }));
    expect(await trusts(machine, "hub.test")).toBe(true);
    await client.remove();
    await machine.exec("[ ! -e /tmp/ran ]");
  });

  it("asks for none of some commands leaves the password unused there too", async () => {
    // The first command is refused without a password, the ones after it ask for none.
    const sudo = `#!/bin/sh
[ -e /tmp/asked ] || { touch /tmp/asked; exit 1; }
while [ "$1" != sh ]; do shift; done
exec /usr/bin/sudo -n "$@"
`;
    await machine.exec("cat >/usr/local/bin/sudo; chmod 755 /usr/local/bin/sudo", { stdin: sudo });
    try {
      await client.up(args({ password: "touch /tmp/ran" }));
      expect(await trusts(machine, "hub.test")).toBe(true);
      await client.remove();
      await machine.exec("[ -e /tmp/asked ] && [ ! -e /tmp/ran ]");
    } finally {
      await machine.exec("rm -f /usr/local/bin/sudo /tmp/asked");
    }
  });
});

describe("a machine that cannot be set up", () => {
  let client: OneClient;

  beforeEach(async () => {
    client = await OneClient.create();
    return () => client.remove();
  });

  it("has another host key than the pinned one", async () => {
    const log = await client.failingUp(args({ hostKey: spare.hostKey }));
    expect(log).toContain("web1-trust");
    expect(log).toContain("ssh: host key mismatch");
    expect(await trusts(machine, "hub.test")).toBe(false);
  });

  it("does not know the key", async () => {
    const log = await client.failingUp(args({ privateKey: spare.sshPrivateKey }));
    expect(log).toContain("web1-trust");
    expect(log).toContain("unable to authenticate");
  });

  it("does not answer", async () => {
    const log = await client.failingUp(args({ port: 2222 }));
    expect(log).toContain("web1-trust");
    expect(log).toContain(`dial tcp ${machine.ip}:2222: connect: connection refused`);
  });

  describe("wants a password for sudo", () => {
    beforeEach(async () => {
      await machine.exec("echo 'ops ALL=(ALL) ALL' >/etc/sudoers.d/client");
      return () => machine.exec("echo 'ops ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/client");
    });

    it("and has none", async () => {
      const log = await client.failingUp(args());
      expect(log).toContain("web1-trust");
      expect(log).toContain("ops cannot become root without a password: sudo: a password is");
      expect(log).toContain("'ops ALL=(ALL) NOPASSWD: ALL'");
      expect(log).toContain("set this client's password");
    });

    it("and has another, which is tried once and not told", async () => {
      const log = await client.failingUp(args({ password: "wrong: $(touch /tmp/ran)" }));
      expect(log).toContain("ops cannot become root with the password that is set: ");
      expect(log).toContain("1 incorrect password attempt");
      expect(await client.tells("wrong: ")).toBe(false);
      expect(await trusts(machine, "hub.test")).toBe(false);
      await machine.exec("[ ! -e /tmp/ran ]");
    });
  });

  it("does not reach the registry, and is left as it was", async () => {
    const log = await client.failingUp(args({ registryAddress: spare.ip }));
    expect(log).toContain("hub.test: not proved with curl: curl: (7)");
    expect(await trusts(machine, "hub.test")).toBe(false);
  });
});
