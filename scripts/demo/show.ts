import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { Deployment } from "../../test/support/deployment";
import { createNetwork, freePort } from "../../test/support/engine";
import { startMachine } from "../../test/support/machine";
import { hasMachineImage, machineImage } from "../../test/support/machine-image";
import { runsContainers } from "../../test/support/nested-engine";
import { Problem } from "../problem";
import type { Progress } from "../progress";
import { lastLines } from "../run";
import { Stage } from "./stage";
import { useRegistry } from "./use-registry";

const domain = "registry.demo.test";

/** What a call of docker may take: a container that is stopped drains for a minute. */
const limits = { timeout: 120_000 };

/**
 * Deploys a registry of its own, starts a client machine in a container, uses the registry there,
 * and removes all of it again, whatever happens.
 *
 * @returns The exit code.
 */
export async function show(progress: Progress): Promise<number> {
  const stage = new Stage(progress);
  try {
    await perform(stage);
  } catch (error) {
    stage.fail(error);
  }
  await stage.clear();
  if (stage.exitCode === 0) process.stdout.write(closing);
  return stage.exitCode;
}

async function perform(stage: Stage): Promise<void> {
  const name = `private-registry-demo-${randomBytes(4).toString("hex")}`;
  // Pulumi, and what builds the image, leave files when they are ended half-way.
  const folder = await mkdtemp(join(tmpdir(), "private-registry-demo-"));
  stage.removeLater(() => rm(folder, { recursive: true, force: true }));
  process.env["TMPDIR"] = folder;

  if (!(await hasMachineImage("docker"))) {
    await stage.step(
      {
        title: "client machine: building its image from Debian packages",
        usually: "1 to 2 min the first time",
      },
      () => machineImage("docker"),
    );
  }

  // Named before it is made: a command that is ended half-way may have made it.
  stage.removeLater(() => docker("network", "rm", name));
  stage.removeLater(() => docker("rm", "--force", "--volumes", name));
  const { machine, gateway } = await stage.step(
    { title: `client machine: a container with Docker and sshd, ${name}`, isShort: true },
    async () => {
      const { gateway } = await createNetwork(name);
      const options = { name, network: name, runArguments: runsContainers };
      return { machine: await startMachine(options), gateway };
    },
  );

  const deployment = await Deployment.create();
  deployment.isQuiet = true;
  stage.removeLater(async () => {
    try {
      await deployment.remove();
    } finally {
      await removeContainers(deployment.installation);
    }
  });
  await stage.step(
    { title: `pulumi up: a registry ${domain}, and the client over SSH`, isShort: true },
    async () => {
      const httpsPort = await freePort();
      const { ip: host, sshPrivateKey: privateKey, hostKey } = machine;
      const settings = {
        domains: [domain],
        httpsPort,
        bindAddress: gateway,
        registryAddress: gateway,
        users: { alice: { access: "push" }, bob: { access: "pull" } },
        clients: { demo: { host, privateKey, hostKey } },
      };
      await deployment.up(settings).catch((error: unknown) => {
        throw new Problem("pulumi up failed; its last words:", lastLines(String(error), 20));
      });
    },
  );

  const registry = { host: deployment.output("registryHost"), passwords: deployment.passwords };
  await useRegistry(stage, machine, registry);
}

/** Those of a deployment that was ended half-way are in no state. */
async function removeContainers(installation: string): Promise<void> {
  const filter = `label=private-registry=${installation}`;
  const { stdout } = await execa("docker", ["ps", "--all", "--quiet", "--filter", filter], limits);
  const ids = stdout.split("\n").filter((id) => id !== "");
  if (ids.length > 0) await docker("rm", "--force", "--volumes", ...ids);
}

/** What is not there need not be removed. */
async function docker(...args: string[]): Promise<void> {
  const { failed, stderr } = await execa("docker", args, { ...limits, reject: false });
  if (failed && !/no such (container|network)|not found/i.test(stderr)) {
    throw new Problem(`docker ${args.join(" ")}: ${stderr}`);
  }
}

const closing = `
A machine that knew nothing of the registry has logged in to it by name, pushed and pulled, with no
certificate copied by hand; a user without the right to push was denied. All of it is gone again.

Your own registry        npm run up
Your own machines        npm run pulumi -- config set --path clients.web1.host 10.0.0.11
What this machine lacks  npm run doctor
`;
