import { isIPv6 } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment";
import { createIpv6Network, freePort, type TestNetwork } from "../support/engine";
import { listing, type Machine, startMachine, userPassword } from "../support/machine";

// A registry and machines that have each other's IPv6 addresses, and SSH on other ports than 22.

const sshPort = 2222;
let network: TestNetwork;
let docker: Machine;
let podman: Machine;
let containerd: Machine;
/** Whose user logs in to fish, and needs a password for sudo. */
let fish: Machine;
let machines: Machine[];
let before: string[];
let deployment: Deployment;
let port: number;
let settings: Record<string, unknown>;
/** What was made, to be taken away in the opposite order. */
const made: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  network = await createIpv6Network();
  made.push(() => network.remove());
  const start = async (options: Parameters<typeof startMachine>[0]) => {
    const machine = await startMachine({ network: network.name, ...options });
    made.push(() => machine.stop());
    return machine;
  };
  [docker, podman, containerd, fish] = await Promise.all([
    start({ kind: "docker", sshPort }),
    start({ kind: "podman", sshPort }),
    start({ kind: "containerd-2", sshPort }),
    start({ kind: "plain", user: "ops", sudo: "password" }),
  ]);
  machines = [docker, podman, containerd, fish];
  // What these write to their folders at first use.
  await podman.exec("tar -c -C / etc/hostname | podman import - tiny");
  await fish.exec("usermod --shell /usr/bin/fish ops; su - ops -c true");
  before = await Promise.all(machines.map(listing));
  deployment = await Deployment.create();
  made.push(() => deployment.remove());
  port = await freePort();
  settings = {
    domains: [network.gateway, "hub.test"],
    httpsPort: port,
    bindAddress: network.gateway,
    registryAddress: network.gateway,
    clients: {
      docker: { ...client(docker), port: sshPort },
      podman: { ...client(podman), port: sshPort },
      containerd: { ...client(containerd), port: sshPort },
      fish: {
        ...client(fish),
        user: "ops",
        password: userPassword,
        proxy: { ...client(podman), port: sshPort },
      },
    },
  };
});

afterAll(async () => {
  for (const remove of made.reverse()) await remove();
});

function client({ ipv6: host, sshPrivateKey: privateKey, hostKey }: Machine) {
  return { host, privateKey, hostKey };
}

describe("clients with IPv6 addresses and SSH on another port", () => {
  let registry: string;

  it("are set up, one by a user of fish with a sudo password, through a bastion", async () => {
    expect(machines.map(({ ipv6 }) => isIPv6(ipv6))).toEqual(machines.map(() => true));
    await deployment.up(settings);
    registry = `[${network.gateway}]:${port}`;
    expect(deployment.output("registryUrl")).toBe(`https://${registry}`);
    const reports = JSON.parse(await deployment.pulumi("stack", "output", "clients")) as Record<
      string,
      string
    >;
    expect(Object.keys(reports)).toHaveLength(machines.length);
    for (const report of Object.values(reports)) {
      expect(report).toContain(`proved with curl: ${network.gateway}, hub.test`);
    }
    expect(reports.docker).toContain(
      `docker: trusts ${registry}, hub.test:${port}, proved by a pull\n`,
    );
  });

  it("log in by the address, and push and pull by a name of it", async () => {
    const stdin = deployment.passwords.admin;
    const login = "login --username admin --password-stdin";
    await docker.exec(`docker ${login} '${registry}'`, { stdin });
    await docker.exec(`docker ${login} hub.test:${port}`, { stdin });
    await docker.exec(
      `tar -c -C / etc/hostname | docker import - hub.test:${port}/tiny:1 &&
      docker push hub.test:${port}/tiny:1`,
    );
    await podman.exec(`podman ${login} '${registry}'`, { stdin });
    await podman.exec(`podman ${login} hub.test:${port}`, { stdin });
    await podman.exec(
      `podman pull hub.test:${port}/tiny:1 && skopeo inspect docker://hub.test:${port}/tiny:1`,
    );
  });

  it("pull by the address with what understands such a name", async () => {
    await containerd.exec(
      `ctr images pull --hosts-dir /etc/containerd/certs.d \\
        --user 'admin:${deployment.passwords.admin}' '${registry}/tiny:1'`,
    );
  });

  it("are left alone by a second up", async () => {
    const { changes } = await deployment.up();
    expect(Object.keys(changes)).toEqual(["same"]);
  });

  it("are as before once the registry is destroyed", async () => {
    await deployment.destroy();
    await docker.exec("rm -r /root/.docker");
    expect(await Promise.all(machines.map(listing))).toEqual(before);
  });
});
