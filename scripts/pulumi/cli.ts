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
import { describeFailure } from "../problem";
import { runLogged } from "../run";
import { isAtLeast } from "../versions";
import { canDownload, installerAddress } from "./downloads";

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
  return (await findOwn(request)) ?? findDownloaded(request) ?? findBuilt(request);
}

/** Finds a CLI, or downloads it where that is possible, or builds it. */
export async function ensureCli(request: CliRequest): Promise<PulumiCli> {
  const found = await findCli(request);
  if (found !== undefined) return found;
  const { parts, store } = request;
  if (await canDownload(store.progress)) {
    try {
      await obtain(releasePart(request.version), store);
      const downloaded = findDownloaded(request);
      if (downloaded !== undefined) return downloaded;
    } catch (error) {
      store.progress.note(describeFailure(error));
    }
  }
  const made = [obtain(parts.pulumiCli, store), obtain(parts.languageHost, store)] as const;
  assemble(request, ...(await Promise.all(made)));
  const built = findBuilt(request);
  if (built === undefined) throw new Error("the built Pulumi CLI is not where it was put");
  return built;
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

function findDownloaded(request: CliRequest): PulumiCli | undefined {
  const { version } = request;
  const folder = join(partFolder(releasePart(version), request.store.cacheFolder), "bin");
  const program = join(folder, "pulumi");
  if (!isExecutable(program)) return undefined;
  return { program, version, folders: [folder], origin: "downloaded from Pulumi" };
}

function findBuilt(request: CliRequest): PulumiCli | undefined {
  const folder = engineFolder(request);
  const program = join(folder, "pulumi");
  if (!isExecutable(program)) return undefined;
  const { version } = request;
  return { program, version, folders: [folder], origin: "built from Go modules" };
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

/** Pulumi's own release, by its own installer. */
function releasePart(version: string): Part {
  return {
    name: "pulumi-release",
    title: `Pulumi CLI v${version}: downloading`,
    usually: "10 to 60 s",
    sources: [],
    recipe: [version],
    build: async ({ folder, log }) => {
      const script = join(folder, "install.sh");
      const fetched = ["--fail", "--silent", "--show-error", "--location", "--output", script];
      await runLogged({ file: "curl", args: [...fetched, installerAddress], log });
      await runLogged({
        file: "sh",
        args: [script, "--no-edit-path", "--install-root", folder, "--version", version],
        log,
      });
    },
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
  mkdirSync(cacheFolder, { recursive: true });
  writeFileSync(memory, JSON.stringify({ ...remembered, [program]: { version, size, mtimeMs } }));
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
