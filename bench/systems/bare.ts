/** The registry alone: TLS by itself, no users, nothing in front of it. */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { images } from "../../scripts/pins";
import { issue } from "../../test/support/certificates";
import { docker } from "../../test/support/engine";
import type { Surroundings, System } from "./system";

/** As quiet as the project's, so that logging is no difference. */
const config = `version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: /var/lib/registry }
  cache: { blobdescriptor: inmemory }
http:
  addr: 127.0.0.1:5000
  tls: { certificate: /bare.crt, key: /bare.key }
`;

/** Starts it; what it makes carries the label. */
export async function startBare({ label, folder }: Surroundings): Promise<System> {
  const file = (name: string) => join(folder, `bare${name}`);
  const { certificatePem, privateKeyPem } = issue({
    subject: "bare",
    sans: "IP:127.0.0.1",
    usages: "serverAuth",
  });
  await writeFile(file(".crt"), certificatePem);
  await writeFile(file(".key"), privateKeyPem);
  await writeFile(file(".yml"), config);
  const suffix = randomBytes(4).toString("hex");
  const [name, data] = [`bench-bare-${suffix}`, `bench-bare-data-${suffix}`];
  await docker("volume", "create", "--label", label, data);
  await docker(
    ...["run", "--detach", "--name", name, "--label", label, "--network", "none"],
    ...["--env", "OTEL_TRACES_EXPORTER=none"],
    ...["--volume", `${file(".crt")}:/bare.crt:ro`, "--volume", `${file(".key")}:/bare.key:ro`],
    ...["--volume", `${file(".yml")}:/bare.yml:ro`, "--volume", `${data}:/var/lib/registry`],
    ...["--entrypoint", "registry", images.registry, "serve", "/bare.yml"],
  );
  return {
    name: "bare",
    port: 5000,
    caPem: certificatePem,
    caFile: file(".crt"),
    containers: () => Promise.resolve([name]),
  };
}
