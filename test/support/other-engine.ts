/** A second Docker engine on this machine, with what not every engine has or lacks. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, openSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

/** Whether this machine has the control groups (version 1) that can be hidden from an engine. */
export const canHideLimits = existsSync("/sys/fs/cgroup/memory");

export interface Engine {
  host: string;
  stop(): Promise<void>;
}

/** One that cannot limit memory and processes, as on Raspberry Pi OS by default. */
export function startLimitlessEngine(): Promise<Engine> {
  return startEngine("umount /sys/fs/cgroup/memory /sys/fs/cgroup/pids", []);
}

/** One whose containers' users are others on this machine: 0 is 100000 (`userns-remap`). */
export function startRemappingEngine(): Promise<Engine> {
  return startEngine("mount --bind ids /etc/subuid && mount --bind ids /etc/subgid", [
    "--userns-remap",
    "daemon",
  ]);
}

/**
 * Starts an engine in namespaces of its own for mounts and networks, with the two images.
 *
 * @param before A line of shell that is run there before, in a folder of its own.
 */
async function startEngine(before: string, options: readonly string[]): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), "private-registry-test-engine-"));
  await chmod(folder, 0o755); // for the users that others become
  await writeFile(join(folder, "ids"), "daemon:100000:65536\n");
  const host = `unix://${folder}/docker.sock`;
  const dockerd = [
    ...["dockerd", "--host", host, "--data-root", `${folder}/data`],
    ...["--exec-root", `${folder}/exec`, "--pidfile", `${folder}/pid`, ...options],
  ].join(" ");
  const log = join(folder, "log");
  const line = `${before} && ip link set lo up && exec ${dockerd}`;
  const child = spawn("unshare", ["--mount", "--net", "sh", "-c", line], {
    cwd: folder,
    env: { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` },
    stdio: ["ignore", "ignore", openSync(log, "w")],
  });
  const stop = async () => {
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await answers(host, log);
    await execa("docker", ["save", "registry:3.1.2", "nginx:1.30"], {
      ...{ encoding: "buffer", buffer: false },
    }).pipe("docker", ["--host", host, "load"]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, stop };
}

async function answers(host: string, log: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const asked = await execa("docker", ["--host", host, "version"], { reject: false });
    if (asked.exitCode === 0) return;
    if (tries === 60) {
      const lastWords = readFileSync(log, "utf8").split("\n").slice(-10).join("\n");
      throw new Error(`${host} does not answer: ${asked.stderr}\n${lastWords}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => {
      resolve();
    });
    if (!child.kill()) resolve(); // it has ended already
  });
}
