import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { forgetIn } from "../../scripts/pulumi/history";
import { stateFile } from "../../scripts/pulumi/stack";

describe("the states of before", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "history-test-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function write(file: string, text: string) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  test("go, of this stack, but for the last entry of the history and a copy of the state", () => {
    const state = stateFile(folder, "hub", "dev");
    write(state, "now");
    write(`${state}.bak`, "before");
    const kept = (kind: string, name: string) => join(folder, "state/.pulumi", kind, "hub", name);
    for (const time of ["1795716597461001670", "1795716763668037627"]) {
      write(kept("backups", `dev/dev.${time}.json`), "before");
      write(kept("history", `dev/dev-${time}.checkpoint.json`), time);
      write(kept("history", `dev/dev-${time}.history.json`), time);
    }
    write(kept("history", "dev-2/dev-2-1.history.json"), "another stack's");
    write(kept("backups", "dev-2/dev-2.1.json"), "another stack's");

    forgetIn(folder, "hub", "dev");
    expect(readFileSync(`${state}.bak`, "utf8")).toBe("now");
    expect(existsSync(kept("backups", "dev"))).toBe(false);
    expect(readdirSync(kept("history", "dev")).sort()).toEqual([
      "dev-1795716763668037627.checkpoint.json",
      "dev-1795716763668037627.history.json",
    ]);
    expect(existsSync(kept("history", "dev-2/dev-2-1.history.json"))).toBe(true);
    expect(existsSync(kept("backups", "dev-2/dev-2.1.json"))).toBe(true);
  });

  test("need not be there", () => {
    expect(() => forgetIn(folder, "hub", "dev")).not.toThrow();
    write(stateFile(folder, "hub", "dev"), "now");
    forgetIn(folder, "hub", "dev");
    expect(readFileSync(`${stateFile(folder, "hub", "dev")}.bak`, "utf8")).toBe("now");
  });
});
