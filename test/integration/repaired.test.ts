import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Checkout } from "../support/checkout";
import { docker, freePort, inVolume, serving } from "../support/engine";
import { processesOf } from "../support/processes";
import { manifestType, RegistryClient, type StoredImage } from "../support/registry-client";

// What somebody stops, pauses or removes by hand: doctor says so, `npm run up` repairs it, and says
// that the registry answers only when it does.

let checkout: Checkout;
let client: RegistryClient;
let user: [string, string];
let port: number;
let kept: StoredImage;

beforeAll(async () => {
  checkout = await Checkout.create();
  port = await freePort();
  await checkout.configure({ domains: ["localhost"], httpsPort: port, bindAddress: "127.0.0.1" });
  const { exitCode, output } = await checkout.run("up");
  expect(output).toContain(`The registry answers at https://localhost:${port}`);
  expect(exitCode).toBe(0);
  const { caCertificate: caPem, passwords } = await checkout.outputs();
  user = ["admin", passwords["admin"] ?? ""];
  client = new RegistryClient({ port, host: "localhost", caPem });
  kept = await client.push("kept", "1", user);
});

afterAll(() => checkout.remove());

const ids = async () => {
  const { nginx, registry } = await serving(checkout.installation);
  return { nginx: nginx.Id, registry: registry.Id };
};

/** The volume that a container has at a folder. */
async function volumeAt(container: string, folder: string): Promise<string> {
  const format = `{{range .Mounts}}{{if eq .Destination "${folder}"}}{{.Name}}{{end}}{{end}}`;
  return docker("inspect", "--format", format, container);
}

async function expectService(): Promise<void> {
  const headers = { Accept: manifestType };
  const manifest = await client.request("GET", "/v2/kept/manifests/1", { user, headers });
  expect(manifest.status).toBe(200);
  const layer = await client.request("GET", `/v2/kept/blobs/${kept.layer}`, { user });
  expect(layer.status).toBe(200);
  await client.push("pushed", "1", user);
}

/** `npm run up` repairs it, and says so. */
async function expectRepair(words = "repairing it"): Promise<void> {
  const { exitCode, output } = await checkout.run("up");
  expect(output).toContain(words);
  expect(output).toContain(`The registry answers at https://localhost:${port}`);
  expect(exitCode).toBe(0);
  await expectService();
}

describe("nothing", () => {
  it("is wrong, says doctor, with what it has asked", async () => {
    const { exitCode, output } = await checkout.run("doctor");
    expect(output).toMatch(/✓ deployed +3 containers running, 1 network, 4 volumes\n/);
    expect(output).toMatch(/✓ registry https:\S+ +answers at 127.0.0.1:\d+\n/);
    expect(output).toMatch(/✓ certificate +good for another 36\d days\n/);
    expect(output).toMatch(/✓ login +as admin/);
    expect(output).toMatch(/✓ read +as admin/);
    expect(exitCode).toBe(0);
  });

  it("is changed by another up", async () => {
    const { output } = await checkout.run("up");
    expect(output).not.toMatch(/repairing|updated|created|replaced|deleted/);
    expect(output).toContain("The registry answers at");
  });
});

