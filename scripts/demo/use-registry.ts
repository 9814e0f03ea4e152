import { machineDocker, type Said } from "../../test/support/docker-cli";
import { buildLayeredImage } from "../../test/support/layered-image";
import type { Machine } from "../../test/support/machine";
import { Problem } from "../problem";
import { lastLines } from "../run";
import type { Stage } from "./stage";

/** What one needs to know to use the registry. */
export interface Registry {
  /** `host:port`, the prefix of image names. */
  host: string;
  passwords: Record<string, string>;
}

/** What a newcomer would do on a client machine, with the Docker of that machine. */
export async function useRegistry(
  stage: Stage,
  machine: Machine,
  { host, passwords }: Registry,
): Promise<void> {
  const there = machineDocker(machine);
  const image = `${host}/team/app:1.0`;
  const step = (title: string, work: () => Promise<void>) =>
    stage.step({ title: `on the client machine: ${title}`, isShort: true }, work);
  const login = async (user: string) => {
    requireSuccess("docker login", await there.login(host, user, passwords[user] ?? ""));
  };
  const docker = async (...args: string[]) => {
    requireSuccess(`docker ${args.join(" ")}`, await there.docker(...args));
  };

  await step(`docker login ${host}, as alice`, () => login("alice"));
  await step("docker build, an image of four layers", async () => {
    await machine.exec(buildLayeredImage(image));
  });
  await step(`docker push ${image}`, () => docker("push", image));
  await step("docker image rm, so that nothing of it is left there", async () => {
    await docker("image", "rm", image);
    await docker("image", "prune", "--all", "--force");
  });
  await step(`docker pull ${image}`, () => docker("pull", image));
  await step("docker run: every byte is the one that was pushed", () =>
    docker("run", "--rm", "--network", "none", image),
  );
  await step("docker push as bob, who may only pull: denied", async () => {
    await login("bob");
    const push = await there.docker("push", image);
    if (push.exitCode === 0 || !push.output.includes("denied")) {
      throw new Problem("docker push as bob: expected it to be denied, got:", words(push));
    }
  });
}

function requireSuccess(command: string, said: Said): void {
  if (said.exitCode === 0) return;
  throw new Problem(`${command}: exit code ${said.exitCode}; its last words:`, words(said));
}

function words({ output }: Said): string[] {
  return lastLines(output, 10);
}
