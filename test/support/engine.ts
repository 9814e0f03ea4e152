/** The Docker engine of this machine, as the tests use it. */
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { execa } from "execa";
import { dataFolder } from "../../components/render/layout";
import { quote } from "../../components/render/shell";

/** What `docker <args>` prints; it fails after two minutes, and if docker does. */
export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await execa("docker", args, { timeout: 120_000 });
  return stdout;
}

/** The parts of `docker inspect` of a container that the tests look at. */
export interface Container {
  Id: string;
  Image: string;
  RestartCount: number;
  State: { Running: boolean; Health?: { Status: string } };
  Config: { User: string; Image: string; Labels: Record<string, string> };
  HostConfig: {
    ReadonlyRootfs: boolean;
    SecurityOpt: string[] | null;
    CapDrop: string[] | null;
    CapAdd: string[] | null;
    Privileged: boolean;
    Memory: number;
    MemorySwap: number;
    PidsLimit: number | null;
    NetworkMode: string;
    LogConfig: { Type: string; Config: Record<string, string> };
    RestartPolicy: { Name: string };
  };
  NetworkSettings: {
    Ports: Record<string, { HostIp: string; HostPort: string }[] | null>;
    Networks: Record<string, unknown>;
  };
  Mounts: { Type: string; Name?: string; Source: string; Destination: string; RW: boolean }[];
}

/** The containers with a label, such as `private-registry=<installation>`, stopped ones too. */
export async function containers(label: string): Promise<Container[]> {
  const ids = await docker("ps", "--all", "--quiet", "--no-trunc", "--filter", `label=${label}`);
  if (ids === "") {
    return [];
  }
  return JSON.parse(await docker("inspect", ...ids.split("\n"))) as Container[];
}

/** The containers of an installation that run. */
export async function running(installation: string): Promise<Container[]> {
  const all = await containers(`private-registry=${installation}`);
  return all.filter(({ State }) => State.Running);
}

/** Whether it is nginx's container, which reads the images, or with `RW` the registry's. */
function hasImages({ Mounts }: Container, { RW }: { RW: boolean }): boolean {
  return Mounts.some((mount) => mount.Destination === dataFolder && mount.RW === RW);
}

/** The nginx containers of an installation that run: two while one takes the other's place. */
export async function runningNginx(installation: string): Promise<Container[]> {
  return (await running(installation)).filter((one) => hasImages(one, { RW: false }));
}

/**
 * The containers of an installation, of which exactly these must run: one of nginx and one of the
 * registry. Of auth there is none in the first version (610e333), and after an `up` that failed, which
 * has left a second one to the next, it is the newest.
 */
export async function serving(installation: string): Promise<{
  nginx: Container;
  registry: Container;
  auth: Container | undefined;
}> {
  const all = await running(installation);
  const [nginx, ...secondNginx] = all.filter((one) => hasImages(one, { RW: false }));
  const [registry, ...secondRegistry] = all.filter((one) => hasImages(one, { RW: true }));
  if (nginx === undefined || registry === undefined || secondNginx[0] || secondRegistry[0]) {
    throw new Error(`${installation}: expected nginx and a registry, got ${all.length} containers`);
  }
  const auth = all.find((one) => one !== nginx && one !== registry);
  return { nginx, registry, auth };
}

/** Every path in a volume or folder of the host, with modes and owners. */
export async function listing(volume: string): Promise<string[]> {
  const found = await inVolume(
    volume,
    "cd /volume; find . -printf '%m %U:%G %y %P\\n' | sort -k 4",
  );
  return found.split("\n");
}

/** What a line of shell prints in a throw-away container that has `volume` at `/volume`. */
export async function inVolume(volume: string, command: string): Promise<string> {
  return docker(
    ...["run", "--rm", "--network", "none", "--volume", `${volume}:/volume`],
    ...["--user", "0", "--entrypoint", "sh", "nginx:1.30", "-c", command],
  );
}

/** A TCP port that nothing listens on, outside of the range that outgoing connections take. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + (randomBytes(2).readUInt16BE() % 10_000);
    if (await isFree(port)) {
      return port;
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "0.0.0.0", () => server.close(() => resolve(true)));
  });
}

/** A Docker network that no other test uses; its gateway is this machine, for those in it. */
export interface TestNetwork {
  name: string;
  gateway: string;
  remove(): Promise<void>;
}

export async function createNetwork(
  name = `private-registry-test-${randomBytes(4).toString("hex")}`,
  label = "private-registry-test=network",
): Promise<TestNetwork> {
  await docker("network", "create", "--label", label, name);
  const gateway = await docker(
    ...["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", name],
  );
  const remove = async () => {
    await docker("network", "rm", name);
  };
  return { name, gateway, remove };
}

/** A network whose gateway is an IPv6 address; those in it have one too, beside their IPv4's. */
export async function createIpv6Network(): Promise<TestNetwork> {
  const name = `private-registry-test-${randomBytes(4).toString("hex")}`;
  const prefix = `fd${randomBytes(5).toString("hex")}`.replace(/(.{4})(?=.)/g, "$1:");
  const gateway = `${prefix}::1`;
  await docker(
    ...["network", "create", "--label", "private-registry-test=network"],
    ...["--ipv6", "--subnet", `${prefix}::/64`, "--gateway", gateway, name],
  );
  const remove = async () => {
    await docker("network", "rm", name);
  };
  return { name, gateway, remove };
}

/**
 * An image like `base` with a label of its own and, if `shell` is given, with what that line of
 * shell changed as root. The caller removes it.
 */
export async function derivedImage(base: string, shell = "true"): Promise<string> {
  const id = randomBytes(4).toString("hex");
  const container = `private-registry-test-${id}`;
  const image = `private-registry-test/derived:${id}`;
  const entrypoint = await docker("inspect", "--format", "{{json .Config.Entrypoint}}", base);
  try {
    await docker(
      ...["run", "--network", "none", "--user", "0", "--name", container],
      ...["--entrypoint", "sh", base, "-c", shell],
    );
    await docker(
      ...["commit", "--change", `LABEL private-registry-test=${quote(id)}`],
      ...["--change", `ENTRYPOINT ${entrypoint}`, container, image],
    );
  } finally {
    await docker("rm", "--force", "--volumes", container);
  }
  return image;
}
