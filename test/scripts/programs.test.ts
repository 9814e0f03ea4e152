import { execFileSync, spawnSync } from "node:child_process";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { packagesFor } from "../../scripts/setup/programs";

describe("programs of tests and measurements", () => {
  test("are found by their packages where they are not installed", () => {
    expect(packagesFor(["busybox", "ssh", "ssh-keygen"], "/nowhere")).toEqual([
      "busybox",
      "openssh-client",
    ]);
  });

  test("that a minimal machine lacks and nothing installs cannot be called by a test", async () => {
    const refusal = "crictl: a test calls it, but a minimal machine does not have it";
    expect(() => execFileSync("crictl", ["ps"])).toThrow(refusal);
    expect(() => spawnSync("crictl", ["ps"])).toThrow(refusal);
    await expect(execa("crictl", ["ps"])).rejects.toThrow(refusal);
    expect(execFileSync("sh", ["-c", "echo fine"], { encoding: "utf8" })).toBe("fine\n");
  });
});
