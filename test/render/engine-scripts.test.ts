import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import * as scripts from "../../components/render/engine-scripts";

const texts = Object.entries(scripts).filter((entry): entry is [string, string] =>
  entry[0].endsWith("Script"),
);

describe.each(texts)("%s", (_, script) => {
  it.each(["dash", "bash", "busybox"])("is understood by %s", (shell) => {
    const command = shell === "busybox" ? ["busybox", "sh", "-n"] : [shell, "-n"];
    const parsed = spawnSync(command[0] ?? "", command.slice(1), {
      input: script,
      encoding: "utf8",
    });
    expect(parsed.error).toBeUndefined();
    expect(parsed.stderr).toBe("");
    expect(parsed.status).toBe(0);
  });

  it("passes shellcheck", () => {
    // The scripts inside scripts are single-quoted on purpose (SC2016), and checked by themselves;
    // their variables come in the environment (SC2154).
    const checked = spawnSync("shellcheck", ["-s", "sh", "-e", "SC2016,SC2154", "-"], {
      input: script,
      encoding: "utf8",
    });
    expect(checked.error).toBeUndefined();
    expect(checked.stdout).toBe("");
  });
});

it("finds the scripts to check", () => {
  expect(texts.map(([name]) => name)).toContain("reloadScript");
});
