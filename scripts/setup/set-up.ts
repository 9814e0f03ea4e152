import type { Context } from "../context";
import { ensureEngine } from "../engine/ensure";
import { ensureImage } from "../engine/images";
import { EngineApi } from "../engine/api";
import { findProgram } from "../find-program";
import { isRemote } from "../engine/address";
import { images } from "../pins";
import { Problem } from "../problem";
import { ensureCli, type PulumiCli } from "../pulumi/cli";
import { ensurePlugins } from "../pulumi/plugins";

/** What a command needs besides the Pulumi CLI. */
export interface Needs {
  /** A Docker engine that answers. */
  engine: boolean;
  /** The default images on the engine. */
  images: boolean;
}

/** Makes sure of the engine, the images, the Pulumi CLI and its plugins, side by side. */
export async function setUp(context: Context, needs: Needs): Promise<PulumiCli> {
  const { env, home, parts, pins, store } = context;
  const cli = ensureCli({ env, home, version: pins.pulumi, parts, store });
  // The first failure ends the set-up; what Go has compiled by then is not compiled again.
  await Promise.all([
    cli,
    ensurePlugins({ env, home, pins, parts, store }, cli),
    ensureEngineAndImages(context, needs),
  ]);
  return cli;
}

async function ensureEngineAndImages(context: Context, needs: Needs): Promise<void> {
  // One that the settings name wrongly is for the program to report, with all that is wrong in them.
  if (!needs.engine || !context.project.isEngineKnown) return;
  const { engine, parts, progress, store } = context;
  let api: EngineApi;
  if (isRemote(engine.host)) {
    requireForRemote(engine.host);
    api = new EngineApi(engine.host);
    await requireAnswer(api, engine.from);
  } else {
    api = await ensureEngine(engine, progress, store.logFolder);
  }
  if (!needs.images) return;
  requireDockerCommand();
  // Where the stack names another image, the deployment itself gets it.
  const wanted = { ...images, ...definedOnly(context.project.images) };
  await Promise.all([
    wanted.registry === images.registry
      ? ensureImage(api, images.registry, parts.registryImage, store)
      : undefined,
    wanted.nginx === images.nginx
      ? ensureImage(api, images.nginx, parts.nginxImage, store)
      : undefined,
  ]);
}

/** An engine may have come without the docker command; with a package of it might come another. */
function requireDockerCommand(): void {
  if (findProgram("docker", process.env["PATH"]) !== undefined) return;
  throw new Problem("docker: not found on PATH, but needed beside the engine.", [
    "On Debian and Ubuntu: sudo apt-get install docker-cli (in older releases: docker.io)",
  ]);
}

/** The programs with which an engine on another machine is reached. */
function requireForRemote(host: string): void {
  const programs = host.startsWith("ssh://") ? ["docker", "ssh"] : ["docker"];
  for (const program of programs) {
    if (findProgram(program, process.env["PATH"]) !== undefined) continue;
    throw new Problem(`${program}: not found, but needed to reach the engine ${host}.`, [
      program === "ssh"
        ? "On Debian and Ubuntu: apt-get install openssh-client"
        : "On Debian and Ubuntu: apt-get install docker.io (or docker-cli); no engine needs to run here.",
    ]);
  }
}

async function requireAnswer(api: EngineApi, from: string): Promise<void> {
  try {
    await api.version();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Problem(`Docker engine: ${api.host} (from ${from}) does not answer: ${reason}`, [
      `Try it by hand: docker -H ${api.host} version`,
    ]);
  }
}

function definedOnly(named: {
  registry: string | undefined;
  nginx: string | undefined;
}): Partial<Record<"registry" | "nginx", string>> {
  return {
    ...(named.registry === undefined ? {} : { registry: named.registry }),
    ...(named.nginx === undefined ? {} : { nginx: named.nginx }),
  };
}
