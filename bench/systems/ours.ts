/** This project, deployed by the real Pulumi engine. */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nginxPort } from "../../components/render/layout";
import { Deployment, type Settings } from "../../test/support/deployment";
import { freePort, serving } from "../../test/support/engine";
import type { Surroundings, System, User } from "./system";

export interface Ours extends System {
  user: User;
  publishedPort: number;
  deployment: Deployment;
  /** What is deployed now; {@link change} changes it. */
  settings: Settings & { users: Record<string, { password: string }> };
}

/** Deploys the project; the caller removes `deployment`, also if the first `up` fails. */
export async function startOurs({ folder }: Surroundings, deployment: Deployment): Promise<Ours> {
  const user: User = ["bench", randomBytes(12).toString("hex")];
  const publishedPort = await freePort();
  const settings = {
    domains: ["localhost", "127.0.0.1"],
    httpsPort: publishedPort,
    bindAddress: "127.0.0.1",
    keepData: false,
    users: { [user[0]]: { password: user[1] } },
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
    user,
    deployment,
    settings,
    containers: async () => {
      const { nginx, registry } = await serving(deployment.installation);
      return [nginx.Id, registry.Id];
    },
  };
}

/** `pulumi up` with new settings, as `npm run up` runs it. How long it took, in seconds. */
export async function change(ours: Ours, settings: Ours["settings"]): Promise<number> {
  await ours.deployment.configure(settings);
  ours.settings = settings;
  return timedUp(ours.deployment);
}

/** `pulumi up` as `npm run up` runs it. How long it took, in seconds. */
export async function timedUp(deployment: Deployment): Promise<number> {
  const began = performance.now();
  await deployment.pulumi("up", "--yes", "--skip-preview");
  return (performance.now() - began) / 1000;
}
