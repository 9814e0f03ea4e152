import { execFileSync, spawnSync } from "node:child_process";
import { execa } from "execa";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkout } from "../../scripts/paths";
import { benchPrograms, packagesFor } from "../../scripts/setup/programs";
import { allowed, programsIn } from "../support/programs";

/** What Debian's set-up calls after it has looked for it, or installed it. */
const setUpPrograms = ["dpkg-deb", "dpkg-query", "mmdebstrap", "systemctl"];

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

  test("are looked for in lines of shell, too", () => {
    const line = "umount /a /b && A=1 ip link set lo up && exec crictl ps | cat; echo 'x'";
    expect(programsIn(line)).toEqual(["umount", "ip", "crictl", "cat"]);
    const refusal = "crictl: a test calls it";
    expect(() => execFileSync("sh", ["-c", "true && crictl ps"])).toThrow(refusal);
    expect(() => spawnSync("unshare", ["--net", "sh", "-c", "exec crictl"])).toThrow(refusal);
  });

  test("that the scripts, the builds and the measurements call are all known", () => {
    const known = new Set([...allowed, ...benchPrograms, ...setUpPrograms]);
    const called = ["scripts", "toolchain", "bench", "test/support"].flatMap((folder) =>
      readdirSync(join(checkout, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts"))
        .flatMap((name) => {
          const source = readFileSync(join(checkout, folder, name), "utf8");
          const calls = source.matchAll(
            /(?:\b(?:execa|spawn)\(\s*|\bfile: |runBeside\([^[;]*\[\s*(?:\.\.\.\[)?)"([^"]+)"/g,
          );
          return [...calls].map(([, program = ""]) => program);
        }),
    );
    expect(called).toEqual(expect.arrayContaining(["curl", "docker", "apt-get"]));
    expect([...new Set(called)].filter((program) => !known.has(program))).toEqual([]);
  });
});
