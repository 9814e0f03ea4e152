/** What a user's shell, another run or a crash leaves there is no stack trace, and no other stack's end. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Checkout } from "../support/checkout";
import { freePort } from "../support/engine";
import { hostileVariables } from "../support/hostile-environment";

let checkout: Checkout;
beforeAll(async () => {
  checkout = await Checkout.create();
});
afterAll(() => checkout.remove());

/** A shell that names no stack. */
const plain = { PULUMI_STACK: undefined };
const pulumi = (shell: NodeJS.ProcessEnv, ...args: string[]) =>
  checkout.runIn({ ...plain, ...shell }, "pulumi", ...args);
const selected = async (shell: NodeJS.ProcessEnv = {}) => {
  const { output } = await pulumi(shell, "stack", "--show-name");
  return output.trim().split("\n").at(-1);
};

describe("the selected stack", () => {
  it("is the default where nothing is selected, also for Pulumi itself", async () => {
    expect(await selected()).toBe("dev");
    const [file = ""] = await readdir(join(checkout.folder, "home/workspaces"));
    const workspace = await readFile(join(checkout.folder, "home/workspaces", file), "utf8");
    expect(workspace).toContain('"organization/private-registry/dev"');
  });

  it("stays selected when PULUMI_STACK or --stack names another", async () => {
    const first = await pulumi({ PULUMI_STACK: "one" }, "config", "set", "httpsPort", "1443");
    expect(first.output).toContain("stack one: creating it");
    expect(await selected()).toBe("dev");
    await pulumi({}, "config", "set", "httpsPort", "2443", "--stack", "two");
    expect(await selected()).toBe("dev");
    expect(await readFile(join(checkout.folder, "Pulumi.two.yaml"), "utf8")).toContain("2443");
  });

  it("is the one of stack select, whatever becomes of others", async () => {
    expect((await pulumi({}, "stack", "select", "one")).exitCode).toBe(0);
    expect(await selected()).toBe("one");
    expect((await pulumi({}, "stack", "rm", "two", "--yes")).exitCode).toBe(0);
    expect(await selected()).toBe("one");
  });

  it("is the same below a symbolic link, whichever way it was selected", async () => {
    const link = join(checkout.folder, "home/link");
    await symlink(checkout.folder, link);
    expect(await selected({ PWD: link })).toBe("one");
    await pulumi({ PWD: link }, "stack", "select", "dev");
    expect(await selected({ PWD: link })).toBe("dev");
    expect(await selected({ PWD: join(link, "components") })).toBe("dev");
    expect(await selected()).toBe("dev");
  });

  it("is not guessed where what remembers it is broken", async () => {
    const folder = join(checkout.folder, "home/workspaces");
    const files = (await readdir(folder)).map((name) => join(folder, name));
    for (const file of files) await writeFile(file, "");
    const { exitCode, output } = await checkout.runIn(plain, "down");
    expect(exitCode).toBe(1);
    expect(output).toMatch(/workspace\.json: is empty/);
    expect(output).toContain("npm run pulumi -- stack select NAME");
    for (const file of files) await rm(file);
  });
});

describe("a private key as a value that begins like a flag", () => {
  it("is not shown", async () => {
    const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2";
    const { exitCode, output } = await pulumi({}, "config", "set", "x", key);
    expect(exitCode).toBe(1);
    expect(output).toContain("npm run pulumi -- config set --secret x < FILE");
    expect(output).not.toContain("hunter2");
  });
});

