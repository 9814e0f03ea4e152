import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isRunningPulumi, readLocks, readState } from "../../scripts/pulumi/killed-run";

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
  const resources = [
    { type: "pulumi:pulumi:Stack" },
    { type: "docker:index/container:Container", id: "c1" },
    { type: "docker:index/volume:Volume", id: "v1" },
    { type: "command:local:Command", id: "l1" },
  ];
  const state = (latest: unknown) => {
    const file = join(folder, "dev.json");
    writeFileSync(file, JSON.stringify({ version: 3, checkpoint: { latest } }));
    return file;
  };

  it("tells the engine's objects that it knows", () => {
    expect(readState(state({ resources }))).toEqual({ known: ["c1", "v1"], isPending: false });
  });

  it("tells that something was being done when the run was killed", () => {
    const creating = { type: "creating", resource: {} };
    expect(readState(state({ pending_operations: [creating] })).isPending).toBe(true);
    expect(readState(state({ pending_operations: [] })).isPending).toBe(false);
  });

  it("may be empty", () => {
    expect(readState(state(null))).toEqual({ known: [], isPending: false });
  });
});
