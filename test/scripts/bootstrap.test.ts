import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { beforeEach, describe, expect, test } from "vitest";
import { checkout } from "../../scripts/paths";

const isRoot = process.getuid?.() === 0;
/** Debian's `nobody`. */
const plainUser = 65_534;
const installed = "• installed by npm\n";

/** A checkout of which npm and the CLI say that they were called, and do nothing else. */
let folder: string;
let programs: string;
beforeEach(() => {
  const own = mkdtempSync(join(tmpdir(), "bootstrap-test-"));
  chmodSync(own, 0o755);
  [folder, programs] = [join(own, "checkout"), join(own, "programs")];
  mkdirSync(programs);
  mkdirSync(join(folder, "scripts"), { recursive: true });
  for (const name of ["bootstrap.cjs", "lock-file.cjs", "temporary-folder.cjs", "package.json"]) {
    copyFileSync(join(checkout, "scripts", name), join(folder, "scripts", name));
  }
  writeFileSync(join(folder, "scripts/cli.ts"), "console.log('the CLI runs' as string);");
  writeFileSync(join(folder, "package-lock.json"), "{}");
  npmDoes(`rm -rf node_modules; mkdir node_modules
sleep 0.5; ln -s '${checkout}/node_modules/tsx' node_modules/tsx; printf '${installed}'`);
  return () => rmSync(own, { recursive: true });
});

function npmDoes(lines: string) {
  writeFileSync(join(programs, "npm"), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
}

async function run({ uid }: { uid?: number } = {}) {
  const { exitCode, all } = await execa(process.execPath, [join(folder, "scripts/bootstrap.cjs")], {
    env: { PATH: `${programs}:${process.env.PATH}`, TSX_DISABLE_CACHE: "1" },
    ...(uid === undefined ? {} : { uid, gid: uid }),
    all: true,
    reject: false,
  });
  expect(all, "no stack trace").not.toMatch(/^ +at /m);
  return { exitCode, output: all };
}

describe("the first step of every npm script", () => {
  test("installs the dependencies once, whoever else does at the same time", async () => {
    const runs = await Promise.all([run(), run(), run()]);
    const output = runs.map((each) => each.output).join("\n");
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    expect(output.match(/installed by npm/g)).toHaveLength(1);
    expect(output).toContain("another run is installing them, waiting for it");
    expect((await run()).output).toBe("the CLI runs");
  });

  test("goes on after a run whose lock has nothing in it, as after a power cut", async () => {
    mkdirSync(join(folder, ".private-registry"));
    writeFileSync(join(folder, ".private-registry/npm-ci.lock"), "");
    const { exitCode, output } = await run();
    expect(output).toContain("the CLI runs");
    expect(exitCode).toBe(0);
  }, 60_000);

  test("says what to look at when npm fails, and tries it again the next time", async () => {
    const working = readFileSync(join(programs, "npm"), "utf8");
    npmDoes("echo 'npm error: 503'; exit 1");
    const failed = await run();
    expect(failed.exitCode).toBe(1);
    expect(failed.output).toContain("✗ npm dependencies: npm ci failed (exit code 1)");
    npmDoes(working);
    expect((await run()).output).toContain("the CLI runs");
  });

  test("says when there is no npm", async () => {
    rmSync(join(programs, "npm"));
    const { exitCode, all } = await execa(
      process.execPath,
      [join(folder, "scripts/bootstrap.cjs")],
      { env: { PATH: programs }, all: true, reject: false },
    );
    expect(exitCode).toBe(1);
    expect(all).toContain("✗ npm dependencies: npm ci failed (spawn npm ENOENT)");
  });

  test.runIf(isRoot)("says whose node_modules it may not replace", async () => {
    mkdirSync(join(folder, "node_modules/left-by-sudo"), { recursive: true });
    for (const name of ["", "node_modules"]) chownSync(join(folder, name), plainUser, plainUser);
    const { exitCode, output } = await run({ uid: plainUser });
    expect(exitCode).toBe(1);
    expect(output).toContain("node_modules/left-by-sudo belongs to another user");
    expect(output).toContain(`sudo chown -R ${plainUser} ${folder}`);
  });

  test.runIf(isRoot)("says that it may not write to the checkout", async () => {
    const { exitCode, output } = await run({ uid: plainUser });
    expect(exitCode).toBe(1);
    expect(output).toContain(`Your user must be able to write to ${folder}`);
  });

  test("says how a missing package-lock.json comes back", async () => {
    rmSync(join(folder, "package-lock.json"));
    const { exitCode, output } = await run();
    expect(exitCode).toBe(1);
    expect(output).toContain("git checkout package-lock.json");
  });

  test.each(["cut off", "missing"])(
    "replaces dependencies of which a file is %s, as after a power cut",
    async (damage) => {
      await run();
      const tsx = join(folder, "node_modules/tsx");
      rmSync(tsx);
      if (damage === "cut off") {
        mkdirSync(tsx);
        writeFileSync(join(tsx, "package.json"), '{ "exports": { "./esm/api": "./api.mjs" } }');
        writeFileSync(join(tsx, "api.mjs"), "export function register() { retu");
      }
      const damaged = await run();
      expect(damaged.exitCode).toBe(1);
      expect(damaged.output).toContain("what is installed is damaged");
      expect((await run()).output).toContain("the CLI runs");
    },
  );
});
