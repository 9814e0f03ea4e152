import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkNginxFilesScript } from "../../components/render/engine-scripts";

// Run as the publishing runs it, with an nginx that accepts everything.

let folder: string;
const now = () => Math.floor(Date.now() / 1000);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "private-registry-check-"));
  writeFileSync(join(folder, "nginx"), "#!/bin/sh\n");
  chmodSync(join(folder, "nginx"), 0o755);
  generation("old", { names: "hub.test", certificate: "old", since: 0 });
  symlinkSync("old", join(folder, "current"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function generation(
  name: string,
  files: { names: string; certificate: string; since: number },
): void {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, "tls.names"), files.names);
  writeFileSync(join(folder, name, "tls.crt"), files.certificate);
  writeFileSync(join(folder, name, "tls.since"), String(files.since));
}

function check(slowSeconds: number) {
  const began = Date.now();
  const { status, stdout, stderr } = spawnSync("sh", ["-c", checkNginxFilesScript], {
    cwd: join(folder, "new"),
    encoding: "utf8",
    env: {
      PATH: `${folder}:${process.env.PATH ?? ""}`,
      PRIVATE_REGISTRY_SLOW_CLOCK_SECONDS: String(slowSeconds),
    },
  });
  return { status, stdout, stderr, seconds: (Date.now() - began) / 1000 };
}

describe("a new certificate for the same names", () => {
  it("waits until it is old enough", () => {
    generation("new", { names: "hub.test", certificate: "new", since: now() });
    const { status, stdout, seconds } = check(2);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^The new certificate is put into service in [12] s/);
    expect(seconds).toBeGreaterThan(0.9);
  });

  it("does not wait for a Docker host whose clock is a day behind, and names the clock", () => {
    generation("new", { names: "hub.test", certificate: "new", since: now() + 86_400 });
    const { status, stderr, seconds } = check(90);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^The clock of the Docker host is 8\d{4} s behind/);
    expect(seconds).toBeLessThan(5);
  });
});

it.each([
  ["for other names", { names: "hub.test\nother.test", certificate: "new" }],
  ["that is in force", { names: "hub.test", certificate: "old" }],
])("a certificate %s does not wait", (_, files) => {
  generation("new", { ...files, since: now() });
  expect(check(90)).toMatchObject({ status: 0, stdout: "" });
});
