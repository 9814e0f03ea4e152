import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Checkout } from "../support/checkout";
import { derivedImage, docker, freePort, serving } from "../support/engine";
import { RegistryClient, type RegistryClientOptions } from "../support/registry-client";
import { startTraffic } from "../support/traffic";

// `npm run up` that is killed again and again, with all that it has started, a little later each
// time, until one of them comes to its end.

let checkout: Checkout;
let settings: Record<string, unknown>;
let image: string;

beforeAll(async () => {
  [checkout, image] = await Promise.all([Checkout.create(), derivedImage("registry:3.1.2")]);
  settings = {
    domains: ["localhost"],
    httpsPort: await freePort(),
    bindAddress: "127.0.0.1",
    users: { alice: { access: "push" } },
  };
});

afterAll(async () => {
  await checkout.remove();
  await docker("image", "rm", image);
});

/** How many runs it took. */
async function upAgainAndAgain(stepMs: number): Promise<number> {
  for (let run = 1; ; run += 1) {
    // From the first resource that is changed.
    const { wasKilled, exitCode, output } = await checkout.runUntil(
      { words: / (creating|updating|replacing) \(/, delayMs: run * stepMs },
      "up",
    );
    if (wasKilled) continue;
    expect(exitCode, output).toBe(0);
    return run;
  }
}

/** Exactly what one deployment has on the engine, which a further `up` leaves as it is. */
async function expectConverged(): Promise<void> {
  const filter = ["--quiet", "--filter", `label=private-registry=${checkout.installation}`];
  const ids = async (kind: string) =>
    (await docker(kind, "ls", ...filter, ...(kind === "container" ? ["--all"] : []))).split("\n");
  expect(await ids("container")).toHaveLength(2);
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
    await checkout.configure({ ...settings, images: { registry: image } });
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
