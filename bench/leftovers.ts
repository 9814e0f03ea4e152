/** What is left when a run was stopped half-way, found by labels. */
import { execa } from "execa";
import type { Deployment } from "../test/support/deployment";

/** Removes every container, network, volume and image of a run. Never fails: it is the last thing. */
export async function removeLeftovers(
  label: string,
  deployments: readonly Deployment[],
  images: readonly string[],
): Promise<void> {
  const labels = [label, ...deployments.map((one) => `private-registry=${one.installation}`)];
  for (const each of labels) {
    await removeAll(["container", "ls", "--all"], each, [
      "container",
      "rm",
      "--force",
      "--volumes",
    ]);
    await removeAll(["network", "ls"], each, ["network", "rm"]);
    await removeAll(["volume", "ls"], each, ["volume", "rm", "--force"]);
  }
  if (images.length > 0) {
    await execa("docker", ["image", "rm", ...images], { reject: false });
  }
}

async function removeAll(list: string[], label: string, remove: string[]): Promise<void> {
  const filter = ["--quiet", "--filter", `label=${label}`];
  const { stdout } = await execa("docker", [...list, ...filter], { reject: false });
  const found = stdout.split("\n").filter((id) => id !== "");
  if (found.length > 0) {
    await execa("docker", [...remove, ...found], { reject: false });
  }
}
