import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { lock } from "proper-lockfile";

/** A lock that was not renewed for this long belongs to a run that died. */
const STALE_MS = 20_000;

/**
 * Does `work` while no other run does the same, on this machine.
 *
 * @param file The path that names the lock; need not exist. `<file>.lock` is made.
 * @param onWait Called once when another run holds the lock.
 */
export async function withLock<T>(
  file: string,
  onWait: () => void,
  work: () => Promise<T>,
): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const release = await acquire(file, onWait);
  try {
    return await work();
  } finally {
    await release();
  }
}

async function acquire(file: string, onWait: () => void): Promise<() => Promise<void>> {
  const options = { realpath: false, stale: STALE_MS, update: 5_000 };
  try {
    return await lock(file, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw error;
    onWait();
  }
  // An hour: longer than the longest build on a slow machine.
  return lock(file, {
    ...options,
    retries: { retries: 3_600, factor: 1, minTimeout: 1_000, maxTimeout: 1_000 },
  });
}
