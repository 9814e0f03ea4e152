import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment";
import { createNetwork, freePort, type TestNetwork } from "../support/engine";
import { listing, type Machine, type MachineOptions, startMachine } from "../support/machine";
import { watchProcesses } from "../support/processes";

// Machines that are left logged in, one of each runtime.

const domain = "hub.test";
const password = `it's "so" $ecret: 7Qk2zV`;
const basic = Buffer.from(`ci:${password}`).toString("base64");
/** Who keeps what it is told in files, as helpers of desktops do in a keyring. */
const helper = `#!/bin/sh
umask 077
read -r registry
case $1 in
  store) while read -r line; do registry="$registry$line"; done; printf '%s' "$registry" >/root/kept ;;
  get) cat /root/kept ;;
  erase) rm -f /root/kept ;;
  list) echo '{}' ;;
esac
`;
const helperConfig = '{ "credsStore": "kept",   "detachKeys": "ctrl-x" }';

let network: TestNetwork;
let deployment: Deployment;
let registry: string;
let settings: Record<string, unknown>;
const machines: Record<string, Machine> = {};
const before: Record<string, string> = {};
const made: (() => Promise<unknown>)[] = [];

async function machine(name: string, options: MachineOptions): Promise<Machine> {
  const started = await startMachine({ network: network.name, ...options });
  made.push(() => started.stop());
  machines[name] = started;
  return started;
}

function clients(login: string | undefined): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(machines).map(([name, { ip: host, user, sshPrivateKey, hostKey }]) => [
      name,
      { host, user, privateKey: sshPrivateKey, hostKey, ...(login !== undefined && { login }) },
    ]),
  );
}

beforeAll(async () => {
  network = await createNetwork();
  made.push(() => network.remove());
  const docker = await machine("docker", {});
  await docker.exec(
    `mkdir /root/.docker && cat >/root/.docker/config.json && chmod 644 /root/.docker/config.json`,
    { stdin: helperConfig },
  );
  await docker.exec("cat >/usr/local/bin/docker-credential-kept; chmod 755 /usr/local/bin/*", {
    stdin: helper,
  });
  const ops = await machine("ops", { user: "ops" });
  await ops.exec("usermod --append --groups docker ops");
  await machine("sudoer", { user: "ops" });
  const podman = await machine("podman", { kind: "podman" });
  // It makes files of its own when it is first used.
  await podman.exec("podman images");
  await machine("containerd", { kind: "containerd" });
  for (const [name, each] of Object.entries(machines)) {
    before[name] = await listing(each);
  }
  deployment = await Deployment.create();
  made.push(() => deployment.remove());
  const httpsPort = await freePort();
  registry = `${domain}:${httpsPort}`;
  settings = {
    domains: [domain],
    httpsPort,
    bindAddress: network.gateway,
    registryAddress: network.gateway,
    users: { ci: { password, access: "pull" }, pusher: { access: "push" } },
  };
});

afterAll(async () => {
  for (const remove of made.reverse()) await remove();
});

/** What a machine has been set up with, as `up` tells it. */
function report(name: string): string {
  return deployment.clients[name] ?? "";
}

async function run(name: string, command: string, user = "root") {
  const on = machines[name];
  if (on === undefined) throw new Error(`no machine ${name}`);
  return on.exec(command, { reject: false, user });
}

async function image(): Promise<string> {
  // Any machine could push it; the pusher is not logged in on one.
  const reference = `${registry}/tiny:1`;
  const push = `tar -c -C / etc/hostname | docker import - ${reference} >/dev/null &&
    docker --config /tmp/pusher login ${registry} --username pusher --password-stdin &&
    docker --config /tmp/pusher push ${reference} && docker rmi ${reference} && rm -r /tmp/pusher`;
  const stdin = deployment.passwords["pusher"] ?? "";
  await machines["sudoer"]?.exec(push, { stdin });
  return reference;
}

