import { randomBytes } from "node:crypto";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asRoot } from "../../components/render/client/as-root";
import { type ClientScriptValues, renderClientScript } from "../../components/render/client-script";
import { type BareRegistry, registryUser, startBareRegistry } from "../support/bare-registry";
import { listing, type Machine, startMachine } from "../support/machine";

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
  return asRoot(
    renderClientScript({
      name: "private-registry-test",
      hosts: ["hub.test"],
      httpsPort: 443,
      caPem: registry.caPem,
      registryAddress: registry.ip,
      ...overrides,
    }),
  );
}

/**
 * A dockerd as in RootlessKit, which is where it looks for its registries, without the namespaces
 * that a machine in a container cannot make.
 */
const startRootless = `set -e
ln -s /bin/true /usr/local/bin/rootlesskit-docker-proxy
run=/run/user/$(id -u alice)
mkdir -p "$run" /var/lib/docker/alice
export XDG_RUNTIME_DIR="$run" ROOTLESSKIT_STATE_DIR=/run HOME=/home/alice
dockerd --data-root /var/lib/docker/alice --exec-root /run/alice --pidfile /run/alice.pid \\
  --bridge none --iptables=false --host "unix://$run/docker.sock" >/var/log/alice.log 2>&1 &
for i in $(seq 300); do
  docker --host "unix://$run/docker.sock" version >/dev/null 2>&1 &&
    exec chown -R alice: /home/alice "$run"
  sleep 0.1
done
tail -n 20 /var/log/alice.log
exit 1`;

describe("a machine with a Docker of the user's own", () => {
  let machine: Machine;
  let before: string;

  const run = async (command: string, overrides: Partial<ClientScriptValues> = {}) =>
    (await machine.exec(command, { stdin: script(overrides), user: "alice" })).stdout;

  beforeAll(async () => {
    machine = await startMachine({ network, user: "alice" });
    await machine.exec(startRootless);
    before = await listing(machine);
  });
  afterAll(() => machine.stop());

  it("is set up in the user's home, as the user's", async () => {
    expect(await run("sh -s -- apply")).toContain(
      "docker: trusts hub.test, hub.test:443, proved by a pull\n" +
        "docker of alice: trusts hub.test, hub.test:443, proved by a pull\n",
    );
    const { stdout } = await machine.exec("find /home/alice/.config -exec stat -c '%U:%G %n' {} +");
    const folder = "alice:alice /home/alice/.config/docker/certs.d";
    expect(stdout).toContain(`${folder}/hub.test:443/ca.crt\n`);
    expect(stdout).not.toContain("root");
  });

  it("logs in, pushes and pulls with it", async () => {
    const { name, password } = registryUser;
    await machine.exec(
      `set -e
      export DOCKER_HOST=unix:///run/user/$(id -u alice)/docker.sock
      mv /etc/docker/certs.d /aside
      tar -c -C / etc/hostname | docker import - tiny
      for host in hub.test hub.test:443; do
        printf %s '${password}' | docker login $host --username ${name} --password-stdin
        docker tag tiny $host/tiny:1; docker push $host/tiny:1
        docker rmi $host/tiny:1; docker pull $host/tiny:1; docker logout $host
      done
      mv /aside /etc/docker/certs.d; rm -r /root/.docker`,
    );
  });

  it("changes no file at a second run, and says the same", async () => {
    const first = await run("sh -s -- apply");
    await machine.exec("touch /var/marker; sleep 0.02");
    expect(await run("sh -s -- apply")).toBe(first);
    const { stdout } = await machine.exec("find /etc /home/alice -newer /var/marker");
    expect(stdout).toBe("");
  });

  it("is left alone when other runtimes are asked for", async () => {
    expect(await run("sh -s -- apply", { runtimes: ["podman"] })).not.toContain("alice");
    await machine.exec("[ ! -e /home/alice/.config/docker/certs.d ]");
  });

  it("leads root out of the user's home by no link", async () => {
    const folder = "/home/alice/.config/docker/certs.d";
    await machine.exec("mkdir /etc/victim; echo theirs >/etc/victim/kept");
    const link = `mkdir -p ${folder}; ln -s /etc/victim ${folder}/hub.test`;
    await machine.exec(link, { user: "alice" });
    const options = { stdin: script(), user: "alice", reject: false };
    const { exitCode, stderr } = await machine.exec("sh -s -- apply", options);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      `${folder}/hub.test/ca.crt: cannot be written, as the line above says`,
    );
    expect((await machine.exec("ls -A /etc/victim")).stdout).toBe("kept\n");

    // What it has made for the name with the port is in the home, and goes as well.
    await run("sh -s -- remove");
    await machine.exec(`rm -r /etc/victim ${folder}`);
  });

  it("is byte for byte as before once the registry is removed", async () => {
    await run("sh -s -- apply");
    await run("sh -s -- remove");
    expect(await listing(machine)).toBe(before);
  });
});
