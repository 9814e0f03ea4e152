import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Watch } from "../../scripts/pulumi/watch";
import { Progress } from "../../scripts/progress";

// A CLI that waits for its provider, and both of them for nothing.
const provider = `["-e", "setTimeout(() => {}, 60_000)"], { argv0: "/bin/pulumi-resource-command" }`;
const cli = `
process.on("SIGINT", () => { console.log("SIGINT"); process.exit(); });
require("node:child_process").spawn(process.execPath, ${provider}).on("exit", (_, signal) => {
  console.log("provider " + signal);
  process.exit();
});
console.log("ready");
`;

const component = "urn:pulumi:dev::p::private-registry:index:ClientTrust::registry-web1";
const command = `${component.replace("::registry", "$command:remote:Command::registry")}-trust`;

function begun(urn: string, parent: string): string {
  const metadata = { urn, op: "update", old: null, new: { parent, custom: true } };
  return JSON.stringify({ sequence: 1, resourcePreEvent: { metadata } });
}

describe("a run that is watched", () => {
  let folder: string;
  let log: string;
  let told: string;
  const progress = () => new Progress({ write: (text) => (told += text) });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "private-registry-test-"));
    log = join(folder, "events.json");
    told = "";
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** What the CLI says until it ends. */
  async function watched(watch: Watch, write: () => void): Promise<string> {
    const running = spawn(process.execPath, ["-e", cli]);
    let said = "";
    running.stdout.on("data", (text: Buffer) => (said += text.toString()));
    await once(running.stdout, "data");
    const stop = watch.start(running, log);
    write();
    await once(running, "close");
    stop();
    return said;
  }

  it("has the operation on a client fail that takes too long, and names the client", async () => {
    const watch = new Watch(progress(), { PRIVATE_REGISTRY_CLIENT_SECONDS: "1" });
    const said = await watched(watch, () => writeFileSync(log, `${begun(command, component)}\n`));
    expect(said).toBe("ready\nprovider SIGKILL\n");
    expect(told).toMatch(/^✗ registry-web1: no answer within .* s, and no longer waited for\n$/);
    expect(watch.overdue).toEqual(new Set([command]));
    expect(watch.isStuck).toBe(false);
  });

  it("is asked to end when nothing happens any more, and what it waits for is named", async () => {
    const watch = new Watch(progress(), {}, 2);
    const said = await watched(watch, () => {
      writeFileSync(log, `${begun("urn::container", "urn::server")}\n{"a line that is not who`);
    });
    expect(said).toBe("ready\nSIGINT\n");
    expect(told).toContain(
      "nothing has happened for 2.0 s: ending the run, which waits for container",
    );
    expect(watch.isStuck).toBe(true);
  });
});
