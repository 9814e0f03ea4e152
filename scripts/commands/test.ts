import { pulumiEnvironment, readContext, type Context } from "../context";
import {
  ensurePrograms,
  testPrograms,
  unitTestPrograms,
  type InstallableProgram,
} from "../setup/programs";
import { setUp } from "../setup/set-up";
import { goTest, goVet, runCheck, staticCheck, vitestProject, type Check } from "../testing/checks";
import { sum, type Tally } from "../testing/tally";

const staticChecks: readonly Check[] = [
  staticCheck("format", "5 s", "prettier", ["--check", "--log-level=warn", "."]),
  staticCheck("lint", "10 to 20 s", "eslint", ["."]),
  staticCheck("types", "5 s", "tsc", ["--noEmit", "--project", "tsconfig.json"]),
  staticCheck("types of tests and scripts", "5 s", "tsc", [
    ...["--noEmit", "--project", "tsconfig.tools.json"],
  ]),
];

/** `npm test` and `npm run test:unit`: ends with `N passed, N failed`. */
export async function test(options: { unitOnly: boolean }): Promise<number> {
  const context = readContext();
  const tallies: Tally[] = [];
  if (options.unitOnly) {
    await ensureTestPrograms(context, unitTestPrograms);
    const checks = [...staticChecks, vitestProject("unit", "10 to 30 s", {})];
    for (const check of checks) tallies.push(await runCheck(check, context.progress));
  } else {
    tallies.push(...(await testAll(context)));
  }
  const total = sum(tallies);
  process.stderr.write("\n");
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
  return total.failed === 0 ? 0 : 1;
}

async function testAll(context: Context): Promise<Tally[]> {
  const tallies: Tally[] = [];
  const run = async (check: Check) => {
    tallies.push(await runCheck(check, context.progress));
  };
  const ready = await prepare(context);
  if (!ready.ok) tallies.push({ passed: 0, failed: 1 });

  for (const check of staticChecks) await run(check);
  for (const module of ["command", "providers"]) {
    await run(goVet(module, context.store));
    await run(goTest(module, context.store));
  }
  await run(vitestProject("unit", "10 to 30 s", ready.env));
  // Without an engine every integration test would fail for the one reason that is told above.
  if (ready.ok) await run(vitestProject("integration", "5 to 20 min", ready.env));
  return tallies;
}

/** The set-up of `npm run up`, and the programs that tests need. */
async function prepare(context: Context): Promise<{ ok: boolean; env: NodeJS.ProcessEnv }> {
  try {
    await ensureTestPrograms(context, testPrograms);
    const cli = await setUp(context, { engine: true, images: true });
    const { PATH, DOCKER_HOST, PULUMI_HOME, PULUMI_SKIP_UPDATE_CHECK } = pulumiEnvironment(
      context,
      cli,
    );
    // Tests choose backend, stack and passphrase themselves.
    return { ok: true, env: { PATH, DOCKER_HOST, PULUMI_HOME, PULUMI_SKIP_UPDATE_CHECK } };
  } catch (error) {
    context.progress.failure(error);
    return { ok: false, env: {} };
  }
}

/** Without one of these programs only the tests that call it fail, so the others are run. */
async function ensureTestPrograms(
  context: Context,
  programs: readonly InstallableProgram[],
): Promise<void> {
  try {
    await ensurePrograms("test", programs);
  } catch (error) {
    context.progress.failure(error);
  }
}
