import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { deadLocks, readState } from "../../scripts/pulumi/killed-run";

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
  it("is dead when its process on this machine is gone", () => {
    lock(11, hostname());
    lock(12, hostname());
    expect(deadLocks(folder, (pid) => pid === 12)).toEqual([11]);
  });

  it("of another machine is left alone: nobody here knows whether its process runs", () => {
    lock(11, "elsewhere");
    expect(deadLocks(folder, () => false)).toEqual([]);
  });

  it("is not there before the first deployment", () => {
    expect(deadLocks(join(folder, "missing"), () => false)).toEqual([]);
  });
});

describe("a state", () => {
  const resources = [
    { type: "pulumi:pulumi:Stack" },
    { type: "docker:index/container:Container", id: "c1" },
    { type: "docker:index/volume:Volume", id: "v1" },
  ];
  const state = (latest: unknown) => JSON.stringify({ version: 3, checkpoint: { latest } });

  it("tells the containers that it knows", () => {
    expect(readState(state({ resources }))).toEqual({ containers: ["c1"], pendingCreation: false });
  });

  it("tells that something was being created when the run was killed", () => {
    const creating = { type: "creating", resource: {} };
    expect(readState(state({ pending_operations: [creating] })).pendingCreation).toBe(true);
    const updating = { type: "updating", resource: {} };
    expect(readState(state({ pending_operations: [updating] })).pendingCreation).toBe(false);
  });

  it("may be empty", () => {
    expect(readState(state(null))).toEqual({ containers: [], pendingCreation: false });
  });
});
