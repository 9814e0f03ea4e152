import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { hashOf, obtain, type Part, type PartStore } from "../../toolchain/part";
import type { Parts } from "../../toolchain/parts";
import { findProgram, isExecutable } from "../find-program";
import { withLock } from "../locks";
import { providerNames, type Pins, type ProviderName } from "../pins";
import { describeFailure } from "../problem";
import { runLogged } from "../run";
import { canDownload } from "./downloads";
import type { PulumiCli } from "./cli";

/** How a provider plugin stands on this machine. */
export type PluginState =
  | { kind: "on PATH"; file: string }
  /** Pulumi's, or put there by somebody: never touched. */
  | { kind: "theirs"; file: string }
  /** Built by us from the sources as they are. */
  | { kind: "ours"; file: string }
  /** Built by us from other sources. */
  | { kind: "outdated"; file: string }
  | { kind: "missing" };

/** One provider plugin. */
export interface PluginName {
  name: ProviderName;
  version: string;
}

const STAMP = ".private-registry.json";
const stampSchema = z.object({ hash: z.string(), size: z.number(), mtimeMs: z.number() });

/**
 * Looks a plugin up where the CLI will.
 *
 * @param home The CLI's folder, with `plugins/` in it.
 * @param searchPath The PATH that the CLI will have; undefined leaves it out.
 * @param wantedHash The hash of what we would build now.
 */
export function pluginState(
  plugin: PluginName,
  home: string,
  searchPath: string | undefined,
  wantedHash: string,
): PluginState {
  const program = `pulumi-resource-${plugin.name}`;
  const ambient = findProgram(program, searchPath);
  if (ambient !== undefined) return { kind: "on PATH", file: ambient };
  const folder = pluginFolder(plugin, home);
  const file = join(folder, program);
  // The CLI marks an installation that is not complete with `.partial`, and so do we.
  const marks = [`${folder}.partial`, installingMark(folder)];
  if (!isExecutable(file) || marks.some((mark) => existsSync(mark))) return { kind: "missing" };
  const stamp = readStamp(folder);
  if (stamp === undefined) return { kind: "theirs", file };
  const { size, mtimeMs } = statSync(file);
  // Somebody has put another binary in the place of ours.
  if (stamp.size !== size || stamp.mtimeMs !== mtimeMs) return { kind: "theirs", file };
  return { kind: stamp.hash === wantedHash ? "ours" : "outdated", file };
}

/** Remembers that we put the plugin there, and from which sources. */
export function stampPlugin(plugin: PluginName, home: string, hash: string): void {
  const folder = pluginFolder(plugin, home);
  const { size, mtimeMs } = statSync(join(folder, `pulumi-resource-${plugin.name}`));
  writeFileSync(join(folder, STAMP), JSON.stringify({ hash, size, mtimeMs }));
}

/** Where the CLI keeps a plugin. */
export function pluginFolder(plugin: PluginName, home: string): string {
  return join(home, "plugins", `resource-${plugin.name}-v${plugin.version}`);
}

/** What is needed to look plugins up, and to install them. */
export interface PluginRequest {
  env: NodeJS.ProcessEnv;
  home: string;
  pins: Pins;
  parts: Parts;
  store: PartStore;
}

/** How each provider plugin of the project stands. */
export function pluginStates(request: PluginRequest): Map<PluginName, PluginState> {
  return new Map(
    providerNames.map((name) => {
      const plugin = { name, version: request.pins.providers[name] };
      const hash = hashOf(partOf(name, request.parts));
      return [plugin, pluginState(plugin, request.home, request.env["PATH"], hash)];
    }),
  );
}

/** Makes sure of all provider plugins: downloads them where that is possible, builds them else. */
export async function ensurePlugins(
  request: PluginRequest,
  cli: Promise<PulumiCli>,
): Promise<void> {
  const wanted = [...pluginStates(request)]
    .filter(([, state]) => state.kind === "missing" || state.kind === "outdated")
    .map(([plugin]) => plugin);
  if (wanted.length === 0) return;
  const { progress } = request.store;
  const download = await canDownload(progress);
  await Promise.all(
    wanted.map(async (plugin) => {
      if (download && (await downloaded(plugin, request, await cli))) return;
      const part = partOf(plugin.name, request.parts);
      const folder = await obtain(part, request.store);
      await installBuilt(
        plugin,
        join(folder, `pulumi-resource-${plugin.name}`),
        request,
        await cli,
      );
    }),
  );
}

/** Fetches Pulumi's own plugin; false, and a line about it, if that fails. */
async function downloaded(
  plugin: PluginName,
  request: PluginRequest,
  cli: PulumiCli,
): Promise<boolean> {
  const { store } = request;
  const title = `Pulumi provider ${plugin.name} v${plugin.version}: downloading`;
  const log = join(store.logFolder, `plugin-${plugin.name}.log`);
  try {
    await store.progress.step({ title, usually: "5 to 30 s", log, isAttempt: true }, () =>
      runLogged({
        file: cli.program,
        args: ["plugin", "install", "resource", plugin.name, plugin.version, "--reinstall"],
        env: { PULUMI_HOME: request.home, PULUMI_SKIP_UPDATE_CHECK: "true" },
        log,
        timeoutSeconds: 600,
      }),
    );
    return true;
  } catch (error) {
    store.progress.note(describeFailure(error));
    return false;
  }
}

async function installBuilt(
  plugin: PluginName,
  binary: string,
  request: PluginRequest,
  cli: PulumiCli,
): Promise<void> {
  const { home, store } = request;
  const hash = hashOf(partOf(plugin.name, request.parts));
  const onWait = () =>
    store.progress.note(`• plugin ${plugin.name}: another run installs it, waiting`);
  const log = join(store.logFolder, `plugin-${plugin.name}.log`);
  await withLock(join(home, "plugins", `private-registry-${plugin.name}`), onWait, async () => {
    const state = pluginState(plugin, home, undefined, hash);
    if (state.kind === "ours" || state.kind === "theirs") return;
    const mark = installingMark(pluginFolder(plugin, home));
    writeFileSync(mark, "");
    await runLogged({
      file: cli.program,
      args: [
        ...["plugin", "install", "resource", plugin.name, plugin.version],
        ...["--reinstall", "--file", binary],
      ],
      env: { PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true" },
      log,
    });
    stampPlugin(plugin, home, hash);
    rmSync(mark);
    store.progress.note(
      `✓ Pulumi provider ${plugin.name} v${plugin.version}: installed as built here`,
    );
  });
}

/** Is there while we install: without it, a binary of ours without its stamp would pass as theirs. */
function installingMark(folder: string): string {
  return `${folder}.private-registry-installing`;
}

function partOf(name: ProviderName, parts: Parts): Part {
  return name === "command" ? parts.commandProvider : parts.providers;
}

function readStamp(folder: string): z.infer<typeof stampSchema> | undefined {
  const file = join(folder, STAMP);
  if (!existsSync(file)) return undefined;
  const parsed = stampSchema.safeParse(JSON.parse(readFileSync(file, "utf8")));
  return parsed.success ? parsed.data : undefined;
}
