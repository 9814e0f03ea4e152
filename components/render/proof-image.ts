import { createHash } from "node:crypto";

/** The repository of the image; nobody can push to it. */
export const proofRepository = "private-registry-proof";

/** The end of a tar, and no file before it. */
const layer = "\0".repeat(1024);

const config = JSON.stringify({
  architecture: "amd64",
  os: "linux",
  config: {},
  rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
});

const manifest = JSON.stringify({
  schemaVersion: 2,
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  config: descriptor("application/vnd.oci.image.config.v1+json", config),
  layers: [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
});

/** What a client pulls to prove that it can, after the registry's host and a slash. */
export const proofReference = `${proofRepository}@${digestOf(manifest)}`;

/**
 * A tiny image, by the paths that clients ask for. nginx serves it itself, so that a registry's own
 * images have no stranger among them.
 *
 * @see https://github.com/opencontainers/image-spec
 */
export const proofImage: Readonly<Record<string, string>> = {
  [`v2/${proofRepository}/manifests/${digestOf(manifest)}`]: manifest,
  [`v2/${proofRepository}/blobs/${digestOf(config)}`]: config,
  [`v2/${proofRepository}/blobs/${digestOf(layer)}`]: layer,
};

function descriptor(mediaType: string, content: string) {
  return { mediaType, digest: digestOf(content), size: Buffer.byteLength(content) };
}

function digestOf(content: string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
