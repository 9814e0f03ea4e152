import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";

/** The part of an image's configuration that its users rely on, in the words of the OCI image spec. */
export interface ImageConfig {
  Entrypoint: string[];
  Cmd: string[];
  Env: string[];
  ExposedPorts: Record<string, object>;
  Volumes?: Record<string, object>;
  StopSignal?: string;
  Labels?: Record<string, string>;
}

/**
 * Writes an archive for `docker load`: one layer, one tag. Made here and not by an engine, so that
 * it can be kept as a file, loaded into any engine, and built where there is none.
 *
 * @param layer The root filesystem, as a tar file.
 * @param archive The file to write.
 */
export async function writeImageArchive(
  layer: string,
  tag: string,
  config: ImageConfig,
  archive: string,
): Promise<void> {
  const digest = await sha256Of(layer);
  const created = new Date().toISOString();
  const image = JSON.stringify({
    architecture: goArchitecture(process.arch),
    os: "linux",
    created,
    config,
    rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
    history: [{ created, created_by: "private-registry toolchain" }],
  });
  const configName = `${createHash("sha256").update(image).digest("hex")}.json`;
  const layerName = `${digest}/layer.tar`;
  const manifest = JSON.stringify([{ Config: configName, RepoTags: [tag], Layers: [layerName] }]);

  const tar = pack();
  const written = pipeline(tar, createWriteStream(archive));
  tar.entry({ name: configName }, image);
  tar.entry({ name: "manifest.json" }, manifest);
  await pipeline(
    createReadStream(layer),
    tar.entry({ name: layerName, size: statSync(layer).size }),
  );
  tar.finalize();
  await written;
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** Node's name of a processor in Go's words, which images use. */
function goArchitecture(architecture: string): string {
  return { x64: "amd64", arm64: "arm64", arm: "arm" }[architecture] ?? architecture;
}
