import { acquireLock } from "./lock-file.cjs";
import { Problem } from "./problem";

/** Longer than the longest build on a slow machine. */
const WAIT_SECONDS = 3_600;

/**
 * Does `work` while no other run does the same, on this machine or where the folder is shared.
 *
 * @param file The path that names the lock; need not exist. `<file>.lock` is made.
 * @param onWait Called once when another run holds the lock.
 * @throws Problem if the lock cannot be made, or another run keeps it for an hour
 */
export async function withLock<T>(
  file: string,
  onWait: () => void,
  work: () => Promise<T>,
): Promise<T> {
  const release = await take(`${file}.lock`, onWait);
  try {
    return await work();
  } finally {
    release();
  }
}

async function take(file: string, onWait: () => void): Promise<() => void> {
  try {
    return await acquireLock(file, { onWait, waitSeconds: WAIT_SECONDS });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ELOCKED") {
      throw new Problem(`${message}.`, ["End that run, or wait for it, and run this again."]);
    }
    throw new Problem(`${file} cannot be made: ${message}`, [
      "The folder must be one that your user may write to, on a disk that has space.",
    ]);
  }
}
