import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pluginFolder, pluginState, stampPlugin } from "../../scripts/pulumi/plugins";

const plugin = { name: "command", version: "1.2.1" } as const;

describe("a provider plugin", () => {
  let home: string;
  let binary: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "plugins-test-"));
    binary = join(pluginFolder(plugin, home), "pulumi-resource-command");
  });
  afterEach(() => rmSync(home, { recursive: true }));

  function put(file: string, content: string) {
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, 0o755);
  }

  test("is missing until it is there and may be run", () => {
    expect(pluginState(plugin, home, "", "h1")).toEqual({ kind: "missing" });
    put(binary, "#!");
    chmodSync(binary, 0o644);
    expect(pluginState(plugin, home, "", "h1")).toEqual({ kind: "missing" });
  });

  test("is missing while an installation of it was not finished", () => {
    put(binary, "#!");
    writeFileSync(`${pluginFolder(plugin, home)}.partial`, "");
    expect(pluginState(plugin, home, "", "h1")).toEqual({ kind: "missing" });
  });

  test("on PATH is used before an installed one", () => {
    put(binary, "#!");
    put(join(home, "bin", "pulumi-resource-command"), "#!");
    expect(pluginState(plugin, home, `/nowhere:${join(home, "bin")}`, "h1")).toEqual({
      kind: "on PATH",
      file: join(home, "bin", "pulumi-resource-command"),
    });
  });

  test("without our stamp is theirs, such as Pulumi's own", () => {
    put(binary, "official");
    expect(pluginState(plugin, home, "", "h1")).toEqual({ kind: "theirs", file: binary });
  });

  test("of ours is outdated once its sources change", () => {
    put(binary, "ours");
    stampPlugin(plugin, home, "h1");
    expect(pluginState(plugin, home, "", "h1").kind).toBe("ours");
    expect(pluginState(plugin, home, "", "h2").kind).toBe("outdated");
  });

  test("that somebody put in the place of ours is theirs, and is never replaced", () => {
    put(binary, "ours");
    stampPlugin(plugin, home, "h1");
    put(binary, "official");
    expect(pluginState(plugin, home, "", "h2").kind).toBe("theirs");

    put(binary, "ours");
    stampPlugin(plugin, home, "h1");
    put(binary, "swap"); // of the same size, so only its time tells
    utimesSync(binary, new Date(), new Date(Date.now() - 60_000));
    expect(pluginState(plugin, home, "", "h1").kind).toBe("theirs");
  });
});
