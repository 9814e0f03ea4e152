/** This project, deployed by the real Pulumi engine. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nginxPort } from "../../components/render/layout";
import type { ImagesArgs } from "../../components/registry-server";
import type { CertificateArgs } from "../../components/tls-identity";
import { Deployment, type Settings } from "../../test/support/deployment";
import { freePort, serving } from "../../test/support/engine";
import { clientsAtOnce } from "../plan";
import type { Surroundings, System, User } from "./system";

export interface Ours extends System {
  user: User;
  publishedPort: number;
  deployment: Deployment;
  /** What is deployed now; {@link change} changes it. */
  settings: Settings & {
    users: Record<string, { access: "push"; password?: string }>;
    certificate?: CertificateArgs;
    images?: ImagesArgs;
  };
}

/** Deploys the project; the caller removes `deployment`, also if the first `up` fails. */
export async function startOurs({ folder }: Surroundings, deployment: Deployment): Promise<Ours> {
  const publishedPort = await freePort();
  const settings: Ours["settings"] = {
    domains: ["localhost", "127.0.0.1"],
    httpsPort: publishedPort,
    bindAddress: "127.0.0.1",
    keepData: false,
    // With generated passwords, as in the stack that a checkout comes with.
    users: { bench: { access: "push" }, guest: { access: "push" }, "guest-0": { access: "push" } },
  };
  await deployment.up(settings);
  const caPem = deployment.output("caCertificate");
  const caFile = join(folder, "ours.crt");
  await writeFile(caFile, caPem);
  return {
    name: "ours",
    port: nginxPort,
    publishedPort,
    caPem,
    caFile,
    user: ["bench", deployment.passwords["bench"] ?? ""],
    deployment,
    settings,
    containers: async () => {
      const { nginx, registry, auth } = await serving(deployment.installation);
      return [nginx, registry, auth].flatMap((one) => one?.Id ?? []);
    },
  };
}

/** `pulumi up` with new settings, as `npm run up` runs it. How long it took, in seconds. */
export async function change(ours: Ours, settings: Ours["settings"]): Promise<number> {
  const { deployment } = ours;
  const isNewCa = settings.certificate?.caGeneration !== ours.settings.certificate?.caGeneration;
  await deployment.configure(settings);
  ours.settings = settings;
  const seconds = await timedUp(deployment);
  if (isNewCa) {
    ours.caPem = await deployment.pulumi("stack", "output", "caCertificate");
    await writeFile(ours.caFile, ours.caPem);
  }
  return seconds;
}

/** `pulumi up` as `npm run up` runs it. How long it took, in seconds. */
export async function timedUp(deployment: Deployment): Promise<number> {
  const began = performance.now();
  const parallel = ["--parallel", String(clientsAtOnce)];
  await deployment.pulumi("up", "--yes", "--skip-preview", ...parallel);
  return (performance.now() - began) / 1000;
}
