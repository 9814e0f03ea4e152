import { join } from "node:path";
import { obtain, type Part, type PartStore, renew } from "../../toolchain/part";
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
  if (await isPulled(api, reference, part.name, store)) return;
  store.progress.note(`• image ${reference}: no pull from here, so it is built from packages`);
  await load(api, reference, part, await obtain(part, store), store);
}

/**
 * Gets the newest image of a reference: pulls it, or builds it anew from packages.
 *
 * @param part How it is built; undefined if it is none of the default ones.
 * @throws Problem if it can be had in neither way
 */
export async function updateImage(
  api: EngineApi,
  reference: string,
  part: Part | undefined,
  store: PartStore,
): Promise<void> {
  const name = part?.name ?? `image-${reference.replace(/[^\w.-]+/g, "-")}`;
  if (await isPulled(api, reference, name, store)) return;
  if (part === undefined) {
    throw new Problem(`image ${reference}: cannot be pulled from here.`, [
      "Load a newer one on the Docker host (docker load), then: npm run up",
    ]);
  }
  store.progress.note(`• image ${reference}: no pull from here, so it is built anew from packages`);
  await load(api, reference, part, await renew(part, store), store);
}

async function isPulled(
  api: EngineApi,
  reference: string,
  name: string,
  store: PartStore,
): Promise<boolean> {
  const log = join(store.logFolder, `${name}.log`);
  const title = `image ${reference}: pulling`;
  try {
    await store.progress.step({ title, usually: "10 to 30 s", log, isAttempt: true }, () =>
      runLogged({
        file: "docker",
        args: ["pull", "--quiet", reference],
        env: api.environment,
        log,
        timeoutSeconds: PULL_SECONDS,
      }),
    );
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return false;
  }
}

async function load(
  api: EngineApi,
  reference: string,
  part: Part,
  folder: string,
  store: PartStore,
): Promise<void> {
  const log = join(store.logFolder, `${part.name}.log`);
  const title = `image ${reference}: loading into the engine`;
  await store.progress.step({ title, usually: "2 to 5 s" }, () =>
    runLogged({
      file: "docker",
      args: ["load", "--input", join(folder, "image.tar")],
      env: api.environment,
      log,
    }),
  );
}
