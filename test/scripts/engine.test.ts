import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultHost, engineAddress, isRemote } from "../../scripts/engine/address";
import { EngineApi } from "../../scripts/engine/api";
import { engineMend, remedyFor, type EngineSituation } from "../../scripts/engine/ensure";
import { portState } from "../../scripts/engine/port";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "engine-test-"))));
afterEach(() => rmSync(folder, { recursive: true }));

describe("the engine's address", () => {
  test("is Docker's own when nobody set one", () => {
    const address = engineAddress({ DOCKER_CONFIG: folder });
    expect(address).toEqual({ host: defaultHost, from: "Docker's default", isDefault: true });
  });

  test("is the stack's dockerHost before DOCKER_HOST before the context", () => {
    writeContext("web", "ssh://ops@web");
    writeFileSync(join(folder, "config.json"), JSON.stringify({ currentContext: "web" }));
    const env = { DOCKER_CONFIG: folder, DOCKER_HOST: "tcp://10.0.0.1:2375" };
    expect(engineAddress(env, "ssh://ops@hub").host).toBe("ssh://ops@hub");
    expect(engineAddress(env).host).toBe("tcp://10.0.0.1:2375");
    expect(engineAddress({ DOCKER_CONFIG: folder })).toEqual({
      host: "ssh://ops@web",
      from: "the Docker context web",
      isDefault: false,
    });
  });

  test("follows DOCKER_CONTEXT", () => {
    writeContext("lab", "unix:///run/lab.sock");
    const env = { DOCKER_CONFIG: folder, DOCKER_CONTEXT: "lab" };
    expect(engineAddress(env).host).toBe("unix:///run/lab.sock");
    expect(engineAddress({ ...env, DOCKER_CONTEXT: "default" }).host).toBe(defaultHost);
  });

  test("tells another machine from this one", () => {
    expect(isRemote("unix:///run/docker.sock")).toBe(false);
    expect(isRemote("tcp://127.0.0.1:2375")).toBe(false);
    expect(isRemote("tcp://10.0.0.1:2375")).toBe(true);
    expect(isRemote("ssh://ops@hub")).toBe(true);
  });

  function writeContext(name: string, host: string) {
    const id = createHash("sha256").update(name).digest("hex");
    const meta = join(folder, "contexts", "meta", id);
    mkdirSync(meta, { recursive: true });
    const content = { Name: name, Endpoints: { docker: { Host: host } } };
    writeFileSync(join(meta, "meta.json"), JSON.stringify(content));
  }
});

describe("an engine that does not answer", () => {
  const debianRoot: EngineSituation = {
    platform: "linux",
    isRoot: true,
    isDefault: true,
    isInstalled: false,
    canInstall: true,
    errorCode: "ENOENT",
  };
  const address = { host: "tcp://10.0.0.1:2375", from: "DOCKER_HOST", isDefault: false };

  test("is installed on Debian and Ubuntu as root, and started where it is installed", () => {
    expect(remedyFor(debianRoot)).toBe("install");
    expect(remedyFor({ ...debianRoot, isInstalled: true })).toBe("start");
  });

  test.each<[string, Partial<EngineSituation>, string]>([
    ["a plain user", { isRoot: false, isInstalled: true }, "sudo systemctl start docker"],
    ["another Linux", { canInstall: false }, "https://docs.docker.com/engine/install/"],
    ["macOS", { platform: "darwin" }, "Docker Desktop"],
    ["a socket of others", { errorCode: "EACCES" }, "usermod -aG docker"],
    ["an engine that the user named", { isDefault: false }, "DOCKER_HOST"],
  ])("is left to the user, with the mend: %s", (_who, difference, mend) => {
    const situation = { ...debianRoot, ...difference };
    expect(remedyFor(situation)).toBe("tell");
    expect(engineMend(situation, address).join("\n")).toContain(mend);
  });
});

describe("the engine's answers", () => {
  let server: Server;
  let api: EngineApi;
  beforeEach(async () => {
    const socket = join(folder, "docker.sock");
    server = createServer((request, response) => {
      const answers: Record<string, unknown> = {
        "/version": { Version: "28.1.0" },
        "/images/nginx:1.30/json": { Id: "sha256:1" },
      };
      const url = request.url ?? "";
      const answer = url.startsWith("/containers/json") ? [{ Names: ["/hub"] }] : answers[url];
      response.statusCode = answer === undefined ? 404 : 200;
      response.end(JSON.stringify(answer ?? { message: "no such image" }));
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    api = new EngineApi(`unix://${socket}`, {});
  });
  afterEach(() => void server.close());

  test("tell its version and its images", async () => {
    expect(await api.version()).toBe("28.1.0");
    expect(await api.hasImage("nginx:1.30")).toBe(true);
    expect(await api.hasImage("nginx:1.31")).toBe(false);
  });

  test("tell which container has a port that is in use", async () => {
    const busy = createServer();
    await new Promise<void>((resolve) => busy.listen(0, "127.0.0.1", resolve));
    const { port } = busy.address() as { port: number };
    expect(await portState(port, "127.0.0.1", api)).toEqual({ kind: "container", name: "hub" });
    expect(await portState(port, "127.0.0.1", undefined)).toEqual({ kind: "in use" });
    await new Promise((resolve) => busy.close(resolve));
    expect(await portState(port, "127.0.0.1", api)).toEqual({ kind: "free" });
  });

  test("are missed with the reason", async () => {
    const nobody = new EngineApi(`unix://${join(folder, "nobody.sock")}`, {});
    await expect(nobody.version()).rejects.toMatchObject({ code: "ENOENT" });
  });
});
