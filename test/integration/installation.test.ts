import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Checkout } from "../support/checkout";
import { Deployment, type Settings } from "../support/deployment";
import { containers, docker, freePort, serving } from "../support/engine";
import { RegistryClient, type RegistryClientOptions } from "../support/registry-client";

// Whose a registry, and whose the images are.

const pushed = { name: "team/app", tags: ["1"] };
const domains = ["localhost"];
const bindAddress = "127.0.0.1";

/** The registry of a checkout, and a user who may push. */
async function connect(checkout: Checkout, port: number) {
  const { caCertificate: caPem, passwords } = await checkout.outputs();
  const options: RegistryClientOptions = { port, host: "localhost", caPem };
  const user = ["admin", passwords.admin ?? ""] as const;
  return { client: new RegistryClient(options), user };
}

async function tags(checkout: Checkout, port: number): Promise<unknown> {
  const { client, user } = await connect(checkout, port);
  return JSON.parse((await client.request("GET", "/v2/team/app/tags/list", { user })).body);
}

async function up(checkout: Checkout): Promise<string> {
  const { exitCode, output } = await checkout.run("up");
  expect(exitCode, output).toBe(0);
  return output;
}

async function failingUp(checkout: Checkout): Promise<string> {
  const { exitCode, output } = await checkout.run("up");
  expect(exitCode, output).not.toBe(0);
  return output;
}

/** What the refused `up` says is to be replaced. */
function replaced(output: string): string {
  return /pulumi(?: --)? config set private-registry:replaces (\S+)/.exec(output)?.[1] ?? "";
}

describe("two clones that deploy the same stack to one engine", () => {
  let first: Checkout;
  let second: Checkout;
  let port: number;
  let settings: Settings;

  beforeAll(async () => {
    first = await Checkout.create();
    second = await Checkout.create({ stackName: first.stackName });
    port = await freePort();
    settings = { domains, httpsPort: port, bindAddress, users: { admin: {} } };
    for (const checkout of [first, second]) await checkout.configure(settings);
    await up(first);
    const { client, user } = await connect(first, port);
    await client.push("team/app", "1", user);
  });
  afterAll(async () => {
    await second.remove();
    await first.remove();
  });

  it("are told apart, and the second one touches nothing of the first", async () => {
    const before = await serving(first.installation);
    const output = await failingUp(second);
    expect(output).toMatch(/The installation [0-9a-f]{16} is on this Docker host already/);
    // Also when there is something that it did not come to the end of.
    await failingUp(second);
    const after = await serving(first.installation);
    expect([after.nginx.Id, after.registry.Id]).toEqual([before.nginx.Id, before.registry.Id]);
    expect(await tags(first, port)).toEqual(pushed);
  });

  it("change places when the second one is told to: it has the images, and its own users", async () => {
    const before = await serving(first.installation);
    await second.configure({ ...settings, replaces: replaced(await failingUp(second)) });
    await up(second);
    const after = await serving(first.installation);
    expect(after.nginx.Id).not.toBe(before.nginx.Id);
    expect(await containers(`private-registry=${first.installation}`)).toHaveLength(3);
    expect(await tags(second, port)).toEqual(pushed);
    expect(await up(second)).toMatch(/Resources:\n {4}\d+ unchanged\n/);
  });

  it("take away what is their own: the first one no more than its state", async () => {
    const ids = async () => {
      const { nginx, registry } = await serving(first.installation);
      return [nginx.Id, registry.Id];
    };
    const before = await ids();
    const { exitCode, output } = await first.run("down");
    expect(exitCode, output).toBe(0);
    expect(await ids()).toEqual(before);
    expect(await tags(second, port)).toEqual(pushed);
    expect(await up(second)).toMatch(/Resources:\n {4}\d+ unchanged\n/);
  });
});

