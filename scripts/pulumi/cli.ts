import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { execa } from "execa";
import { z } from "zod";
import { hashOf, obtain, partFolder, type Part, type PartStore } from "../../toolchain/part";
import type { Parts } from "../../toolchain/parts";
import { findProgram, isExecutable } from "../find-program";
import { Problem } from "../problem";
import { isAtLeast } from "../versions";
import { canDownload, downloadCli } from "./downloads";

/** The oldest CLI that the programs and commands of this project were made for. */
export const OLDEST_CLI = "3.200.0";

const HOST = "pulumi-language-nodejs";

/** A Pulumi CLI with a Node.js language host. */
export interface PulumiCli {
  program: string;
  version: string;
  /** Folders that PATH must begin with for the CLI to find its language host. */
  folders: string[];
  /** For people: "your own", "downloaded", "built from Go modules". */
  origin: string;
}

/** What is needed to find or get a CLI. */
export interface CliRequest {
  env: NodeJS.ProcessEnv;
  home: string;
  version: string;
  parts: Parts;
  store: PartStore;
}

/** Finds a CLI on this machine, without the network and without building. */
export async function findCli(request: CliRequest): Promise<PulumiCli | undefined> {
  return (await findOwn(request)) ?? (await findDownloaded(request)) ?? (await findBuilt(request));
}

/** Finds a CLI, or downloads it where that is possible, or builds it. */
export async function ensureCli(request: CliRequest): Promise<PulumiCli> {
  const found = await findCli(request);
  if (found !== undefined) return found;
  const { env, parts, store, version } = request;
  if (await canDownload(env, version, store.progress)) {
    try {
      discard(partFolder(releasePart(request), store.cacheFolder), store);
      await obtain(releasePart(request), store);
      const downloaded = await findDownloaded(request);
      if (downloaded !== undefined) return downloaded;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      store.progress.note(
        `• Pulumi CLI v${version}: not downloaded, so it is built from Go modules (${error.message})`,
      );
    }
  }
  discard(engineFolder(request), store);
  const made = [obtain(parts.pulumiCli, store), obtain(parts.languageHost, store)] as const;
  assemble(request, ...(await Promise.all(made)));
  const built = await findBuilt(request);
  if (built !== undefined) return built;
  const folders = [parts.pulumiCli, parts.languageHost].map((p) =>
    partFolder(p, store.cacheFolder),
  );
  throw new Problem("Pulumi CLI: what was built does not run.", [
    `Have it built again: rm -rf ${[engineFolder(request), ...folders].join(" ")}`,
  ]);
}

/** Removes what was found not to run, such as files that a power cut has emptied. */
function discard(folder: string, store: PartStore): void {
  if (!existsSync(folder)) return;
  store.progress.note(`• ${folder}: damaged, so it is made anew`);
  rmSync(folder, { recursive: true, force: true });
}

/** The user's own: on PATH, or where Pulumi's installer puts it. */
async function findOwn(request: CliRequest): Promise<PulumiCli | undefined> {
  const searchPath = [request.env["PATH"] ?? "", join(request.home, "bin")].join(delimiter);
  const program = findProgram("pulumi", searchPath);
  if (program === undefined) return undefined;
  const version = await versionOf(program, request.store.cacheFolder);
  if (version === undefined || !isAtLeast(version, OLDEST_CLI)) {
    const got = version ?? "no version";
    request.store.progress.note(
      `• ${program} is not used: ${OLDEST_CLI} or newer is needed, got ${got}`,
    );
    return undefined;
  }
  const folder = dirname(realpathSync(program));
  if (isExecutable(join(folder, HOST)) || findProgram(HOST, searchPath) !== undefined) {
    return { program, version, folders: [dirname(program), folder], origin: "your own" };
  }
  request.store.progress.note(`• ${program} is not used: it has no ${HOST} beside it`);
  return undefined;
}

async function findDownloaded(request: CliRequest): Promise<PulumiCli | undefined> {
  const folder = join(partFolder(releasePart(request), request.store.cacheFolder), "bin");
  return findIn(folder, request, "downloaded from Pulumi");
}

async function findBuilt(request: CliRequest): Promise<PulumiCli | undefined> {
  return findIn(engineFolder(request), request, "built from Go modules");
}

async function findIn(
  folder: string,
  { store, version }: CliRequest,
  origin: string,
): Promise<PulumiCli | undefined> {
  const program = join(folder, "pulumi");
  if (!isExecutable(program) || !isExecutable(join(folder, HOST))) return undefined;
  if ((await versionOf(program, store.cacheFolder)) === undefined) return undefined;
  return { program, version, folders: [folder], origin };
}

/** Where the built CLI and language host lie together: the CLI warns of a host found on PATH. */
function engineFolder({ parts, store }: CliRequest): string {
  const id = `${hashOf(parts.pulumiCli)}-${hashOf(parts.languageHost)}`;
  return join(store.cacheFolder, "pulumi-engine", id);
}

/** Links what was built into one folder, beside and renamed. */
function assemble(request: CliRequest, cliFolder: string, hostFolder: string): void {
  const folder = engineFolder(request);
  mkdirSync(dirname(folder), { recursive: true });
  const draft = mkdtempSync(`${folder}.`);
  linkSync(join(cliFolder, "pulumi"), join(draft, "pulumi"));
  linkSync(join(hostFolder, HOST), join(draft, HOST));
  try {
    renameSync(draft, folder);
  } catch (error) {
    // Another run was first.
    rmSync(draft, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
}

/** Pulumi's own release. */
function releasePart({ env, version }: CliRequest): Part {
  return {
    name: "pulumi-release",
    title: `Pulumi CLI v${version}: downloading`,
    usually: "10 to 60 s",
    sources: [],
    recipe: [version],
    isAttempt: true,
    build: (work) => downloadCli(version, env, work),
  };
}

const known = z.record(
  z.string(),
  z.object({ version: z.string(), size: z.number(), mtimeMs: z.number() }),
);

/** The version of a CLI. Asking takes a second, so the answer is kept as long as the file is the same. */
async function versionOf(program: string, cacheFolder: string): Promise<string | undefined> {
  const memory = join(cacheFolder, "known-cli-versions.json");
  const { size, mtimeMs } = statSync(program);
  const remembered = readKnown(memory);
  const entry = remembered[program];
  if (entry?.size === size && entry.mtimeMs === mtimeMs) return entry.version;
  const result = await execa(program, ["version"], {
    env: { PULUMI_SKIP_UPDATE_CHECK: "true" },
    timeout: 30_000,
    stdin: "ignore",
    reject: false,
  });
  const version = result.stdout.trim().replace(/^v/, "");
  if (result.exitCode !== 0 || version === "") return undefined;
  try {
    mkdirSync(cacheFolder, { recursive: true });
    writeFileSync(memory, JSON.stringify({ ...remembered, [program]: { version, size, mtimeMs } }));
  } catch {
    // In a folder that cannot be written to: it is asked again.
  }
  return version;
}

function readKnown(file: string): z.infer<typeof known> {
  if (!existsSync(file)) return {};
  try {
    return known.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return {}; // another run may be writing it
  }
}
