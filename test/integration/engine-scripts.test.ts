import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { takeOverScript } from "../../components/render/engine-scripts";
import { Deployment } from "../support/deployment";
import { createNetwork, docker, type TestNetwork } from "../support/engine";
import {
  canHideLimits,
  type Engine,
  startLimitlessEngine,
  startRemappingEngine,
} from "../support/other-engine";

describe("the port, while it moves to a new container", () => {
  const id = randomBytes(4).toString("hex");
  const [before, next] = [`private-registry-test-${id}-before`, `private-registry-test-${id}-next`];
  let network: TestNetwork;

  beforeAll(async () => {
    network = await createNetwork();
  });
  afterAll(async () => {
    await docker("rm", "--force", before, next);
    await network.remove();
  });

  const start = async (name: string, on: string) => {
    await docker(
      ...["run", "--detach", "--name", name, "--network", on, "--restart", "always"],
      ...["--entrypoint", "nginx", "nginx:1.30", "-g", "daemon off;"],
    );
  };
  const takeOver = (networkName: string) =>
    execa("sh", ["-c", takeOverScript], {
      env: { BEFORE: before, NGINX: next, NETWORK: networkName },
      reject: false,
    });
  const state = (name: string) =>
    docker("inspect", "--format", "{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}", name);

  it.each([
    ["the new one cannot leave its network", "bridge", () => network.name],
    ["the new one cannot join the network", "none", () => "private-registry-test-missing"],
  ])("goes back if %s", async (_, on, networkName) => {
    await start(before, network.name);
    await start(next, on);
    const { exitCode, stderr } = await takeOver(networkName());
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/nginx cannot have the port: .+\nThe previous one serves again\./s);
    expect(await state(before)).toBe("true always");
    expect(await state(next)).toMatch(/^false/);
    await docker("rm", "--force", before, next);
  });

  it("moves", async () => {
    await start(before, network.name);
    await start(next, "none");
    expect(await takeOver(network.name)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await state(before)).toBe("false no");
    expect(await state(next)).toBe("true always");
  });
});

describe.skipIf(!canHideLimits)("an engine that cannot limit memory and processes", () => {
  let engine: Engine;
  let deployment: Deployment;

  beforeAll(async () => {
    engine = await startLimitlessEngine();
    deployment = await Deployment.create();
  });
  afterAll(async () => {
    await deployment.remove();
    await engine.stop();
  });

  it("is warned of, and asked for neither", async () => {
    const { output } = await deployment.up({
      dockerHost: engine.host,
      domains: ["registry.test"],
      users: { admin: {} },
    });
    expect(output).toContain("The engine cannot limit memory");
    expect(output).toContain("The engine cannot limit processes");
  });

  it("is left alone by a second up, also after a refresh, which does not warn again", async () => {
    const { changes, output } = await deployment.up();
    expect(Object.keys(changes)).toEqual(["same"]);
    expect(output).not.toContain("cannot limit");
    await deployment.refresh();
    expect(Object.keys((await deployment.up()).changes)).toEqual(["same"]);
  });
});

describe("an engine that maps users to others", () => {
  let engine: Engine;
  let deployment: Deployment;
  let folder: string;

  beforeAll(async () => {
    engine = await startRemappingEngine();
    deployment = await Deployment.create();
    folder = await mkdtemp(join(tmpdir(), "private-registry-test-data-"));
    await chmod(folder, 0o755);
  });
  afterAll(async () => {
    await deployment.remove();
    await engine.stop();
    await rm(folder, { recursive: true });
  });

  const settings = () => ({
    dockerHost: engine.host,
    dataPath: folder,
    domains: ["registry.test"],
    users: { admin: {} },
  });

  it("is told of with the owner that the folder of the images needs", async () => {
    expect(await deployment.failingUp(settings())).toContain(
      `mkdir -p '${folder}/docker' && chown -R 110001:110001 '${folder}/docker'`,
    );
    expect((await stat(folder)).uid).toBe(0);
  });

  it("keeps the images there once it has that owner", async () => {
    const line = `mkdir -p '${folder}/docker' && chown -R 110001:110001 '${folder}/docker'`;
    await execa("sh", ["-c", line]);
    await deployment.up(settings());
    expect((await stat(folder)).uid).toBe(0);
    expect((await stat(join(folder, "docker"))).uid).toBe(110001);
    expect(Object.keys((await deployment.up()).changes)).toEqual(["same"]);
  });
});
