import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "../files";
import { nonEmpty } from "../paths";
import { Problem } from "../problem";

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
 * @throws Problem if a Docker context is named of which it cannot be read where it leads: the local
 * engine is not what was meant then.
 */
export function engineAddress(env: NodeJS.ProcessEnv, configured?: string): EngineAddress {
  if (nonEmpty(configured) !== undefined) {
    return { host: configured ?? "", from: "private-registry:dockerHost", isDefault: false };
  }
  const host = nonEmpty(env["DOCKER_HOST"]);
  if (host !== undefined) return { host, from: "DOCKER_HOST", isDefault: host === defaultHost };
  const folder = nonEmpty(env["DOCKER_CONFIG"]) ?? join(homedir(), ".docker");
  const context = nonEmpty(env["DOCKER_CONTEXT"]) ?? currentContext(folder);
  if (context === undefined || context === "default") {
    return { host: defaultHost, from: "Docker's default", isDefault: true };
  }
  return {
    host: contextHost(folder, context),
    from: `the Docker context ${context}`,
    isDefault: false,
  };
}

/** Whether an engine is on another machine. */
export function isRemote(host: string): boolean {
  if (host.startsWith("unix://") || host.startsWith("npipe://")) return false;
  return !/^tcp:\/\/(localhost|127\.|\[::1\])/.test(host);
}

/**
 * What leads the docker CLI, and the provider, to an engine and no other. To be added to an
 * environment; what is undefined is taken out of it.
 */
export function engineVariables(host: string): NodeJS.ProcessEnv {
  return {
    DOCKER_HOST: host,
    DOCKER_CONTEXT: undefined,
    // With certificates, docker would also speak TLS to a socket and through SSH.
    ...(host.startsWith("tcp://")
      ? {}
      : { DOCKER_TLS: undefined, DOCKER_TLS_VERIFY: undefined, DOCKER_CERT_PATH: undefined }),
  };
}

const dockerConfig = z.object({ currentContext: z.string().optional() });
const contextMeta = z.object({
  Endpoints: z.object({ docker: z.object({ Host: z.string().min(1) }) }),
});

/** How to do without Docker's own files. */
const otherWay = "Or say which engine is meant: DOCKER_HOST=unix:///var/run/docker.sock npm run up";

function currentContext(folder: string): string | undefined {
  const file = join(folder, "config.json");
  const mend = [
    "It is the docker command's. Correct it, or move it away and docker login again.",
    otherWay,
  ];
  return nonEmpty(readJson(file, dockerConfig, mend)?.currentContext);
}

/** The docker CLI keeps a context in a folder that is named after the hash of its name. */
function contextHost(folder: string, context: string): string {
  const id = createHash("sha256").update(context).digest("hex");
  const file = join(folder, "contexts", "meta", id, "meta.json");
  const mend = [
    `It is Docker's context ${context}. Make it anew: docker context rm ${context}, then create.`,
    otherWay,
  ];
  const meta = readJson(file, contextMeta, mend);
  if (meta !== undefined) return meta.Endpoints.docker.Host;
  throw new Problem(`Docker context ${context}: there is none of this name.`, [
    "See which there are: docker context ls",
    "It is named by DOCKER_CONTEXT, or selected: docker context use default",
  ]);
}
