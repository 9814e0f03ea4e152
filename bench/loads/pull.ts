/** Clients that download one large layer at once, by curl. */
import { largeLayerMiB } from "../plan";
import { curlArguments, origin, runBeside, type System } from "../systems/system";
import { processorSeconds } from "./usage";

export interface Pull {
  mebibytesPerSecond: number;
  /** Of the system's containers, for each GiB that was sent. */
  processorSecondsPerGiB: number;
}

/** A process each: one would decrypt all downloads on one core. */
const fourAtOnce = `for client in 1 2 3 4; do
  curl "$@" --output /dev/null --write-out '%{size_download}\\n' &
done
wait`;

/** Four downloads of `path`, which is the large layer. */
export async function pullLayer(system: System, path: string, signal: AbortSignal): Promise<Pull> {
  const containers = await system.containers();
  const command = ["sh", "-c", fourAtOnce, "sh", ...curlArguments(system), origin(system) + path];
  const usedBefore = await processorSeconds(containers);
  const began = performance.now();
  const sizes = (await runBeside(system, command, { signal })).split("\n").map(Number);
  const seconds = (performance.now() - began) / 1000;
  const used = (await processorSeconds(containers)) - usedBefore;

  const expected = largeLayerMiB * 2 ** 20;
  if (sizes.length !== 4 || sizes.some((size) => size !== expected)) {
    throw new Error(`pulling ${path}: expected 4 times ${expected} bytes, got ${sizes.join()}`);
  }
  const mebibytes = sizes.length * largeLayerMiB;
  return {
    mebibytesPerSecond: mebibytes / seconds,
    processorSecondsPerGiB: used / (mebibytes / 1024),
  };
}
