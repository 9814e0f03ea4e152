/** The version of the project that people have, which the present one must take over. */
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execa } from "execa";

const commit = "610e333";
const project = resolve(import.meta.dirname, "../..");

/** The client script of that version from its first function on, where it is the same for all. */
export async function landedClientScript(): Promise<string> {
  const file = "test/render/__texts__/client-script.sh";
  const { stdout } = await execa("git", ["show", `${commit}:${file}`], { cwd: project });
  return `${stdout.slice(stdout.indexOf("\n# ---") + 1)}\n`;
}

/** A checkout of that version, with the npm packages of this one. */
export async function landedProject(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "private-registry-landed-"));
  await execa("git", ["archive", commit], { cwd: project, encoding: "buffer" }).pipe("tar", [
    ...["-x", "-C", folder],
  ]);
  await symlink(join(project, "node_modules"), join(folder, "node_modules"));
  return { folder, remove: () => rm(folder, { recursive: true }) };
}
