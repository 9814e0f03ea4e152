/** Pushes, with the requests of Docker's client: POST, PATCH with the content, PUT with the digest. */
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { manifestType } from "../../test/support/registry-client";
import { curlArguments, origin, runBeside, type System } from "../systems/system";
import type { Layer } from "./layer";
import type { SmallLayersPush } from "./push-small-layers";

/**
 * Pushes a layer to a repository of its own by curl, so that no other program's speed is measured.
 *
 * @returns The seconds that it took.
 */
export async function pushLayer(
  system: System,
  layer: Layer,
  signal: AbortSignal,
  repository = newRepository(),
): Promise<number> {
  const curl = (...args: string[]) =>
    runBeside(system, ["curl", ...curlArguments(system), ...args], { signal });
  const began = performance.now();
  const begun = await curl(
    ...["--request", "POST", "--write-out", "%header{location}"],
    `${origin(system)}/v2/${repository}/blobs/uploads/`,
  );
  const sent = await curl(
    ...["--request", "PATCH", "--header", "Content-Type: application/octet-stream"],
    // curl asks for leave to send a large body; Docker does not.
    ...["--header", "Expect:", "--upload-file", layer.file],
    ...["--write-out", "%header{location}", begun],
  );
  await curl("--request", "PUT", "--data", "", `${sent}&digest=${layer.digest}`);
  return (performance.now() - began) / 1000;
}

/** Pushes a manifest with one layer, which must be there, to `<repository>:1`; its path. */
export async function pushManifest(
  system: System,
  layer: Layer,
  repository: string,
  signal: AbortSignal,
): Promise<string> {
  const described = { digest: layer.digest, size: layer.bytes };
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...described },
    layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...described }],
  });
  const path = `/v2/${repository}/manifests/1`;
  const headers = ["--header", `Content-Type: ${manifestType}`];
  await runBeside(
    system,
    [
      ...["curl", ...curlArguments(system), "--request", "PUT", ...headers],
      ...["--data-binary", manifest, origin(system) + path],
    ],
    { signal },
  );
  return path;
}

/** Pushes `layers` new layers of 1 MiB, five at once as Docker does; the seconds that it took. */
export async function pushSmallLayers(
  system: System,
  layers: number,
  signal: AbortSignal,
): Promise<number> {
  const push: SmallLayersPush = {
    port: system.port,
    caPem: system.caPem,
    user: system.user,
    repository: newRepository(),
    layers,
  };
  const program = fileURLToPath(new URL("push-small-layers.ts", import.meta.url));
  const output = await runBeside(system, [process.execPath, "--import", "tsx", program], {
    signal,
    input: JSON.stringify(push),
  });
  return Number(output);
}

/** How often nginx has put a body into a temporary file, by its own warnings. */
export async function temporaryFiles(system: System): Promise<number> {
  const [nginx = ""] = await system.containers();
  // The access log, which is long, goes to standard output.
  const { stderr } = await execa("docker", ["logs", nginx], { stdout: "ignore" });
  return stderr.split("\n").filter((line) => line.includes("buffered to a temporary file")).length;
}

function newRepository(): string {
  return `bench/${randomBytes(6).toString("hex")}`;
}
