import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pLimit from "p-limit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { checkout } from "../../scripts/paths";
import { images, readPins } from "../../scripts/pins";
import { Progress } from "../../scripts/progress";
import { readProjectFile, readSettings } from "../../scripts/pulumi/project";
import { lastLines, runLogged } from "../../scripts/run";
import { isDebianFamily } from "../../scripts/setup/debian-packages";
import { parseMirror } from "../../toolchain/debian";
import { hashOf, obtain, partFolder, type Part, type PartStore, renew } from "../../toolchain/part";
import { describeParts } from "../../toolchain/parts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "set-up-test-"))));
afterEach(() => rmSync(folder, { recursive: true }));

describe("a part of the toolchain", () => {
  const silent = new Progress({ write: () => true });
  const newStore = (): PartStore => ({
    cacheFolder: join(folder, "cache"),
    logFolder: join(folder, "logs"),
    progress: silent,
    limit: pLimit(2),
    inHand: new Map(),
  });

  function part(build: Part["build"]): Part {
    return {
      name: "tool",
      title: "tool: building",
      usually: "1 s",
      sources: [],
      recipe: ["1"],
      build,
    };
  }

  test("is made once, for all of one run and for several runs at the same time", async () => {
    let builds = 0;
    const slow = part(async ({ folder: into }) => {
      builds += 1;
      await new Promise((resolve) => setTimeout(resolve, 200));
      writeFileSync(join(into, "binary"), "done");
    });
    const [one, other] = [newStore(), newStore()];
    const folders = await Promise.all([obtain(slow, one), obtain(slow, one), obtain(slow, other)]);
    expect(new Set(folders).size).toBe(1);
    expect(readFileSync(join(folders[0], "binary"), "utf8")).toBe("done");
    await obtain(slow, newStore());
    expect(builds).toBe(1);
  });

  test("is not taken for made after a build that failed or was interrupted", async () => {
    const store = newStore();
    const broken = part(({ folder: into }) => {
      writeFileSync(join(into, "half"), "");
      return Promise.reject(new Error("interrupted"));
    });
    await expect(obtain(broken, store)).rejects.toThrow("interrupted");
    expect(existsSync(partFolder(broken, store.cacheFolder))).toBe(false);

    const whole = part(({ folder: into }) => {
      writeFileSync(join(into, "binary"), "");
      return Promise.resolve();
    });
    const made = await obtain(whole, newStore());
    expect(existsSync(join(made, "binary"))).toBe(true);
    expect(existsSync(join(made, "half"))).toBe(false);
  });

  test("is made anew when that is asked for, and stays whole if that fails", async () => {
    let builds = 0;
    const counted = part(({ folder: into }) => {
      builds += 1;
      writeFileSync(join(into, "binary"), String(builds));
      return builds === 2 ? Promise.reject(new Error("interrupted")) : Promise.resolve();
    });
    const made = await obtain(counted, newStore());
    await expect(renew(counted, newStore())).rejects.toThrow("interrupted");
    expect(readFileSync(join(made, "binary"), "utf8")).toBe("1");
    expect(await renew(counted, newStore())).toBe(made);
    expect(readFileSync(join(made, "binary"), "utf8")).toBe("3");
    await obtain(counted, newStore());
    expect(builds).toBe(3);
  });

  test("is another one when its sources, their names or its recipe change, not its tests", () => {
    const source = join(folder, "source");
    mkdirSync(source);
    writeFileSync(join(source, "main.go"), "package main");
    const identity = (recipe = ["1.0.0"]) => hashOf({ sources: [source], recipe });
    const first = identity();
    writeFileSync(join(source, "main_test.go"), "package main");
    writeFileSync(join(source, "README.md"), "# Tool");
    expect(identity()).toBe(first);
    expect(identity(["1.0.1"])).not.toBe(first);
    writeFileSync(join(source, "main.go"), "package tool");
    expect(identity()).not.toBe(first);
  });
});

describe("the pins", () => {
  test("are the exact versions in package.json", () => {
    expect(readPins(checkout).pulumi).toMatch(/^\d+\.\d+\.\d+$/);
    const loose = { "@pulumi/pulumi": "^3.0.0" };
    writeFileSync(join(folder, "package.json"), JSON.stringify({ dependencies: loose }));
    expect(() => readPins(folder)).toThrow("expected an exact version");
  });

  test("agree with the Go modules that the CLI and the registry are built from", () => {
    const required = (module: string) =>
      readFileSync(join(checkout, "toolchain", module, "go.mod"), "utf8");
    const version = `v${readPins(checkout).pulumi}`;
    expect(required("cli")).toContain(`github.com/pulumi/pulumi/pkg/v3 ${version}\n`);
    const registry = `v${images.registry.split(":")[1] ?? ""}`;
    expect(required("registry")).toContain(`github.com/distribution/distribution/v3 ${registry}`);
  });

  test("give every part an identity of its own", () => {
    const parts = Object.values(
      describeParts(join(checkout, "toolchain"), readPins(checkout), images),
    );
    expect(new Set(parts.map((part: Part) => part.name)).size).toBe(parts.length);
    expect(new Set(parts.map((part: Part) => hashOf(part))).size).toBe(parts.length);
  });
});

