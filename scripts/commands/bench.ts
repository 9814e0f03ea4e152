import { pulumiEnvironment, readContext } from "../context";
import { Problem } from "../problem";
import { benchPrograms, ensurePrograms } from "../setup/programs";
import { setUp } from "../setup/set-up";

/** `npm run bench`: the project beside what people would use instead. */
export async function bench(options: { quick: boolean }): Promise<number> {
  const context = readContext();
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new Problem("npm run bench: needs Linux and root, to enter the containers' networks.", [
      "sudo npm run bench",
    ]);
  }
  if (!context.engine.host.startsWith("unix://")) {
    throw new Problem(
      `npm run bench: needs an engine of this machine, got ${context.engine.host} ` +
        `(from ${context.engine.from}).`,
      ["Unset DOCKER_HOST and DOCKER_CONTEXT."],
    );
  }
  await ensurePrograms("bench", benchPrograms);
  const cli = await setUp(context, { engine: true, images: true });

  const { PATH, PULUMI_HOME } = pulumiEnvironment(context, cli);
  Object.assign(process.env, { PATH, PULUMI_HOME, DOCKER_HOST: context.engine.host });
  // Loaded here, as the other commands need none of it.
  const { bench: run } = await import("../../bench/index");
  const areAllMet = await run({ quick: options.quick, progress: context.progress });
  return areAllMet ? 0 : 1;
}
