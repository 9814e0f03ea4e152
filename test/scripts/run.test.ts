import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readContext } from "../../scripts/context";
import { isInterrupted, runPulumi } from "../../scripts/pulumi/run";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "private-registry-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs these lines of shell as the CLI, with Ctrl-C meanwhile. */
async function run(lines: string, { interrupt = false, env = {} } = {}): Promise<number> {
  const program = join(folder, "pulumi");
  writeFileSync(program, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  const context = readContext();
  const cli = { program, folders: [], version: "3.256.0", origin: "" };
  const running = runPulumi({ ...context, env: { ...context.env, ...env } }, cli, []);
  if (interrupt) process.emit("SIGINT");
  return running;
}

describe("the exit code of a run", () => {
  it("is the CLI's own", async () => {
    expect(await run("exit 3")).toBe(3);
    expect(isInterrupted(3)).toBe(false);
  });

  it("tells that somebody ended it, which the CLI's own does not", async () => {
    const code = await run("exit 1", { interrupt: true });
    expect(code).toBe(130);
    expect(isInterrupted(code)).toBe(true);
  });

  it("is 0 of one that was done all the same", async () => {
    expect(await run("exit 0", { interrupt: true })).toBe(0);
  });

  it("tells of the signal that killed the CLI", async () => {
    expect(await run("kill -KILL $$")).toBe(137);
  });
});

describe("what runs side by side", () => {
  const tell = 'exit "$PULUMI_PARALLEL"';

  it("is no more than one bastion lets log in at the same time", async () => {
    expect(await run(tell, { env: { PULUMI_PARALLEL: undefined } })).toBe(10);
  });

  it("is what the user wants", async () => {
    expect(await run(tell, { env: { PULUMI_PARALLEL: "3" } })).toBe(3);
  });
});
