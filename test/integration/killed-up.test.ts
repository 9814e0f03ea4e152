import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Checkout } from "../support/checkout";
import { derivedImage, docker, freePort, serving } from "../support/engine";
import { RegistryClient, type RegistryClientOptions } from "../support/registry-client";
import { startTraffic } from "../support/traffic";

// `npm run up` that is killed again and again, with all that it has started, a little later each
// time, until one of them comes to its end.

let checkout: Checkout;
let settings: Record<string, unknown>;
const images: string[] = [];

beforeAll(async () => {
  checkout = await Checkout.create();
  settings = {
    domains: ["localhost"],
    httpsPort: await freePort(),
    bindAddress: "127.0.0.1",
    users: { alice: { access: "push" } },
  };
});

afterAll(async () => {
  await checkout.remove();
  await docker("image", "rm", ...images);
});

const derive = async (base: string) => {
  const image = await derivedImage(base);
  images.push(image);
  return image;
};

/** How many runs it took. `check` is what must hold after a run that was killed. */
async function upAgainAndAgain(stepMs: number, check?: () => Promise<void>): Promise<number> {
  for (let run = 1; ; run += 1) {
    // From the first resource that is changed.
    const { wasKilled, exitCode, output } = await checkout.runUntil(
      { words: / (creating|updating|replacing) \(/, delayMs: run * stepMs },
      "up",
    );
    if (wasKilled) {
      await check?.();
      continue;
    }
    expect(exitCode, output).toBe(0);
    return run;
  }
}

/** Exactly what one deployment has on the engine, which a further `up` leaves as it is. */
async function expectConverged(): Promise<void> {
  const filter = ["--quiet", "--filter", `label=private-registry=${checkout.installation}`];
  const ids = async (kind: string) =>
    (await docker(kind, "ls", ...filter, ...(kind === "container" ? ["--all"] : []))).split("\n");
  expect(await ids("container")).toHaveLength(3);
  expect(await ids("volume")).toHaveLength(3);
  expect(await ids("network")).toHaveLength(1);
  await serving(checkout.installation);
  const { exitCode, output } = await checkout.run("up");
  expect(exitCode, output).toBe(0);
  expect(output).toMatch(/Resources:\n {4}\d+ unchanged\n/);
}

const connect = async () => {
  const output = await checkout.outputs();
  const options: RegistryClientOptions = {
    port: settings.httpsPort as number,
    host: "localhost",
    caPem: output.caCertificate,
  };
  return { options, user: ["alice", output.passwords.alice ?? ""] as const };
};

describe("a first up that is killed", () => {
  it("is taken up by the next one, and leaves nothing of itself", async () => {
    await checkout.configure(settings);
    expect(await upAgainAndAgain(400)).toBeGreaterThan(2);
    await expectConverged();
    const { options, user } = await connect();
    await new RegistryClient(options).push("team/app", "1", user);
  });
});

describe("an up with a new registry image that is killed", () => {
  it("interrupts nothing, and is taken up by the next one", async () => {
    const { options, user } = await connect();
    const before = await serving(checkout.installation);
    const traffic = startTraffic(options, "/v2/team/app/tags/list", user);
    settings = { ...settings, images: { registry: await derive("registry:3.1.2") } };
    await checkout.configure(settings);
    const runs = await upAgainAndAgain(600);
    const { answered, failures } = await traffic.stop();
    expect(runs).toBeGreaterThan(2);
    expect(answered).toBeGreaterThan(100);
    expect(failures).toEqual([]);
    await expectConverged();
    const after = await serving(checkout.installation);
    expect(after.registry.Id).not.toBe(before.registry.Id);
    expect(after.nginx.Id).toBe(before.nginx.Id);
  });
});

describe("an up with a new nginx image that is killed", () => {
  it("leaves a registry that serves, and is taken up by the next one", async () => {
    const { options, user } = await connect();
    const before = await serving(checkout.installation);
    settings = { ...settings, images: { registry: images[0], nginx: await derive("nginx:1.30") } };
    await checkout.configure(settings);
    const client = new RegistryClient(options);
    const status = async () => {
      const reply = await client.request("GET", "/v2/team/app/tags/list", { user });
      return reply.status;
    };
    const runs = await upAgainAndAgain(300, async () => {
      // The port may just be moving.
      await expect.poll(() => status().catch(String), { timeout: 5000 }).toBe(200);
    });
    expect(runs).toBeGreaterThan(2);
    await expectConverged();
    const after = await serving(checkout.installation);
    expect(after.nginx.Id).not.toBe(before.nginx.Id);
    expect(after.registry.Id).toBe(before.registry.Id);
  });
});
