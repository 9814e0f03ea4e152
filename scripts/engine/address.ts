import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { nonEmpty } from "../paths";

/** Where the Docker engine of the deployment is, and who said so. */
export interface EngineAddress {
  /** Such as `unix:///var/run/docker.sock` or `ssh://ops@registry.example.com`. */
  host: string;
  /** For messages: "DOCKER_HOST", "the Docker context web", … */
  from: string;
  /** Nobody named an engine: the local one is meant, and may be installed and started. */
  isDefault: boolean;
}

/** The engine that Docker itself takes when nothing is set. */
export const defaultHost = "unix:///var/run/docker.sock";

/**
 * Finds the engine in the order of the docker CLI, after the stack's own setting.
 *
 * @param configured `private-registry:dockerHost` of the stack.
 */
export function engineAddress(env: NodeJS.ProcessEnv, configured?: string): EngineAddress {
  if (nonEmpty(configured) !== undefined) {
    return { host: configured ?? "", from: "private-registry:dockerHost", isDefault: false };
  }
  const host = nonEmpty(env["DOCKER_HOST"]);
  if (host !== undefined) return { host, from: "DOCKER_HOST", isDefault: host === defaultHost };
  const folder = nonEmpty(env["DOCKER_CONFIG"]) ?? join(homedir(), ".docker");
  const context = nonEmpty(env["DOCKER_CONTEXT"]) ?? currentContext(folder);
  if (context !== undefined && context !== "default") {
    const named = contextHost(folder, context);
    if (named !== undefined) {
      return { host: named, from: `the Docker context ${context}`, isDefault: false };
    }
  }
  return { host: defaultHost, from: "Docker's default", isDefault: true };
}

/** Whether an engine is on another machine. */
export function isRemote(host: string): boolean {
  if (host.startsWith("unix://") || host.startsWith("npipe://")) return false;
  return !/^tcp:\/\/(localhost|127\.|\[::1\])/.test(host);
}

const dockerConfig = z.object({ currentContext: z.string().optional() });
const contextMeta = z.object({
  Endpoints: z.object({ docker: z.object({ Host: z.string().optional() }).optional() }),
});

function currentContext(folder: string): string | undefined {
  const file = join(folder, "config.json");
  if (!existsSync(file)) return undefined;
  const parsed = dockerConfig.safeParse(parseJson(readFileSync(file, "utf8")));
  return parsed.success ? nonEmpty(parsed.data.currentContext) : undefined;
}

/** The docker CLI keeps a context in a folder that is named after the hash of its name. */
function contextHost(folder: string, context: string): string | undefined {
  const id = createHash("sha256").update(context).digest("hex");
  const file = join(folder, "contexts", "meta", id, "meta.json");
  if (!existsSync(file)) return undefined;
  const parsed = contextMeta.safeParse(parseJson(readFileSync(file, "utf8")));
  return parsed.success ? nonEmpty(parsed.data.Endpoints.docker?.Host) : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
