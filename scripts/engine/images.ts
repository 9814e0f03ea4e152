import { join } from "node:path";
import { obtain, type Part, type PartStore } from "../../toolchain/part";
import { Problem } from "../problem";
import { runLogged } from "../run";
import type { EngineApi } from "./api";

/** How long Docker Hub may take for an image; an unreachable one is noticed much sooner. */
const PULL_SECONDS = 600;

/**
 * Makes sure that the engine has an image: what is there is used as it is, then a pull is tried,
 * then it is built from packages and loaded under the same name.
 */
export async function ensureImage(
  api: EngineApi,
  reference: string,
  part: Part,
  store: PartStore,
): Promise<void> {
  if (await api.hasImage(reference)) return;
  const log = join(store.logFolder, `${part.name}.log`);
  const env = api.environment;
  try {
    const title = `image ${reference}: pulling`;
    await store.progress.step({ title, usually: "10 to 30 s", log, isAttempt: true }, () =>
      runLogged({
        file: "docker",
        args: ["pull", "--quiet", reference],
        env,
        log,
        timeoutSeconds: PULL_SECONDS,
      }),
    );
    return;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    store.progress.note(`• image ${reference}: no pull from here, so it is built from packages`);
  }
  const folder = await obtain(part, store);
  await store.progress.step(
    { title: `image ${reference}: loading into the engine`, usually: "2 to 5 s" },
    () =>
      runLogged({ file: "docker", args: ["load", "--input", join(folder, "image.tar")], env, log }),
  );
}
