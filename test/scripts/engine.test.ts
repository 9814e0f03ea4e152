import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  defaultHost,
  engineAddress,
  engineVariables,
  isRemote,
} from "../../scripts/engine/address";
import { EngineApi } from "../../scripts/engine/api";
import { engineMend, remedyFor, type EngineSituation } from "../../scripts/engine/ensure";
import type { Problem } from "../../scripts/problem";
import type { ProjectFacts } from "../../scripts/pulumi/project";
import { portMend, portState, requirePort } from "../../scripts/engine/port";

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

  test("is not the local one where a context was meant that leads nowhere", () => {
    const env = { DOCKER_CONFIG: folder, DOCKER_CONTEXT: "gone" };
    expect(() => engineAddress(env)).toThrow("Docker context gone: there is none of this name");
    writeFileSync(join(folder, "config.json"), JSON.stringify({ currentContext: "gone" }));
    expect(() => engineAddress({ DOCKER_CONFIG: folder })).toThrow("Docker context gone");
    // Docker itself does not look there either then.
    const named = { ...env, DOCKER_HOST: "unix:///run/lab.sock" };
    expect(engineAddress(named).host).toBe("unix:///run/lab.sock");
  });

  test("is what programs are led to, whatever the shell says of contexts and certificates", () => {
    const shell = { DOCKER_CONTEXT: "web", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: "/certs" };
    const led = (host: string) =>
      Object.fromEntries(
        Object.entries({ ...shell, ...engineVariables(host) }).filter(([, value]) => value),
      );
    expect(led("ssh://ops@hub")).toEqual({ DOCKER_HOST: "ssh://ops@hub" });
    expect(led("tcp://hub:2376")).toEqual({
      DOCKER_HOST: "tcp://hub:2376",
      DOCKER_TLS_VERIFY: "1",
      DOCKER_CERT_PATH: "/certs",
    });
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
      const answer = url.startsWith("/containers/json")
        ? [{ Names: ["/hub"], Labels: { "private-registry": "dev" } }]
        : answers[url];
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
    expect(await portState(port, "127.0.0.1", api)).toEqual({
      kind: "container",
      name: "hub",
      isRegistry: true,
    });
    expect(await portState(port, "127.0.0.1", undefined)).toEqual({ kind: "in use" });
    await new Promise((resolve) => busy.close(resolve));
    expect(await portState(port, "127.0.0.1", api)).toEqual({ kind: "free" });
  });

  test.each([70000, NaN, 5443.5, 0, -1])("are not asked for what is no port: %d", async (port) => {
    expect(await portState(port, "127.0.0.1", api)).toMatchObject({ kind: "unknown" });
  });

  test.each(["", "junk", "10.0.0", "localhost"])(
    "nor at what is no address: %j",
    async (address) => {
      expect(await portState(5443, address, api)).toMatchObject({ kind: "unknown" });
    },
  );

  test("of another server than an engine are called that", async () => {
    const other = createServer((_request, response) => response.end("<html>"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    const asked = new EngineApi(`tcp://127.0.0.1:${port}`, {});
    await expect(asked.version()).rejects.toThrow("what answers there is no Docker engine");
    other.close();
  });

  test("are no failure for what is no image's name", async () => {
    expect(await api.hasImage("a b\n?#/../ü")).toBe(false);
  });

  test("are missed with the reason", async () => {
    const nobody = new EngineApi(`unix://${join(folder, "nobody.sock")}`, {});
    await expect(nobody.version()).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("a port in use", () => {
  test("is mended by another one that is free, never by itself", async () => {
    expect(portMend(8443).join("\n")).toContain("config set httpsPort 5443");
    const busy = createServer();
    await new Promise<void>((resolve) => busy.listen(0, "127.0.0.1", resolve));
    const { port: httpsPort } = busy.address() as { port: number };
    const nobody = new EngineApi(`unix://${join(folder, "nobody.sock")}`, {});
    const project = { bindAddress: "127.0.0.1", httpsPort } as ProjectFacts;
    const refused = requirePort(project, nobody, "PULUMI_STACK=web npm run");
    const { mend } = (await refused.catch((error: unknown) => error)) as Problem;
    const [, advised] =
      /PULUMI_STACK=web npm run pulumi -- config set httpsPort (\d+)/.exec(mend.join("\n")) ?? [];
    const state = await portState(Number(advised), "127.0.0.1", undefined);
    await new Promise((resolve) => busy.close(resolve));
    expect(state).toEqual({ kind: "free" });
  });
});