describe("machines with a login", () => {
  let seen: string;
  let reference: string;

  beforeAll(async () => {
    await deployment.configure({ ...settings, clients: clients("ci") });
    const watch = watchProcesses();
    try {
      await deployment.up();
    } finally {
      seen = await watch.stop();
    }
    reference = await image();
  });

  it("tell who is logged in, and pull for a proof", () => {
    expect(report("docker")).toContain("docker: root is logged in as ci\n");
    expect(report("docker")).toContain("docker: pulled an image for a proof");
    expect(report("docker")).toMatch(/docker: trusts .*, proved by a pull\n/);
    expect(report("ops")).toContain("docker: ops is logged in as ci\n");
    expect(report("sudoer")).toContain("docker: root is logged in as ci\n");
    expect(report("podman")).toContain("podman: root is logged in as ci\n");
    expect(report("podman")).toContain("podman: pulled an image for a proof");
    expect(report("containerd")).toContain("containerd: logs in as ci for whoever pulls with it\n");
    expect(report("containerd")).toContain("containerd: pulled an image for a proof");
  });

  it.each([
    ["docker", "docker pull", "root"],
    ["ops", "docker pull", "ops"],
    ["sudoer", "sudo docker pull", "ops"],
    ["podman", "podman pull", "root"],
    ["podman", "skopeo inspect", "root"],
    ["containerd", "ctr images pull --hosts-dir /etc/containerd/certs.d", "root"],
  ])("%s: %s works without another login", async (name, command, user) => {
    const what = command.startsWith("skopeo") ? `docker://${reference}` : reference;
    expect(await run(name, `${command} ${what}`, user)).toMatchObject({ exitCode: 0 });
  });

  it("keep no image of the proof", async () => {
    const commands = {
      docker: "docker images --quiet --digests private-registry-proof",
      podman: "podman images --format '{{.Repository}}'",
      containerd: "ctr images ls --quiet",
    };
    for (const [name, command] of Object.entries(commands)) {
      const { stdout } = await run(name, command);
      expect(stdout).not.toContain("proof");
    }
  });

  it("give the password to nobody else", async () => {
    // It did look.
    expect(seen).toContain("sh\0-s\0--\0apply");
    for (const secret of [password, basic]) {
      expect(seen).not.toContain(secret);
      expect(deployment.log).not.toContain(secret);
      expect(await deployment.state()).not.toContain(secret);
    }
    for (const name of Object.keys(machines)) {
      const { stdout } = await run(
        name,
        `find / -xdev -type f -perm /077 -size -100k ! -path '/proc/*' ! -path '/sys/*' \\
          -exec grep -lF -e '${basic}' -e '7Qk2zV' {} + || :`,
      );
      expect(`${name}: ${stdout}`).toBe(`${name}: `);
    }
  });

  it("use the machine's credential helper", async () => {
    const { stdout } = await run(
      "docker",
      "cat /root/.docker/config.json; stat -c %a /root/.docker/*",
    );
    expect(stdout).toContain('"credsStore": "kept"');
    expect(stdout).not.toContain(basic);
    expect(stdout).toMatch(/}600\n$/);
    expect((await run("docker", "cat /root/kept")).stdout).toContain("7Qk2zV");
  });

  it("are left alone by a second up", async () => {
    expect((await deployment.up()).changes).toEqual({ same: expect.any(Number) as number });
  });

  it("are logged in with a changed password", async () => {
    const users = { ci: { password: "changed", access: "pull" }, pusher: { access: "push" } };
    await deployment.up({ ...settings, users, clients: clients("ci") });
    for (const [name, command] of [
      ["ops", `su ops -c 'docker pull ${reference}'`],
      ["podman", `podman pull ${reference}`],
      ["containerd", `ctr images pull --hosts-dir /etc/containerd/certs.d ${reference}`],
    ] as const) {
      expect(await run(name, command)).toMatchObject({ exitCode: 0 });
    }
  });

  it("are told when somebody else has logged them out, and logged in again", async () => {
    await run("ops", `docker logout ${registry}`, "ops");
    await run("podman", "rm /root/.config/containers/auth.json");
    // Any change has them set up again.
    const users = { ci: { password: "again", access: "pull" }, pusher: { access: "push" } };
    await deployment.up({ ...settings, users, clients: clients("ci") });
    expect(await run("ops", `docker pull ${reference}`, "ops")).toMatchObject({ exitCode: 0 });
    expect(await run("podman", `podman pull ${reference}`)).toMatchObject({ exitCode: 0 });
  });

  it("keep the logins of others when theirs is taken away", async () => {
    const { stdout } = await execa("docker", ["inspect", "--format", "{{.Id}}", "registry:3.1.2"]);
    expect(stdout).toContain("sha256:");
    await run(
      "ops",
      'sed -i \'s/"auths": {/&"elsewhere.test": {"auth": "eDp5"},/\' ~ops/.docker/config.json',
    );
    await deployment.up({ ...settings, clients: clients(undefined) });
    expect((await run("ops", "cat ~ops/.docker/config.json")).stdout).toMatch(
      /^{\s*"auths": {\s*"elsewhere.test": {\s*"auth": "eDp5"\s*}\s*}\s*}$/,
    );
    await run("ops", "rm -r ~ops/.docker");
    expect(await run("ops", `docker pull ${reference}`, "ops")).not.toMatchObject({ exitCode: 0 });
  });

  it("are byte for byte as before once they are no clients any more", async () => {
    await deployment.up({ ...settings, clients: clients("ci") });
    await deployment.up({ ...settings, clients: {} });
    for (const [name, each] of Object.entries(machines)) {
      expect(await listing(each)).toBe(before[name]);
    }
  });
});

describe("a login that cannot be", () => {
  it("is told with the machine, the user and the mend, and leaves the machine as it was", async () => {
    const { docker } = machines;
    if (docker === undefined) throw new Error("no machine");
    await docker.exec(
      "printf '#!/bin/sh\\necho no keyring here; exit 1' >/usr/local/bin/docker-credential-kept",
    );
    const listed = await listing(docker);
    const failure = await deployment.failingUp({
      ...settings,
      clients: { docker: clients("ci")["docker"] },
    });
    expect(failure).toContain(`${registry}: root cannot log in as ci with docker: `);
    expect(failure).toContain("no keyring here");
    expect(failure).toContain('take login or "docker" out of this client\'s settings');
    expect(failure).not.toContain(password);
    expect(await listing(docker)).toBe(listed);
  });
});
