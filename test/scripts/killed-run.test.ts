import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readLocks, readState } from "../../scripts/pulumi/killed-run";

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
    expect(readLocks(folder, () => false)).toEqual({ killed: [11], isHeld: false });
  });

  it("is held while its process runs", () => {
    lock(12, hostname());
    expect(readLocks(folder, (pid) => pid === 12)).toEqual({ killed: [], isHeld: true });
  });

  it("of another machine counts as held: nobody here knows whether its process runs", () => {
    lock(11, "elsewhere");
    expect(readLocks(folder, () => false)).toEqual({ killed: [], isHeld: true });
  });

  it("is not there before the first deployment", () => {
    expect(readLocks(join(folder, "missing"), () => false)).toEqual({ killed: [], isHeld: false });
  });
});

describe("a state", () => {
  const resources = [
    { type: "pulumi:pulumi:Stack" },
    { type: "docker:index/container:Container", id: "c1" },
    { type: "docker:index/volume:Volume", id: "v1" },
    { type: "command:local:Command", id: "l1" },
  ];
  const state = (latest: unknown) => JSON.stringify({ version: 3, checkpoint: { latest } });

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
