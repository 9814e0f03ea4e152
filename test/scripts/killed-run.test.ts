import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  isRunningPulumi,
  leftOver,
  readLocks,
  readObject,
  readState,
} from "../../scripts/pulumi/killed-run";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "private-registry-locks-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function lock(pid: number, host: string): void {
  writeFileSync(join(folder, `${pid}.json`), JSON.stringify({ pid, hostname: host }));
  writeFileSync(join(folder, `${pid}.json.attrs`), "{}");
}

describe("a lock", () => {
  it("is left over when its process on this machine is gone", () => {
    lock(11, hostname());
    expect(readLocks(folder, () => false)).toEqual({ killed: ["process 11"], holders: [] });
  });

  it("is held while its process runs", () => {
    lock(12, hostname());
    expect(readLocks(folder, (pid) => pid === 12)).toEqual({
      killed: [],
      holders: [`somebody on ${hostname()}, process 12`],
    });
  });

  it("of another machine counts as held: nobody here knows whether its process runs", () => {
    const [pid, since] = [process.pid, "2026-11-26T13:00:00.123Z"];
    const held = { pid, hostname: "elsewhere", username: "ops", timestamp: since };
    writeFileSync(join(folder, "1.json"), JSON.stringify(held));
    expect(readLocks(folder, () => false)).toEqual({
      killed: [],
      holders: [`ops on elsewhere, process ${pid}, since 2026-11-26 13:00:00`],
    });
  });

  it("with the process id of this run is left over: containers count them from 1 again", () => {
    lock(process.pid, hostname());
    expect(readLocks(folder, isRunningPulumi).killed).toEqual([`process ${process.pid}`]);
  });

  it.each(["", "{", "[]", "\0\0\0", '{"pid":"x"}'])(
    "that a power cut has left is left over: %j",
    (text) => {
      writeFileSync(join(folder, "1.json"), text);
      expect(readLocks(folder, () => true)).toEqual({
        killed: ["its lock is broken"],
        holders: [],
      });
    },
  );

  it("is not there before the first deployment", () => {
    expect(readLocks(join(folder, "missing"), () => false)).toEqual({ killed: [], holders: [] });
  });
});

describe("a state", () => {
  const urn = (name: string) => `urn:pulumi:dev::private-registry::type::${name}`;
  const volume = "docker:index/volume:Volume";
  const resources = [
    { urn: urn("stack"), type: "pulumi:pulumi:Stack" },
    { urn: urn("nginx"), type: "docker:index/container:Container", id: "c1" },
    { urn: urn("server-sockets"), type: volume, id: "v1" },
    { urn: urn("server-data"), type: volume, id: "images" },
    { urn: urn("command"), type: "command:local:Command", id: "l1" },
    {
      urn: urn("server-id"),
      type: "random:index/randomId:RandomId",
      id: "r1",
      outputs: { hex: "private-registry-dev-registry-0123456789abcdef" },
    },
  ];
  const state = (latest: unknown) => {
    const file = join(folder, "dev.json");
    writeFileSync(file, JSON.stringify({ version: 3, checkpoint: { latest } }));
    return file;
  };
  const facts = () => readState(state({ resources }));

  it("tells the engine's objects that it knows, and whose they are", () => {
    expect(facts()).toEqual({
      known: ["c1", "v1", "images"],
      ownVolumes: ["v1"],
      installations: ["0123456789abcdef"],
      isPending: false,
    });
  });

  it("tells that something was being done when the run was killed", () => {
    const creating = { type: "creating", resource: {} };
    expect(readState(state({ pending_operations: [creating] })).isPending).toBe(true);
    expect(readState(state({ pending_operations: [] })).isPending).toBe(false);
  });

  it("may be empty", () => {
    const nothing = { known: [], ownVolumes: [], installations: [], isPending: false };
    expect(readState(state(null))).toEqual(nothing);
  });

  const object = (id: string, installation: string, ...mounts: string[]) => ({
    ...{ id, installation, mounts },
  });

  it("has left over what it made and does not know", () => {
    const ours = object("c2", "0123456789abcdef", "images", "v1");
    expect(leftOver([object("c1", "0123456789abcdef", "v1"), ours], facts())).toEqual(["c2"]);
    expect(leftOver([object("old", "", "images", "v1")], facts())).toEqual(["old"]);
  });

  it("never takes another installation's for its own, which may share the images", () => {
    const others = [
      object("c3", "fedcba9876543210", "images", "v9"),
      object("c4", "", "images", "v9"),
      object("network", ""),
    ];
    expect(leftOver(others, facts())).toEqual([]);
  });

  it("is compared with what docker lists", () => {
    const labels = "a=b,private-registry.id=0123,private-registry=name";
    const container = { ID: "c1", Names: "nginx", Labels: labels, Mounts: "v1,images" };
    expect(readObject(JSON.stringify(container))).toEqual(object("c1", "0123", "v1", "images"));
    const volume = { Name: "v1", Labels: "private-registry=name" };
    expect(readObject(JSON.stringify(volume))).toEqual(object("v1", "", ""));
  });
});