describe("npm run up", () => {
  it("tells all that is wrong with the settings at once, whichever of them it reads itself", async () => {
    const settings = { httpsPort: 70000, bindAddress: "junk", dockerHost: "abc", domains: 5 };
    await checkout.configure({ ...settings, images: { registry: "a b" } });
    const { exitCode, output } = await checkout.run("up");
    expect(exitCode).not.toBe(0);
    expect(output).toContain("5 problems in the configuration");
    expect(output).toContain("config set private-registry:httpsPort");
    expect(output).not.toContain("    at ");
  });

  const state = () =>
    join(checkout.folder, `.private-registry/state/.pulumi/stacks/private-registry`);
  const locks = () =>
    join(
      checkout.folder,
      `.private-registry/state/.pulumi/locks/organization/private-registry/${checkout.stackName}`,
    );

  it("ends at once, with who it is, where another run has the stack", async () => {
    await checkout.configure({
      domains: ["localhost"],
      httpsPort: await freePort(),
      bindAddress: "127.0.0.1",
    });
    await mkdir(locks(), { recursive: true });
    const lock = {
      pid: 1,
      username: "ops",
      hostname: "elsewhere",
      timestamp: "2026-11-26T13:00:00Z",
    };
    await writeFile(join(locks(), "1.json"), JSON.stringify(lock));
    const from = Date.now();
    const { exitCode, output } = await checkout.run("up");
    expect(exitCode).toBe(1);
    expect(Date.now() - from).toBeLessThan(60_000);
    expect(output).toContain("ops on elsewhere, process 1, since 2026-11-26 13:00:00");
    const [, command = ""] = /(\S+ npm run pulumi -- cancel)/.exec(output) ?? [];
    expect(command).toBe(`PULUMI_STACK=${checkout.stackName} npm run pulumi -- cancel`);
    expect((await checkout.run("pulumi", "cancel", "--yes")).exitCode).toBe(0);
    expect(await readdir(locks())).toEqual([]);
  });

  it("deploys in a shell in which little works, and over a lock that a power cut has left", async () => {
    await writeFile(join(locks(), "2.json"), "");
    const proxy = "http://127.0.0.1:1";
    const shell = {
      ...hostileVariables,
      ...{ http_proxy: proxy, https_proxy: proxy, HTTPS_PROXY: proxy, all_proxy: proxy },
      ...{ NO_PROXY: "", TMPDIR: "/etc/hostname/tmp" },
      ...{ DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: "/not/there" },
    };
    const { exitCode, output } = await checkout.runIn(shell, "up");
    expect(output).toContain("the last run (its lock is broken) was killed");
    expect(output).toContain("TMPDIR is /etc/hostname/tmp, which is no folder");
    expect(exitCode, output).toBe(0);
    expect(output).toContain(`PULUMI_STACK=${checkout.stackName} npm run down`);
    const { stdout } = await execa("docker", [
      ...["ps", "--quiet", "--filter", `label=private-registry=${checkout.installation}`],
    ]);
    expect(stdout.split("\n")).toHaveLength(3);
    // Nothing of earlier states, which may have keys that are retired by now.
    const kept = join(checkout.folder, ".private-registry/state/.pulumi");
    const history = await readdir(join(kept, "history/private-registry", checkout.stackName));
    expect(history.map((name) => name.replace(/^.*-\d+\./, "")).sort()).toEqual([
      "checkpoint.json",
      "history.json",
    ]);
    expect(existsSync(join(kept, "backups/private-registry", checkout.stackName))).toBe(false);
  });

  it("says how a broken state is brought back, and goes on with it as told", async () => {
    const file = join(state(), `${checkout.stackName}.json`);
    const whole = await readFile(file, "utf8");
    const copies = new Set<string>();
    try {
      await writeFile(file, whole.slice(0, 1_000));
      for (const command of [["up"], ["down"], ["pulumi", "stack", "output"], ["forget", "web1"]]) {
        const { exitCode, output } = await checkout.run(...command);
        expect(exitCode, output).toBe(1);
        const [, copy = ""] = / cp (\S+) /.exec(output) ?? [];
        expect(output).toContain(` cp ${copy} ${file}`);
        expect(output).not.toContain("    at ");
        copies.add(copy);
      }
      const [copy = "", ...others] = copies;
      expect(others).toEqual([]);
      await execa("cp", [copy, file]);
      const refresh = ["pulumi", "refresh", "--yes", "--skip-preview"];
      expect((await checkout.run(...refresh)).exitCode).toBe(0);
    } catch (error) {
      await writeFile(file, whole);
      throw error;
    }
    const { exitCode, output } = await checkout.run("up");
    expect(exitCode, output).toBe(0);
    expect(output).toMatch(/ \d+ unchanged/);
    expect(output).not.toMatch(/ \d+ (created|updated|replaced)/);
  });

  it("is not taken down on an engine that the settings no longer name", async () => {
    const file = join(checkout.folder, `Pulumi.${checkout.stackName}.yaml`);
    const settings = await readFile(file, "utf8");
    await pulumi({ PULUMI_STACK: checkout.stackName }, "config", "set", "dockerHost", "abc");
    const { exitCode, output } = await checkout.run("down");
    expect(exitCode).toBe(1);
    expect(output).toContain("config rm dockerHost");
    expect(output).not.toContain("do not know this failure");
    await writeFile(file, settings);
  });
});