describe("by hand", () => {
  it("nginx is stopped: doctor says so, and up starts it", async () => {
    const { nginx } = await ids();
    await docker("stop", nginx);
    const { output } = await checkout.run("doctor");
    expect(output).toMatch(/– container registry-server-nginx\S* +stopped, exit code 0\n/);
    expect(output).toMatch(/– registry https:\S+ +nothing answers at/);
    expect(output).not.toContain("Everything is here");
    await expectRepair();
    expect((await ids()).nginx).toBe(nginx);
  });

  it("the registry is stopped", async () => {
    const { registry } = await ids();
    await docker("stop", registry);
    await expectRepair();
  });

  it("both are paused", async () => {
    const { nginx, registry } = await ids();
    await docker("pause", nginx, registry);
    const { output } = await checkout.run("doctor");
    expect(output).toMatch(/– container \S+ +paused\n/);
    await expectRepair();
    expect(await ids()).toEqual({ nginx, registry });
  });

  it("nginx is removed", async () => {
    await docker("rm", "--force", (await ids()).nginx);
    await expectRepair();
  });

  it("the registry is removed", async () => {
    await docker("rm", "--force", (await ids()).registry);
    await expectRepair();
  });

  it("the container that checks passwords is stopped, or removed", async () => {
    const { auth } = await serving(checkout.installation);
    await docker("stop", auth?.Id ?? "");
    await expectRepair();
    const { auth: started } = await serving(checkout.installation);
    await docker("rm", "--force", started?.Id ?? "");
    await expectRepair();
  });

  it("nginx is taken off its network, or the network is removed", async () => {
    const { nginx } = await ids();
    const format = "{{range $name, $network := .NetworkSettings.Networks}}{{$name}}{{end}}";
    const network = await docker("inspect", "--format", format, nginx);
    await docker("network", "disconnect", network, nginx);
    await expectRepair();
    await docker("network", "disconnect", "--force", network, (await ids()).nginx);
    await docker("network", "rm", network);
    await expectRepair();
  });

  it("everything but the images is removed, volumes too", async () => {
    const { nginx, registry } = await ids();
    const volumes = [
      await volumeAt(nginx, "/etc/private-registry"),
      await volumeAt(registry, "/etc/private-registry"),
      await volumeAt(nginx, "/run/registry"),
    ];
    const { auth } = await serving(checkout.installation);
    await docker("rm", "--force", nginx, registry, auth?.Id ?? "");
    await docker("volume", "rm", ...volumes);
    await expectRepair();
  });

  it("nginx's files are deleted, which a running nginx notices at a login only", async () => {
    const files = await volumeAt((await ids()).nginx, "/etc/private-registry");
    await inVolume(files, "rm -rf /volume/*");
    await expectRepair("applying everything again");
    await inVolume(files, "rm -rf /volume/*");
    await docker("restart", (await ids()).nginx);
    await expectRepair();
  });

  it("the program that publishes the port is killed", async () => {
    const proxies = await processesOf(new RegExp(`docker-proxy.*-host-port ${port} `));
    expect(proxies).not.toEqual([]);
    for (const id of proxies) process.kill(id, "SIGKILL");
    await expectRepair();
  });
});

describe("with Pulumi alone", () => {
  it("up --refresh makes anew what is gone, and a registry that is stopped", async () => {
    for (const undo of [
      async () => docker("rm", "--force", (await ids()).nginx),
      async () => docker("stop", (await ids()).registry),
    ]) {
      await undo();
      const { exitCode, output } = await checkout.run(
        ...["pulumi", "up", "--refresh", "--yes", "--skip-preview"],
      );
      expect(output).not.toContain("repairing it");
      expect(exitCode).toBe(0);
      await expectService();
    }
  });
});

describe("a state that Pulumi refuses", () => {
  const file = () =>
    join(
      checkout.folder,
      `.private-registry/state/.pulumi/stacks/private-registry/${checkout.stackName}.json`,
    );

  it("is repaired by the next command, which keeps a copy", async () => {
    const state = JSON.parse(await readFile(file(), "utf8")) as {
      checkpoint: { latest: { resources: { type: string }[] } };
    };
    const { latest } = state.checkpoint;
    const isImage = ({ type }: { type: string }) => type.endsWith(":RemoteImage");
    // Containers and volumes now stand before the images that they depend on.
    latest.resources = [
      ...latest.resources.filter((one) => !isImage(one)),
      ...latest.resources.filter(isImage),
    ];
    await writeFile(file(), JSON.stringify(state));
    const { exitCode, output } = await checkout.run("pulumi", "preview");
    expect(output).toMatch(/• the state of stack \S+ was broken, and is repaired/);
    expect(output).not.toContain("goroutine");
    expect(exitCode).toBe(0);
    const kept = await readdir(join(checkout.folder, ".private-registry"));
    expect(kept.filter((name) => name.startsWith("broken-state-"))).toHaveLength(1);
  });

  it("is no state at all: the file and the copy beside it are named", async () => {
    const whole = await readFile(file(), "utf8");
    await writeFile(file(), whole.slice(0, 1_000));
    const { exitCode, output } = await checkout.run("up");
    await writeFile(file(), whole);
    expect(output).toMatch(/\.json: is no JSON/);
    expect(output).toMatch(/cp \S+ \S+\.json\n/);
    expect(output).not.toMatch(/^\s+at /m);
    expect(exitCode).toBe(1);
  });
});
