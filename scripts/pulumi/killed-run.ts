import { existsSync, readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Context } from "../context";
import { EngineApi } from "../engine/api";
import { readJson, readText } from "../files";
import { ownFolder } from "../paths";
import { Problem } from "../problem";
import type { PulumiCli } from "./cli";
import { askPulumi } from "./run";
import { stateFile, stateMend } from "./stack";

const lockSchema = z.object({
  pid: z.number(),
  hostname: z.string(),
  username: z.string().optional(),
  timestamp: z.string().optional(),
});

const stateSchema = z.object({
  checkpoint: z.object({
    latest: z
      .object({
        resources: z
          .array(
            z.object({
              urn: z.string(),
              type: z.string(),
              id: z.string().optional(),
              outputs: z.looseObject({ hex: z.string().optional() }).optional(),
            }),
          )
          .optional(),
        pending_operations: z.array(z.unknown()).optional(),
      })
      .nullish(),
  }),
});

/** What a state file of the local backend tells about a run that did not come to its end. */
export interface StateFacts {
  /** The ids of the engine's objects that the state knows. */
  known: string[];
  /** The volumes among them that only this installation's containers use. */
  ownVolumes: string[];
  /** The ids of the installations, which label what they make. */
  installations: string[];
  /** Something was being done, and how far it came is not known. */
  isPending: boolean;
}

/**
 * Takes up a deployment that was killed (SIGKILL, power cut) in the local backend of this checkout.
 * Pulumi would refuse the next one for the lock that is left; and what was made on the engine and
 * not written down would stay for ever, a container with the port in its hands.
 */
export async function takeUpKilledRun(context: Context, cli: PulumiCli): Promise<void> {
  const { backend, progress, project, stack } = context;
  const file = stateFile(ownFolder, project.name, stack.name);
  if (backend.backend !== "ours" || !existsSync(file)) return;
  await endDeadLocks(context, cli);
  if (!project.isEngineKnown) return;
  const state = readState(file);
  const api = new EngineApi(context.engine.host);
  const docker = async (...args: string[]) =>
    (await api.docker(args, ENGINE_SECONDS)).split("\n").filter((line) => line !== "");
  // A state that was brought back from a copy may be older than what runs, too.
  for (const { kind, list, remove } of engineObjects.slice(0, state.isPending ? undefined : 1)) {
    const labelled = ["--filter", "label=private-registry", "--format", "{{json .}}"];
    const listed = await docker(kind, "ls", ...list, ...labelled);
    for (const id of leftOver(listed.map(readObject), state)) {
      progress.note(
        `• removing ${kind} ${id.slice(0, 40)}, which this stack has made and its state does not know`,
      );
      await docker(kind, "rm", ...remove, id);
    }
  }
  if (!state.isPending) return;
  const clear = ["refresh", "--yes", "--skip-preview", "--clear-pending-creates"];
  await askPulumi(context, cli, clear);
}

/**
 * Takes away locks of runs that are no more, in the local backend of this checkout.
 *
 * @throws Problem, with who it is, if somebody may be at work
 */
export async function endDeadLocks(context: Context, cli: PulumiCli): Promise<void> {
  const { backend, npmRun, progress, project, stack } = context;
  if (backend.backend !== "ours") return;
  const folder = join(ownFolder, "state/.pulumi/locks/organization", project.name, stack.name);
  const { killed, holders } = readLocks(folder, isRunningPulumi);
  // What that run is making is not known to the state yet.
  if (holders.length > 0) {
    throw new Problem(`stack ${stack.name}: another run has locked it: ${holders.join("; ")}.`, [
      "Wait for it to end. If it does not run any more (only you can know that of another machine, or",
      "of a container that is gone), take its lock away, then run this again:",
      `  ${npmRun} pulumi -- cancel`,
    ]);
  }
  if (killed.length > 0) {
    progress.note(`• the last run (${killed.join(", ")}) was killed: taking it up`);
    await askPulumi(context, cli, ["cancel", "--yes"]);
  }
}

/** A container that is removed is stopped first. */
const ENGINE_SECONDS = 120;

/** What has labels of an installation; in the order in which it can be removed. */
const engineObjects = [
  { kind: "container", list: ["--all", "--no-trunc"], remove: ["--force", "--volumes"] },
  { kind: "volume", list: [], remove: [] },
  { kind: "network", list: ["--no-trunc"], remove: [] },
];

