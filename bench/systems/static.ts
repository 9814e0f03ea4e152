/** nginx with a layer as a file on a plain TLS site: the practical limit of a download. */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { images } from "../../scripts/pins";
import { issue } from "../../test/support/certificates";
import { docker } from "../../test/support/engine";
import type { Layer } from "../loads/layer";
import type { Surroundings, System } from "./system";

const nginxConf = (blob: string) => `worker_processes auto;
events {}
http {
    access_log off;
    sendfile on;
    server {
        listen 127.0.0.1:443 ssl;
        ssl_certificate /static.crt;
        ssl_certificate_key /static.key;
        location = /layer {
            alias ${blob};
        }
    }
}
`;

/**
 * Starts it with the file that the registry whose data is in `volume` has of a layer, once that is
 * pushed: another copy of it may lie otherwise in memory, and be read faster or slower.
 */
export async function startStatic(
  { label, folder }: Surroundings,
  volume: string,
  layer: Layer,
): Promise<System> {
  const file = (name: string) => join(folder, `static${name}`);
  const { certificatePem, privateKeyPem } = issue({
    subject: "static",
    sans: "IP:127.0.0.1",
    usages: "serverAuth",
  });
  await writeFile(file(".crt"), certificatePem);
  await writeFile(file(".key"), privateKeyPem);
  // Not the volume itself: that could not be removed while this runs.
  const data = await docker("volume", "inspect", "--format", "{{.Mountpoint}}", volume);
  const hex = layer.digest.slice("sha256:".length);
  const blob = `/data/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
  await writeFile(file(".conf"), nginxConf(blob));
  const name = `bench-static-${randomBytes(4).toString("hex")}`;
  await docker(
    ...["run", "--detach", "--name", name, "--label", label, "--network", "none"],
    ...["--volume", `${file(".crt")}:/static.crt:ro`, "--volume", `${file(".key")}:/static.key:ro`],
    ...["--volume", `${file(".conf")}:/etc/nginx/nginx.conf:ro`, "--volume", `${data}:/data:ro`],
    images.nginx,
  );
  return {
    name: "static",
    port: 443,
    caPem: certificatePem,
    caFile: file(".crt"),
    containers: () => Promise.resolve([name]),
  };
}
