import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { requireGo } from "../../toolchain/go";
import type { PartStore } from "../../toolchain/part";
import { checkout, logFolder } from "../paths";
import type { Progress } from "../progress";
import { goOutput, tallyGo, tallyVitest, type Tally } from "./tally";

/** One check of `npm test`. */
export interface Check {
  title: string;
  usually: string;
  run: () => Promise<Tally>;
}

/** A program that passes or fails as a whole: it counts as one test. */
export function staticCheck(
  title: string,
  usually: string,
  program: string,
  args: readonly string[],
): Check {
  return {
    title,
    usually,
    run: async () => {
      const result = await show(join(checkout, "node_modules", ".bin", program), args, checkout);
      return result ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
    },
  };
}

/** One project of vitest.config.mts. */
export function vitestProject(project: string, usually: string, env: NodeJS.ProcessEnv): Check {
  return {
    title: `vitest, ${project}`,
    usually,
    run: async () => {
      const report = join(logFolder, `vitest-${project}.json`);
      mkdirSync(logFolder, { recursive: true, mode: 0o700 });
      rmSync(report, { force: true });
      const args = ["run", "--project", project, "--reporter=default", "--reporter=json"];
      const vitest = join(checkout, "node_modules", ".bin", "vitest");
      const ok = await show(vitest, [...args, `--outputFile.json=${report}`], checkout, env);
      if (!existsSync(report)) return { passed: 0, failed: 1 };
      const tally = tallyVitest(JSON.parse(readFileSync(report, "utf8")));
      // Such as an error that no test was there to catch.
      return !ok && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
    },
  };
}

/** `go vet` of one of the toolchain's modules. */
export function goVet(module: string, store: PartStore): Check {
  return {
    title: `go vet, toolchain/${module}`,
    usually: "5 to 90 s",
    run: async () => {
      const folder = join(checkout, "toolchain", module);
      const args = ["vet", ...goFlags(module), "./..."];
      const ok = await show(await requireGo(process.env, store), args, folder);
      return ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
    },
  };
}

/** `go test` of one of the toolchain's modules. */
export function goTest(module: string, store: PartStore): Check {
  return {
    title: `go test, toolchain/${module}`,
    usually: "20 to 90 s",
    run: async () => {
      const args = ["test", ...goFlags(module), "-json", "./..."];
      const result = await execa(await requireGo(process.env, store), args, {
        cwd: join(checkout, "toolchain", module),
        env: { GOWORK: "off" },
        stdin: "ignore",
        all: true,
        reject: false,
      });
      const tally = tallyGo(result.all);
      const failed = result.failed && tally.failed === 0;
      if (failed || tally.failed > 0) process.stderr.write(goOutput(result.all));
      return failed ? { ...tally, failed: 1 } : tally;
    },
  };
}

/** Runs a check, told before and after. One that cannot even start counts as one failed. */
export async function runCheck(check: Check, progress: Progress): Promise<Tally> {
  const from = Date.now();
  progress.note(`\n▸ ${check.title} (usually ${check.usually})`);
  let tally: Tally;
  try {
    tally = await check.run();
  } catch (error) {
    progress.failure(error);
    tally = { passed: 0, failed: 1 };
  }
  const seconds = Math.round((Date.now() - from) / 1_000);
  const mark = tally.failed === 0 ? "✓" : "✗";
  progress.note(
    `${mark} ${check.title}: ${tally.passed} passed, ${tally.failed} failed (${seconds} s)`,
  );
  return tally;
}

/** The flags of the part's own build, so that what that has compiled is not compiled again. */
function goFlags(module: string): string[] {
  const tags = module === "providers" ? ["-tags", "no_compose"] : [];
  return ["-mod=readonly", "-trimpath", ...tags];
}

/** Runs a program, its output shown; whether it succeeded. */
async function show(
  file: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<boolean> {
  const result = await execa(file, args, {
    cwd,
    env: { GOWORK: "off", ...env },
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    reject: false,
  });
  if (result.exitCode === undefined) process.stderr.write(`${result.shortMessage ?? file}\n`);
  return !result.failed;
}