/** An object of the engine with the labels of an installation. */
export interface EngineObject {
  id: string;
  /** The id of the installation that has made it; empty if it is from before there were ids. */
  installation: string;
  /** The names of the volumes that it mounts. */
  mounts: string[];
}

const listedSchema = z.object({
  ID: z.string().optional(),
  Name: z.string().optional(),
  Labels: z.string(),
  Mounts: z.string().optional(),
});

/** Reads a line of `docker <kind> ls --format "{{json .}}"`; "json" alone is no format before 23.0. */
export function readObject(line: string): EngineObject {
  const { ID, Name, Labels, Mounts = "" } = listedSchema.parse(JSON.parse(line));
  return {
    id: ID ?? Name ?? "", // volumes have a name only
    installation: /(?:^|,)private-registry\.id=([^,]*)/.exec(Labels)?.[1] ?? "",
    mounts: Mounts.split(","),
  };
}

/**
 * Which objects this state has made and does not know. Another clone's, or another person's, may have
 * the same name; its id, and its volumes, are its own.
 */
export function leftOver(objects: readonly EngineObject[], state: StateFacts): string[] {
  return objects
    .filter(({ id }) => !state.known.includes(id))
    .filter(({ installation, mounts }) =>
      installation === ""
        ? mounts.some((volume) => state.ownVolumes.includes(volume))
        : state.installations.includes(installation),
    )
    .map(({ id }) => id);
}

/** Who has locked a stack; see {@link readLocks}. */
export interface Locks {
  /** Runs that are no more, by what is known of them: processes of this machine. */
  killed: string[];
  /** Others, who may be at work. */
  holders: string[];
}

/**
 * Reads the locks in `folder`. One that is empty, or no lock, is what a power cut leaves: Pulumi puts
 * a lock there in one piece.
 */
export function readLocks(folder: string, isRunning: (pid: number) => boolean): Locks {
  const files = existsSync(folder) ? readdirSync(folder) : [];
  const locks: Locks = { killed: [], holders: [] };
  for (const name of files.filter((name) => name.endsWith(".json"))) {
    const lock = readLock(join(folder, name));
    if (lock === undefined) locks.killed.push("its lock is broken");
    else if (lock.hostname !== hostname() || isRunning(lock.pid)) locks.holders.push(holder(lock));
    else locks.killed.push(`process ${lock.pid}`);
  }
  return locks;
}

type Lock = z.infer<typeof lockSchema>;

function readLock(file: string): Lock | undefined {
  const text = readText(file, [`It is a lock of Pulumi's. If nothing runs, delete it: rm ${file}`]);
  try {
    return lockSchema.parse(JSON.parse(text ?? ""));
  } catch {
    return undefined;
  }
}

function holder({ pid, hostname: host, username = "somebody", timestamp }: Lock): string {
  const since =
    timestamp === undefined ? "" : `, since ${timestamp.slice(0, 19).replace("T", " ")}`;
  return `${username} on ${host}, process ${pid}${since}`;
}

/** Reads a state file of the local backend. */
export function readState(file: string): StateFacts {
  const latest = readJson(file, stateSchema, stateMend(file))?.checkpoint.latest;
  const resources = latest?.resources ?? [];
  const ofType = (type: RegExp) => resources.filter((one) => type.test(one.type));
  return {
    known: ofType(/^docker:/).flatMap(({ id }) => id ?? []),
    // The images' volume may be shared with others, as it is kept and taken over.
    ownVolumes: ofType(/^docker:.*:Volume$/).flatMap(({ id, urn }) =>
      id === undefined || urn.endsWith("-data") ? [] : [id],
    ),
    installations: ofType(/^random:.*:RandomId$/).flatMap(({ outputs }) =>
      outputs?.hex === undefined ? [] : [outputs.hex.slice(outputs.hex.lastIndexOf("-") + 1)],
    ),
    isPending: (latest?.pending_operations ?? []).length > 0,
  };
}

/** Throws a Problem if the stack's state, in the local backend of this checkout, cannot be read. */
export function requireWholeState({ backend, project, stack }: Context): void {
  if (backend.backend === "ours") readState(stateFile(ownFolder, project.name, stack.name));
}

/** Whether `pid` is a Pulumi CLI that runs: it may be another process by now, or be killed. */
export function isRunningPulumi(pid: number): boolean {
  try {
    // See proc(5): a zombie is a process that has ended and whose parent has not asked for it yet.
    const stat = readFileSync(join("/proc", String(pid), "stat"), "utf8");
    return /^\d+ \(pulumi\S*\) [^ZX]/.test(stat);
  } catch {
    return false;
  }
}