describe("what is read before a deployment", () => {
  test("is the stack's setting before the default of Pulumi.yaml", () => {
    writeFileSync(
      join(folder, "Pulumi.yaml"),
      "name: hub\nruntime: nodejs\nbackend:\n  url: file://~\nconfig:\n  httpsPort:\n    default: 443\n",
    );
    writeFileSync(
      join(folder, "Pulumi.prod.yaml"),
      `encryptionsalt: v1:x
config:
  private-registry:httpsPort: "8443"
  private-registry:dockerHost: ssh://ops@hub
  private-registry:images:
    nginx: mirror/nginx:1.30
`,
    );
    const project = readProjectFile(folder);
    expect(project).toMatchObject({ name: "hub", backendUrl: "file://~" });
    expect(readSettings(project, "prod")).toEqual({
      stackHasSalt: true,
      dockerHost: "ssh://ops@hub",
      isEngineKnown: true,
      httpsPort: 8443,
      bindAddress: "0.0.0.0",
      images: { registry: undefined, nginx: "mirror/nginx:1.30" },
      domains: undefined,
      users: [],
      clients: [],
      plainSecrets: [],
    });
    const others = { httpsPort: 443, stackHasSalt: false, isEngineKnown: true };
    expect(readSettings(project, "other")).toMatchObject(others);
  });

  test("tell which secrets are stored as plain text, whatever is encrypted beside them", () => {
    writeFileSync(join(folder, "Pulumi.yaml"), "name: hub\nruntime: nodejs\n");
    writeFileSync(
      join(folder, "Pulumi.dev.yaml"),
      stringify({
        config: {
          "private-registry:users": {
            a: { password: { secure: "v1:x" } },
            b: { password: "x", access: "pull" },
            "c.d": { password: 5 },
          },
          "private-registry:clients": '{"web1":{"host":"h","proxy":{"password":"x"}}}',
          "private-registry:ownCertificate": { secure: "v1:x" },
          "other:users": { e: { password: "x" } },
        },
      }),
    );
    expect(readSettings(readProjectFile(folder), "dev").plainSecrets).toEqual([
      ["users", "b", "password"],
      ["users", "c.d", "password"],
      ["clients", "web1", "proxy", "password"],
    ]);
  });

  const junk = ["70000", "abc", "5443.5", "-1", '""', "[1]", "{a: b}", "true", "{secure: v1:x}"];
  test.each(junk)(
    "never fails on settings that are none, which the program reports: %s",
    (value) => {
      const keys = [
        "httpsPort",
        "bindAddress",
        "dockerHost",
        "images",
        "domains",
        "users",
        "clients",
      ];
      const lines = keys.map((key) => `  private-registry:${key}: ${value}\n`);
      writeFileSync(join(folder, "Pulumi.yaml"), "name: hub\nruntime: nodejs\n");
      writeFileSync(join(folder, "Pulumi.dev.yaml"), `config:\n${lines.join("")}`);
      const settings = readSettings(readProjectFile(folder), "dev");
      expect(settings.isEngineKnown).toBe(value === '""');
      expect(settings.images).toEqual({ registry: undefined, nginx: undefined });
    },
  );

  test("may lie in a folder of its own", () => {
    writeFileSync(join(folder, "Pulumi.yaml"), "name: hub\nstackConfigDir: stacks\n");
    mkdirSync(join(folder, "stacks"));
    const settings = "config:\n  private-registry:httpsPort: 8443\n";
    writeFileSync(join(folder, "stacks", "Pulumi.dev.yaml"), settings);
    expect(readSettings(readProjectFile(folder), "dev").httpsPort).toBe(8443);
  });
});

describe("a command with a log", () => {
  test("fails with the log's last lines and its place, and leaves the whole in it", async () => {
    const log = join(folder, "logs", "step.log");
    const failing = { file: "sh", args: ["-c", "echo first; echo last >&2; exit 3"], log };
    await expect(runLogged(failing)).rejects.toMatchObject({
      message: "sh -c: exit code 3; its last words:",
      mend: expect.arrayContaining(["| last", expect.stringContaining("step.log")]) as string[],
    });
    expect(readFileSync(log, "utf8")).toContain("first");
  });

  test("is ended when it takes longer than it may", async () => {
    const log = join(folder, "step.log");
    const endless = { file: "sleep", args: ["30"], log, timeoutSeconds: 0.2 };
    await expect(runLogged(endless)).rejects.toThrow("no end within the time it may take");
  });

  test("shows no empty lines", () => {
    expect(lastLines("a\n\nb\n  \nc\n", 2)).toEqual(["b", "c"]);
  });
});

describe("Debian", () => {
  test("is known with its children", () => {
    expect(isDebianFamily('ID=debian\nVERSION_ID="12"')).toBe(true);
    expect(isDebianFamily("ID=ubuntu\nID_LIKE=debian")).toBe(true);
    expect(isDebianFamily('ID=linuxmint\nID_LIKE="ubuntu debian"')).toBe(true);
    expect(isDebianFamily('ID="rocky"\nID_LIKE="rhel centos fedora"')).toBe(false);
  });

  test("gives its main archive, not its security updates and no others", () => {
    const targets = [
      "Debian|Debian-Security|http://mirror.example/debian-security/",
      "Node Source|Node Source|https://node.example/",
      "Debian|Debian|http://mirror.example/debian/",
    ].join("\n");
    expect(parseMirror(targets)).toBe("http://mirror.example/debian/");
    expect(parseMirror("Ubuntu|Ubuntu|http://mirror.example/ubuntu/")).toBeUndefined();
  });
});