describe("a state that is lost while the containers run", () => {
  let checkout: Checkout;
  let port: number;
  let settings: Settings;

  beforeAll(async () => {
    checkout = await Checkout.create();
    port = await freePort();
    settings = { domains, httpsPort: port, bindAddress, users: { admin: {} } };
    await checkout.configure(settings);
    await up(checkout);
    const { client, user } = await connect(checkout, port);
    await client.push("team/app", "1", user);
    await rm(join(checkout.folder, ".private-registry/state"), { recursive: true });
  });
  afterAll(() => checkout.remove());

  it("is what up says, and what can be done", async () => {
    const output = await failingUp(checkout);
    expect(output).toMatch(/not known to this stack's state/);
    expect(output).toMatch(/if its state is lost|its state is lost/);
    expect(output).not.toMatch(/in use by/);
  });

  it("can be replaced, and nothing of the old one can come back", async () => {
    await checkout.configure({ ...settings, replaces: replaced(await failingUp(checkout)) });
    await up(checkout);
    expect(await containers(`private-registry=${checkout.installation}`)).toHaveLength(3);
    for (const [kind, count] of [
      ["volume", 3],
      ["network", 1],
    ] as const) {
      const label = `label=private-registry=${checkout.installation}`;
      const found = await docker(kind, "ls", "--quiet", "--filter", label);
      expect(found.split("\n")).toHaveLength(count);
    }
    expect(await tags(checkout, port)).toEqual(pushed);
  });
});

describe("a stack that is renamed", () => {
  let checkout: Checkout;
  let port: number;

  beforeAll(async () => {
    checkout = await Checkout.create();
    port = await freePort();
    await checkout.configure({ domains, httpsPort: port, bindAddress, users: { admin: {} } });
    await up(checkout);
    const { client, user } = await connect(checkout, port);
    await client.push("team/app", "1", user);
  });
  afterAll(() => checkout.remove());

  it("is the same installation, and interrupts nothing", async () => {
    const { installation } = checkout;
    const before = await serving(installation);
    await checkout.rename(`${checkout.stackName}-renamed`);
    await up(checkout);
    const after = await serving(installation);
    expect([after.nginx.Id, after.registry.Id]).toEqual([before.nginx.Id, before.registry.Id]);
  });

  it("finds its images again after down and up", async () => {
    const down = await checkout.run("down");
    expect(down.exitCode, down.output).toBe(0);
    await up(checkout);
    expect(await tags(checkout, port)).toEqual(pushed);
  });
});

describe("a folder for the images with other people's things in it", () => {
  let deployment: Deployment;
  let folder: string;
  let settings: Settings;

  beforeAll(async () => {
    deployment = await Deployment.create();
    folder = await mkdtemp(join(tmpdir(), "private-registry-test-data-"));
    await chmod(folder, 0o755);
    await mkdir(join(folder, "postgres"), { mode: 0o700 });
    await chown(join(folder, "postgres"), 999, 999);
    await mkdir(join(folder, "ops/.ssh"), { recursive: true, mode: 0o700 });
    await writeFile(join(folder, "ops/.ssh/id_ed25519"), "key", { mode: 0o600 });
    await chown(join(folder, "ops/.ssh/id_ed25519"), 1000, 1000);
    settings = {
      domains,
      httpsPort: await freePort(),
      bindAddress,
      users: { admin: {} },
      dataPath: folder,
    };
  });
  afterAll(async () => {
    await deployment.remove();
    await rm(folder, { recursive: true });
  });

  const others = async () => {
    const { stdout } = await execa("find", [
      ...[folder, "-path", `${folder}/docker`, "-prune", "-o"],
      ...["-printf", "%p %m %U:%G %T@\n"],
    ]);
    // The folder itself has a new entry.
    return stdout.split("\n").filter((line) => !line.startsWith(`${folder} `));
  };

  it("is refused if the registry could not get in, and stays as it is", async () => {
    await chmod(folder, 0o700);
    const before = await others();
    const output = await deployment.failingUp(settings);
    expect(output).toContain(`the registry's user 10001 cannot enter it`);
    expect(output).toContain(`dataPath '${folder}/registry'`);
    expect(await readdir(folder)).toEqual(["ops", "postgres"]);
    expect(await others()).toEqual(before);
  });

  it("is refused if it has a folder docker that is no registry's", async () => {
    await chmod(folder, 0o755);
    await mkdir(join(folder, "docker"));
    await writeFile(join(folder, "docker/compose.yaml"), "services:");
    const output = await deployment.failingUp(settings);
    expect(output).toMatch(/docker is no registry's: it holds \S*compose.yaml/);
    expect((await stat(join(folder, "docker"))).uid).toBe(0);
    await rm(join(folder, "docker"), { recursive: true });
  });

  it("is refused if its docker/registry is somebody's own set-up", async () => {
    await mkdir(join(folder, "docker/registry/certs"), { recursive: true });
    await writeFile(join(folder, "docker/registry/docker-compose.yml"), "services:");
    const output = await deployment.failingUp(settings);
    expect(output).toMatch(/docker is no registry's: it holds \S*(certs|docker-compose.yml)/);
    await rm(join(folder, "docker"), { recursive: true });
  });

  it("is used for the registry's own folder alone, which up says", async () => {
    const before = await others();
    const { output } = await deployment.up(settings);
    expect(output).toContain(`${folder} is not empty and holds no registry`);
    expect(await others()).toEqual(before);
    expect((await stat(folder)).uid).toBe(0);
    expect((await stat(join(folder, "docker"))).uid).toBe(10001);
    const options = { port: settings.httpsPort as number, host: "localhost" };
    const client = new RegistryClient({ ...options, caPem: deployment.output("caCertificate") });
    await client.push("team/app", "1", ["admin", deployment.passwords.admin ?? ""]);
  });

  it("is refused to another installation while this one is there", async () => {
    const other = await Deployment.create();
    try {
      const output = await other.failingUp({ ...settings, httpsPort: await freePort() });
      expect(output).toMatch(/The installation [0-9a-f]{16} is on this Docker host already/);
    } finally {
      await other.remove();
    }
  });

  it("is refused while a container of somebody else's writes there", async () => {
    await deployment.destroy();
    const name = "private-registry-test-by-hand";
    await docker(
      ...["run", "--detach", "--name", name, "--label", "private-registry-test=former"],
      ...["--network", "none", "--volume", `${folder}:/var/lib/registry`, "registry:3.1.2"],
    );
    try {
      const output = await deployment.failingUp(settings);
      expect(output).toContain(`The container ${name} uses the images in ${folder}`);
      expect(output).toContain(`docker update --restart no ${name} && docker stop ${name}`);
    } finally {
      await docker("rm", "--force", "--volumes", name);
    }
  });

  it("is refused while an installation without an id writes there", async () => {
    const name = "private-registry-test-landed";
    await docker(
      ...["run", "--detach", "--name", name, "--label", "private-registry=another-stack"],
      ...["--network", "none", "--volume", `${folder}:/var/lib/registry`, "registry:3.1.2"],
    );
    try {
      expect(await deployment.failingUp(settings)).toContain(
        `The container ${name} uses the images`,
      );
    } finally {
      await docker("rm", "--force", "--volumes", name);
    }
  });

  it("is another installation's once this one is gone, which deletes no more than its images", async () => {
    const other = await Deployment.create();
    try {
      await other.up({ ...settings, keepData: false });
      expect((await stat(join(folder, "docker"))).uid).toBe(10001);
      await writeFile(join(folder, "docker/notes.txt"), "somebody's");
    } finally {
      await other.remove();
    }
    expect(await readdir(folder)).toEqual(["docker", "ops", "postgres"]);
    expect(await readdir(join(folder, "docker"))).toEqual(["notes.txt"]);
  });
});
