import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "../find-program";
import { Problem } from "../problem";
import type { Progress } from "../progress";
import { lastLines, runLogged } from "../run";
import { canInstallPackages, ensureDebianPackages } from "../setup/debian-packages";
import type { EngineAddress } from "./address";
import { EngineApi } from "./api";

/** Where a dockerd that these scripts started writes; its pid is where dockerd itself puts it. */
export const engineLog = "/var/log/private-registry-dockerd.log";

/** What is known when an engine does not answer. */
export interface EngineSituation {
  platform: NodeJS.Platform;
  isRoot: boolean;
  /** The engine is the local one that nobody chose: it may be installed and started. */
  isDefault: boolean;
  /** dockerd is on this machine. */
  isInstalled: boolean;
  /** Debian or Ubuntu, as root. */
  canInstall: boolean;
  /** The code of the failed connection, such as ENOENT or EACCES. */
  errorCode: string | undefined;
}

export type EngineRemedy = "install" | "start" | "tell";

/** What may be done about an engine that does not answer. */
export function remedyFor(situation: EngineSituation): EngineRemedy {
  if (!situation.isDefault || situation.errorCode === "EACCES") return "tell";
  if (situation.platform !== "linux" || !situation.isRoot) return "tell";
  if (situation.isInstalled) return "start";
  return situation.canInstall ? "install" : "tell";
}

/** The steps for the user where nothing may be done without asking. */
export function engineMend(situation: EngineSituation, address: EngineAddress): string[] {
  if (!situation.isDefault) {
    return [`The engine is named by ${address.from}: start it, or name another one.`];
  }
  if (situation.errorCode === "EACCES") {
    return [
      "Your user may not use the engine's socket. Add it to the group, then log in again:",
      "  sudo usermod -aG docker $USER",
    ];
  }
  if (situation.platform !== "linux") {
    return [
      "Install and start Docker Desktop, or any engine with a Docker socket, and run this again.",
    ];
  }
  if (situation.isInstalled) return ["Start it: sudo systemctl start docker"];
  return [
    "Install it: on Debian and Ubuntu sudo apt-get install docker.io, elsewhere see",
    "https://docs.docker.com/engine/install/. Or set DOCKER_HOST to an engine elsewhere.",
  ];
}

/** Makes sure that the engine answers: installs and starts it where that may be done. */
export async function ensureEngine(
  address: EngineAddress,
  progress: Progress,
  logs: string,
): Promise<EngineApi> {
  const api = new EngineApi(address.host);
  const failure = await connectFailure(api);
  if (failure === undefined) return api;

  const situation = look(address, failure);
  const remedy = remedyFor(situation);
  if (remedy === "tell") {
    throw new Problem(
      `Docker engine: ${address.host} does not answer (${failure.message}).`,
      engineMend(situation, address),
    );
  }
  if (remedy === "install") {
    const log = join(logs, "docker-install.log");
    const title = "Docker engine: none here, installing docker.io and iptables with apt-get";
    await progress.step({ title, usually: "30 to 60 s", log }, () => installEngine(log));
  }
  await progress.step({ title: "Docker engine: starting", usually: "2 to 10 s" }, () =>
    startEngine(api, join(logs, "docker-start.log")),
  );
  return api;
}

/** Why the engine does not answer; undefined when it does. */
export async function connectFailure(api: EngineApi): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await api.version();
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

/** Gathers what remedyFor decides by. */
export function look(address: EngineAddress, failure: NodeJS.ErrnoException): EngineSituation {
  return {
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    isDefault: address.isDefault,
    isInstalled: findProgram("dockerd", enginePath()) !== undefined,
    canInstall: canInstallPackages(),
    errorCode: failure.code,
  };
}

async function installEngine(log: string): Promise<void> {
  // Debian 13 has the command line in a package of its own.
  await ensureDebianPackages(["docker.io", "iptables"], log);
  if (findProgram("docker", enginePath()) === undefined) {
    await ensureDebianPackages(["docker-cli"], log);
  }
}

async function startEngine(api: EngineApi, log: string): Promise<void> {
  // A package's own script may have started it, or be about to.
  if (await answersWithin(api, 2)) return;
  if (existsSync("/run/systemd/system")) {
    await runLogged({ file: "systemctl", args: ["start", "docker"], log });
    if (await answersWithin(api, 60)) return;
    throw new Problem("Docker engine: systemd started it, but it does not answer.", [
      "See: journalctl --unit docker",
    ]);
  }
  const output = openSync(engineLog, "a", 0o640);
  const dockerd = findProgram("dockerd", enginePath()) ?? "dockerd";
  // A session of its own: it outlives this run and its terminal.
  const child = spawn(dockerd, [], {
    detached: true,
    stdio: ["ignore", output, output],
    env: { ...process.env, PATH: enginePath() },
  });
  let ended: string | undefined;
  child.on("exit", (code, signal) => (ended = `exit code ${code ?? signal ?? "unknown"}`));
  child.on("error", (error) => (ended = error.message));
  child.unref();
  closeSync(output);
  for (let second = 0; second < 60; second += 1) {
    if (await answersWithin(api, 1)) return;
    // Another run may have started it at the same moment; then ours ends and theirs answers.
    if (ended !== undefined && !(await answersWithin(api, 10))) break;
  }
  throw new Problem(`Docker engine: dockerd does not answer (${ended ?? "still starting"}):`, [
    ...lastLines(readFileSync(engineLog, "utf8"), 8).map((line) => `| ${line}`),
    `The whole log: ${engineLog}`,
  ]);
}

async function answersWithin(api: EngineApi, seconds: number): Promise<boolean> {
  const end = Date.now() + seconds * 1_000;
  do {
    if ((await connectFailure(api)) === undefined) return true;
    await sleep(250);
  } while (Date.now() < end);
  return false;
}

/** dockerd lies in an administrator's folder, which a plain user's or a bare PATH may lack. */
function enginePath(): string {
  return `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;
}
