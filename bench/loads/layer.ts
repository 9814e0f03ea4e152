import { createHash, randomFillSync } from "node:crypto";
import { open } from "node:fs/promises";

/** A file of random bytes that is pushed as a layer. */
export interface Layer {
  file: string;
  digest: string;
  bytes: number;
}

/** Makes one, so large that small costs of a request do not count. */
export async function makeLayer(file: string, mebibytes: number): Promise<Layer> {
  const chunk = Buffer.alloc(2 ** 20);
  const hash = createHash("sha256");
  const handle = await open(file, "w");
  try {
    for (let written = 0; written < mebibytes; written += 1) {
      randomFillSync(chunk);
      hash.update(chunk);
      await handle.write(chunk);
    }
  } finally {
    await handle.close();
  }
  return { file, digest: `sha256:${hash.digest("hex")}`, bytes: mebibytes * 2 ** 20 };
}
