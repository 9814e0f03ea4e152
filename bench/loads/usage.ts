/** What containers have used, by the kernel's accounting of their cgroups. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { docker } from "../../test/support/engine";

/** The processor time that containers have used since they were started, in seconds. */
export async function processorSeconds(containers: readonly string[]): Promise<number> {
  const used = containers.map(async (container) => {
    const { version, folder } = await cgroupOf(container, "cpuacct");
    return version === 1
      ? Number(await readFile(join(folder, "cpuacct.usage"), "utf8")) / 1e9
      : (await fieldsOf(join(folder, "cpu.stat")))("usage_usec") / 1e6;
  });
  return sum(await Promise.all(used));
}

/** The memory of containers that cannot be had back by dropping cached files, in MiB. */
export async function memoryMiB(containers: readonly string[]): Promise<number> {
  const used = containers.map(async (container) => {
    const { version, folder } = await cgroupOf(container, "memory");
    const [all, prefix] =
      version === 1 ? ["memory.usage_in_bytes", "total_"] : ["memory.current", ""];
    const bytes = Number(await readFile(join(folder, all), "utf8"));
    const field = await fieldsOf(join(folder, "memory.stat"));
    return (bytes - field(`${prefix}active_file`) - field(`${prefix}inactive_file`)) / 2 ** 20;
  });
  return sum(await Promise.all(used));
}

interface Cgroup {
  version: 1 | 2;
  /** Where its files are. */
  folder: string;
}

/** Read here, as an engine may take a second to tell: Docker 20.10 does. */
async function cgroupOf(container: string, controller: string): Promise<Cgroup> {
  const pid = await docker("inspect", "--format", "{{.State.Pid}}", container);
  return parseCgroup(await readFile(`/proc/${pid}/cgroup`, "utf8"), controller);
}

/**
 * The cgroup of `/proc/<pid>/cgroup` that a controller of version 1 counts for, or else the one of
 * version 2, which counts everything.
 *
 * @see man 7 cgroups
 */
export function parseCgroup(text: string, controller: string): Cgroup {
  const groups = text.split("\n").map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? []);
  const root = "/sys/fs/cgroup";
  for (const [, controllers = "", path = ""] of groups) {
    if (controllers.split(",").includes(controller)) {
      return { version: 1, folder: join(root, controllers, path) };
    }
  }
  const [, , path] = groups.find(([, controllers]) => controllers === "") ?? [];
  if (path === undefined) throw new Error(`cgroups: expected one of a container, got:\n${text}`);
  return { version: 2, folder: join(root, path) };
}

/** A file with a name and a number on each line. */
async function fieldsOf(file: string): Promise<(name: string) => number> {
  const lines = (await readFile(file, "utf8")).split("\n").map((line) => line.split(" "));
  const fields = new Map(lines.map(([name = "", value]) => [name, Number(value)]));
  return (name) => {
    const value = fields.get(name);
    if (value === undefined) throw new Error(`${file}: expected ${name} in it`);
    return value;
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
