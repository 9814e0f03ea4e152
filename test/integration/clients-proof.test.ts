import { randomBytes } from "node:crypto";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClientScriptValues, renderClientScript } from "../../components/render/client-script";
import { type BareRegistry, registryUser, startBareRegistry } from "../support/bare-registry";
import { listing, type Machine, startMachine } from "../support/machine";

// Runtimes that cannot pull, although a program on their machine reaches the registry.

const network = `private-registry-test-${randomBytes(4).toString("hex")}`;
let registry: BareRegistry;

beforeAll(async () => {
  await execa("docker", ["network", "create", network]);
  registry = await startBareRegistry({ network, hosts: ["hub.test"], port: 443 });
});

afterAll(async () => {
  await registry.stop();
  await execa("docker", ["network", "rm", network]);
});

function script(overrides: Partial<ClientScriptValues> = {}): string {
  return renderClientScript({
    name: "private-registry-test",
    hosts: ["hub.test"],
    httpsPort: 443,
    caPem: registry.caPem,
    registryAddress: registry.ip,
    ...overrides,
  });
}

const login = { user: registryUser.name, password: registryUser.password };

describe("Docker", () => {
  let machine: Machine;
  let before: string;

  const apply = () => machine.exec("sh -s", { stdin: script(), reject: false });
  const restart = (environment: string) =>
    machine.exec(`kill $(cat /var/run/docker.pid) && while [ -e /var/run/docker.pid ]; do sleep 0.1; done
      ${environment} dockerd >/var/log/dockerd.log 2>&1 &
      until docker version >/dev/null 2>&1; do sleep 0.1; done`);

  beforeAll(async () => {
    machine = await startMachine({ network });
    before = await listing(machine);
  });
  afterAll(() => machine.stop());

  it.each(["key", "cert"])("with a .%s alone in certs.d fails the set-up", async (extension) => {
    const theirs = `/etc/docker/certs.d/hub.test/hub.${extension}`;
    await machine.exec(`mkdir -p /etc/docker/certs.d/hub.test; echo x >${theirs}`);
    const { exitCode, stdout, stderr } = await apply();
    expect(exitCode).toBe(1);
    expect(stdout).toContain("proved with curl: hub.test\n");
    expect(stdout).not.toContain("docker: trusts");
    expect(stderr).toMatch(/hub.test: docker cannot pull as root: .* key hub.key/);
    expect(stderr).toContain("in /etc/docker/certs.d/hub.test is a .key or .cert (a client's");
    await machine.exec("rm -r /etc/docker/certs.d");
    expect(await listing(machine)).toBe(before);
  });

  it("that goes through a proxy fails the set-up, unless the registry is exempt", async () => {
    await restart("HTTPS_PROXY=http://joe:secret@127.0.0.1:9");
    const { exitCode, stderr } = await apply();
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      "it goes through a proxy, http://127.0.0.1:9: exempt hub.test from that",
    );
    expect(stderr).not.toContain("secret");
    await restart("HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=hub.test");
    expect((await apply()).stdout).toContain("docker: trusts hub.test, hub.test:443, proved by a");
  });

  it("that does not answer, or does not run, is not proved", async () => {
    await machine.exec("kill -STOP $(cat /var/run/docker.pid)");
    const { stdout } = await apply();
    expect(stdout).toContain("docker: trusts hub.test, hub.test:443; not proved: it does not ans");
    await machine.exec("kill -CONT $(cat /var/run/docker.pid); kill $(cat /var/run/docker.pid)");
    await machine.exec("while docker version >/dev/null 2>&1; do sleep 0.1; done");
    expect((await apply()).stdout).toContain("not proved: its daemon does not run");
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(await listing(machine)).toBe(before);
  });
});

describe("podman", () => {
  const first = "/run/containers/0/auth.json";
  const theirs = '{"auths": {"hub.test": {"auth": "YWxpY2U6d3Jvbmc="}, "a.test": {}}}';
  let machine: Machine;
  let before: string;

  /** Without the machine's mounts: podman mounts its storage. */
  const files = async () => (await listing(machine)).replace(/( \/etc\/mtab\n).*\n/, "$1");

  beforeAll(async () => {
    machine = await startMachine({ network, kind: "podman" });
    before = await files();
  });
  afterAll(() => machine.stop());

  it.each(["skopeo", "podman alone"])("proves trust without a trace: %s", async (which) => {
    if (which === "podman alone") await machine.exec("mv /usr/bin/skopeo /");
    const { stdout } = await machine.exec("sh -s", { stdin: script() });
    expect(stdout).toContain("podman: trusts hub.test, hub.test:443, proved by a pull\n");
    await machine.exec("sh -s -- remove; [ ! -e /skopeo ] || mv /skopeo /usr/bin", {
      stdin: script(),
    });
    expect(await files()).toBe(before);
  });

  it("is logged in although somebody else is, where it looks first", async () => {
    await machine.exec(`mkdir -p ${first.replace("/auth.json", "")}; cat >${first}`, {
      stdin: theirs,
    });
    const { stdout } = await machine.exec("sh -s", { stdin: script({ login }) });
    expect(stdout).toContain(
      `podman: root is logged in at hub.test as alice in ${first}, which goes before the other;`,
    );
    expect((await machine.exec("podman login --get-login hub.test")).stdout).toBe("client\n");
    await machine.exec("podman login --username client --password-stdin hub.test", {
      stdin: login.password,
    });
    await machine.exec("sh -s", { stdin: script({ login }) });
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(JSON.parse((await machine.exec(`cat ${first}`)).stdout)).toEqual(JSON.parse(theirs));
    expect((await machine.exec("ls /root/.config", { reject: false })).exitCode).not.toBe(0);
  });
});
