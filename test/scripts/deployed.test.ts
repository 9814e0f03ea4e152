import { describe, expect, it } from "vitest";
import { type Deployed, deployedObjects, troubleOf } from "../../scripts/engine/deployed";
import { requireSameEngine, withServerUndone } from "../../scripts/pulumi/repair-server";
import { addressOf } from "../../scripts/registry/ask";
import { problemOf } from "../../scripts/registry/look";

const server = "urn:pulumi:dev::p::private-registry:index:RegistryServer";

describe("what is deployed", () => {
  it("is what the state knows of on the engine, but for what is to be deleted", () => {
    const nginx = {
      urn: `${server}$docker:index/container:Container::nginx`,
      type: "docker:index/container:Container",
      id: "abc",
      outputs: {
        name: "nginx-1",
        ports: [{ external: 443, internal: 8443 }],
        networksAdvanced: [{ name: "network-1" }],
      },
    };
    const image = {
      urn: "image",
      type: "docker:index/remoteImage:RemoteImage",
      id: "sha256:1nginx:1.30",
      outputs: { imageId: "sha256:1", name: "nginx:1.30" },
    };
    const found = deployedObjects({
      resources: [{ ...nginx, delete: true }, nginx, image, { urn: "key", type: "tls:x", id: "1" }],
    });
    expect(found).toEqual([
      {
        ...{ urn: nginx.urn, kind: "container", id: "abc", name: "nginx-1" },
        ...{ networks: ["network-1"], isPublished: true, isKept: false },
      },
      {
        ...{ urn: "image", kind: "image", id: "sha256:1", name: "nginx:1.30" },
        ...{ networks: [], isPublished: false, isKept: true },
      },
    ]);
  });

  it("is nothing where there is no state", () => {
    expect(deployedObjects(undefined)).toEqual([]);
    expect(deployedObjects({})).toEqual([]);
  });
});

describe("a container", () => {
  const deployed = { kind: "container", networks: ["net"] } as unknown as Deployed;
  const inspected = (state: object, networks: object = { net: { NetworkID: "1" } }, count = 0) => ({
    RestartCount: count,
    State: { Running: true, Paused: false, Restarting: false, ExitCode: 0, ...state },
    NetworkSettings: { Networks: networks },
  });

  it("that runs on its network is well, whether the state has the name or the id", () => {
    expect(troubleOf(deployed, inspected({}))).toBeUndefined();
    const byId = { ...deployed, networks: ["1"] };
    expect(troubleOf(byId, inspected({ Health: { Status: "healthy" } }))).toBeUndefined();
  });

  it("that crashed once and is well again is well; between two crashes it is not", () => {
    const network = { net: { NetworkID: "1" } };
    const of = (Status: string) =>
      troubleOf(deployed, inspected({ Health: { Status } }, network, 3));
    expect(of("healthy")).toBeUndefined();
    expect(of("starting")).toMatchObject({ kind: "crashing" });
  });

  it.each([
    ["stopped", { Running: false, ExitCode: 137 }, undefined, "exit code 137"],
    ["paused", { Paused: true }, undefined, "paused"],
    ["crashing", { Running: false, Restarting: true, ExitCode: 1 }, undefined, "again and again"],
    ["failing", { Health: { Status: "unhealthy" } }, undefined, "unhealthy"],
    ["disconnected", {}, {}, "net"],
    ["disconnected", {}, { none: { NetworkID: "2" } }, "net"],
  ])("can be %s", (kind, state, networks, detail) => {
    const trouble = troubleOf(deployed, inspected(state, networks));
    expect(trouble).toMatchObject({ kind, detail: expect.stringContaining(detail) as string });
  });
});

describe("a server that is repaired", () => {
  it("has all its commands run again, and no client's", () => {
    const command = (urn: string, more = {}) => ({
      urn,
      type: "command:local:Command",
      inputs: { create: "x" },
      outputs: { create: "x" },
      ...more,
    });
    const apply = command(`${server}$command:local:Command::apply`);
    const old = command(`${server}$command:local:Command::old`, { delete: true });
    const here = command("urn:pulumi:dev::p::ClientTrust$command:local:Command::here");
    const state = JSON.stringify({ deployment: { resources: [apply, old, here], other: 1 } });
    expect(JSON.parse(withServerUndone(state))).toEqual({
      deployment: {
        resources: [
          { ...apply, inputs: { create: "undone since" }, outputs: { create: "undone since" } },
          old,
          here,
        ],
        other: 1,
      },
    });
  });
});

describe("the address at which the registry is asked", () => {
  const unix = "unix:///var/run/docker.sock";
  const ssh = "ssh://ops@hub.example.com:2222";
  it.each([
    [unix, "0.0.0.0", "https://hub.test:5443", { host: "127.0.0.1", port: 5443 }],
    [unix, "::", "https://hub.test", { host: "::1", port: 443 }],
    [unix, "10.0.0.5", "https://hub.test", { host: "10.0.0.5", port: 443 }],
    [ssh, "0.0.0.0", "https://[fd00::1]:5443", { host: "hub.example.com", port: 5443 }],
    [ssh, "10.0.0.5", "https://hub.test", { host: "10.0.0.5", port: 443 }],
    ["tcp://[fd00::2]:2376", "::", "https://hub.test", { host: "fd00::2", port: 443 }],
  ])("is for %s and %s and %s", (engine, bind, url, address) => {
    expect(addressOf(engine, bind, url)).toEqual(address);
  });
});

describe("what was seen of a registry", () => {
  const look = { address: "127.0.0.1:443", isElsewhere: false };
  it("is a problem at the first step that fails", () => {
    expect(problemOf({ ...look, unreachable: "ECONNREFUSED" })).toContain("127.0.0.1:443");
    const certificate = { problem: "CERT_HAS_EXPIRED", daysLeft: -3 };
    expect(problemOf({ ...look, certificate })).toContain("CERT_HAS_EXPIRED");
    expect(problemOf({ ...look, login: { problem: "401" } })).toBe("401");
    expect(problemOf({ ...look, login: {}, read: { problem: "500" } })).toBe("500");
    expect(
      problemOf({ ...look, certificate: { daysLeft: 3 }, login: {}, read: {} }),
    ).toBeUndefined();
  });
});

describe("an engine that has nothing of a stack", () => {
  const context = {
    engine: { host: "unix:///run/user/1000/docker.sock", from: "DOCKER_HOST", isDefault: false },
    npmRun: "npm run",
  };
  const one = (kind: Deployed["kind"], id: string) => ({ kind, id }) as Deployed;
  const objects = [one("container", "c1"), one("volume", "v1"), one("image", "i1")];
  const gone = (deployed: Deployed) => ({ kind: "gone" as const, deployed, detail: "" });

  it("is taken for another one, which has the state forget nothing", () => {
    const troubles = objects.map(gone);
    expect(() => {
      requireSameEngine(context, objects, troubles);
    }).toThrow(/^Nothing of this stack is on the Docker engine unix:\S+ \(from DOCKER_HOST\)\.$/);
  });

  it("is the right one if it has anything of it but images, which others have too", () => {
    requireSameEngine(context, objects, objects.slice(0, 1).map(gone));
    requireSameEngine(context, [], []);
    expect(() => {
      requireSameEngine(context, objects, objects.slice(0, 2).map(gone));
    }).toThrow();
  });
});
