import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import pLimit from "p-limit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EngineApi } from "../../scripts/engine/api";
import { ensureImage } from "../../scripts/engine/images";
import { findProgram } from "../../scripts/find-program";
import { checkout as project } from "../../scripts/paths";
import { images, providerNames, readPins } from "../../scripts/pins";
import { Progress } from "../../scripts/progress";
import { Checkout } from "../support/checkout";
import { createNetwork, derivedImage, docker } from "../support/engine";
import { type Machine, startMachine } from "../support/machine";
import { runsContainers } from "../support/nested-engine";
import { packCli, packPlugin, type ReleaseSite, serveReleases } from "../support/release-site";

// The first `npm run up` on a machine that reaches Pulumi's site and Docker Hub: both are stand-ins,
// a site with Pulumi's paths, and a registry with the official images for an engine that has none.

const pins = readPins(project);
let folder: string;
let site: ReleaseSite;
let host: Machine;
/** What was made, to be taken away in the opposite order. */
const made: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "private-registry-test-internet-"));
  made.push(() => rm(folder, { recursive: true }));
  const network = await createNetwork();
  made.push(() => network.remove());
  const hub = await startHub(network.name);
  await writeFile(
    join(folder, "daemon.json"),
    JSON.stringify({
      hosts: ["unix:///var/run/docker.sock", "unix:///engine/docker.sock"],
      "registry-mirrors": [`http://${hub}:5000`],
    }),
  );
  host = await startMachine({
    network: network.name,
    runArguments: [
      ...runsContainers,
      ...["--volume", `${folder}:/engine`],
      ...["--volume", `${join(folder, "daemon.json")}:/etc/docker/daemon.json:ro`],
    ],
  });
  made.push(() => host.stop());
  site = await serveReleases(await packReleases());
  made.push(() => site.close());
});

afterAll(async () => {
  for (const remove of made.reverse()) await remove();
});

/** Where this machine reaches the stand-in for Docker Hub. */
let published: string;

/** Has Docker Hub offer an image of this machine's engine under an official name. */
async function offer(image: string, official: string): Promise<void> {
  const name = `${published}/library/${official}`;
  await docker("tag", image, name);
  try {
    await docker("push", "--quiet", name);
  } finally {
    await docker("rmi", name);
  }
}

/** A registry with the two official images under their own names. @returns Its address. */
async function startHub(network: string): Promise<string> {
  const id = await docker(
    ...["run", "--detach", "--network", network, "--publish", "127.0.0.1::5000"],
    ...["--label", "private-registry-test=registry", images.registry],
  );
  made.push(() => docker("rm", "--force", "--volumes", id));
  published = (await docker("port", id, "5000/tcp")).split("\n")[0] ?? "";
  for (const image of [images.registry, images.nginx]) await offer(image, image);
  return docker(
    ...["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id],
  );
}

/** The releases of the CLI and of the plugins, from those that this machine has. */
async function packReleases(): Promise<Map<string, string>> {
  const archives = join(folder, "archives");
  await mkdir(archives);
  const cli = await realpath(findProgram("pulumi", process.env.PATH) ?? "pulumi");
  const home = process.env.PULUMI_HOME ?? join(homedir(), ".pulumi");
  const files = await packCli(archives, pins.pulumi, dirname(cli));
  for (const name of providerNames) {
    const plugin = { name, version: pins.providers[name] };
    files.set(...(await packPlugin(archives, plugin, home)));
  }
  return files;
}

/** A PATH with all that is on this one but these programs. */
async function pathWithout(...programs: string[]): Promise<string> {
  const own = join(folder, "programs");
  await mkdir(own);
  for (const source of (process.env.PATH ?? "").split(":").reverse()) {
    for (const name of existsSync(source) ? await readdir(source) : []) {
      if (programs.includes(name)) continue;
      await rm(join(own, name), { force: true });
      await symlink(join(source, name), join(own, name));
    }
  }
  return own;
}

describe("the first npm run up with the internet", () => {
  it("downloads Pulumi, its plugins and the images, builds nothing, and deploys", async () => {
    const checkout = await Checkout.create({
      isFirst: true,
      environment: {
        PATH: await pathWithout("curl", "go", "pulumi", "wget"),
        XDG_CACHE_HOME: join(folder, "cache"),
        DOCKER_HOST: `unix://${folder}/docker.sock`,
        PRIVATE_REGISTRY_PULUMI_SITE: site.address,
        // What would be built all the same fails at once.
        GOPROXY: "off",
        GOMODCACHE: join(folder, "no-modules"),
      },
    });
    try {
      const settings = { domains: [host.ip] };
      await checkout.configure(settings);
      const { exitCode, output } = await checkout.run("up");
      expect(output).not.toMatch(/building|not downloaded|no pull/);
      for (const said of [
        `✓ Pulumi CLI v${pins.pulumi}: downloading`,
        ...providerNames.map((name) => `✓ Pulumi provider ${name} v${pins.providers[name]}: down`),
        `✓ image ${images.registry}: pulling`,
        `✓ image ${images.nginx}: pulling`,
        `https://${host.ip}`,
      ]) {
        expect(output).toContain(said);
      }
      expect(exitCode).toBe(0);
      expect(await readdir(join(folder, "cache/private-registry"))).not.toContain("pulumi-cli");

      const asked = site.asked.length;
      expect((await checkout.run("up")).exitCode).toBe(0);
      expect(site.asked.slice(asked)).toEqual([]);

      const newer = await derivedImage(images.nginx);
      made.push(() => docker("rmi", newer));
      await offer(newer, images.nginx);
      const updated = await checkout.run("update");
      expect(updated.exitCode, updated.output).toBe(0);
      expect(updated.output).toMatch(/image registry:\S+: of \S+, is the newest/);
      expect(updated.output).toMatch(/image nginx:\S+: of \S+, is newer than what was here/);
      expect(updated.output).toMatch(/image nginx:\S+: it is another one now, of \S+: replacing/);
      const again = await checkout.run("update");
      expect(again.output).toMatch(/image nginx:\S+: of \S+, is the newest/);
      expect(again.output).toMatch(/Resources:\n {4}\d+ unchanged\n/);
      const pinned = { ...settings, images: { nginx: `nginx@sha256:${"0".repeat(64)}` } };
      await checkout.configure(pinned);
      const { output: said } = await checkout.run("update");
      expect(said).toContain("it is named by its digest, so there is no newer one");
    } finally {
      await checkout.configure({ domains: [host.ip] });
      await checkout.remove();
    }
  });

  it("builds an image that Docker Hub does not have, and says so", async () => {
    const api = new EngineApi(`unix://${folder}/docker.sock`);
    const absent = "private-registry-test-absent:1";
    let said = "";
    const store = {
      cacheFolder: join(folder, "other-cache"),
      logFolder: join(folder, "logs"),
      progress: new Progress({ write: (text: string) => (said += text) }),
      limit: pLimit(1),
      inHand: new Map<string, Promise<void>>(),
    };
    const part = {
      ...{ name: "absent", title: "image: building", usually: "1 s", sources: [], recipe: [] },
      build: async (work: { folder: string }) => {
        await docker("tag", images.nginx, absent);
        await docker("save", "--output", join(work.folder, "image.tar"), absent);
        await docker("rmi", absent);
      },
    };
    await ensureImage(api, absent, part, store);
    expect(await api.hasImage(absent)).toBe(true);
    expect(said).toContain(`• image ${absent}: no pull from here, so it is built from packages`);
  });
});
