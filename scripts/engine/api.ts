import { request, type RequestOptions } from "node:http";
import { hostname } from "node:os";
import { execa } from "execa";
import { z } from "zod";
import { nonEmpty } from "../paths";
import { engineVariables, isRemote } from "./address";

/** How long an engine may take for an answer that it has at hand. */
const ANSWER_MS = 5_000;

/** What an engine said to a question. */
export interface EngineAnswer {
  status: number;
  body: string;
}

/** An image that the engine has. */
export interface ImageFacts {
  id: string;
  created: Date;
}

const imageSchema = z.object({ Id: z.string(), Created: z.coerce.date() });

/** What can be asked about by {@link EngineApi.inspect}. */
export type EngineObjectKind = "container" | "image" | "network" | "volume";

const inspectPaths: Record<EngineObjectKind, (id: string) => string> = {
  container: (id) => `/containers/${id}/json`,
  image: (id) => `/images/${id}/json`,
  network: (id) => `/networks/${id}`,
  volume: (id) => `/volumes/${id}`,
};

/**
 * Asks a Docker engine. Over a plain socket it is one request of a few milliseconds; over SSH and
 * TLS the docker CLI knows how to connect, so it is asked to.
 */
export class EngineApi {
  constructor(
    readonly host: string,
    private readonly env: NodeJS.ProcessEnv = process.env,
  ) {}

  /** The engine's version. Throws with the reason when it does not answer. */
  async version(): Promise<string> {
    const plain = this.plainTarget();
    if (plain === undefined) {
      return this.docker(["version", "--format", "{{.Server.Version}}"]);
    }
    const { status, body } = await ask(plain, "/version");
    if (status !== 200) throw new Error(`the engine answered ${status} to /version`);
    return (parse(body) as { Version: string }).Version;
  }

  /** Whether the engine has an image of this name. */
  async hasImage(reference: string): Promise<boolean> {
    const plain = this.plainTarget();
    if (plain !== undefined) {
      return (await ask(plain, `/images/${encodePath(reference)}/json`)).status === 200;
    }
    return (await this.inspect("image", reference)) !== undefined;
  }

  /**
   * Whether the ports that the engine publishes are this machine's. A local socket may be that of
   * another machine: of the one that this container runs on, or of a virtual one.
   */
  async isHere(): Promise<boolean> {
    return !isRemote(this.host) && (await this.info())["Name"] === hostname();
  }

  /** Things that the doctor tells: version, storage driver, folder, number of containers. */
  async describe(): Promise<string> {
    const info = await this.info();
    const part = (name: string) => String(info[name] ?? "unknown");
    return `${part("ServerVersion")}, storage ${part("Driver")} in ${part("DockerRootDir")}`;
  }

  private async info(): Promise<Record<string, string | number>> {
    const plain = this.plainTarget();
    const info =
      plain === undefined
        ? await this.docker(["info", "--format", "{{json .}}"])
        : (await ask(plain, "/info")).body;
    return parse(info) as Record<string, string | number>;
  }

  /**
   * The container that publishes a port of the engine's machine, if one does: its name, and whether
   * it is a private registry's.
   */
  async publisherOf(port: number): Promise<{ name: string; isRegistry: boolean } | undefined> {
    const plain = this.plainTarget();
    if (plain === undefined) return undefined;
    const filters = encodeURIComponent(JSON.stringify({ publish: [String(port)] }));
    const { body } = await ask(plain, `/containers/json?filters=${filters}`);
    const [container] = parse(body) as { Names: string[]; Labels: Record<string, string> }[];
    const name = container?.Names[0]?.replace(/^\//, "");
    return name === undefined
      ? undefined
      : { name, isRegistry: container?.Labels["private-registry"] !== undefined };
  }

  /**
   * What the engine knows of an object; undefined if it has no such object.
   *
   * @param id An id, or of a volume its name.
   */
  async inspect(kind: EngineObjectKind, id: string): Promise<unknown> {
    const plain = this.plainTarget();
    if (plain === undefined) {
      try {
        const [found] = parse(await this.docker([kind, "inspect", id])) as unknown[];
        return found;
      } catch (error) {
        if (/no such/i.test(String(error)) || /not found/i.test(String(error))) return undefined;
        throw error;
      }
    }
    const { status, body } = await ask(plain, inspectPaths[kind](encodePath(id)));
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`the engine answered ${status} about the ${kind} ${id}`);
    return parse(body);
  }

  /** The image that a reference stands for, or that has an id; undefined if the engine has none. */
  async image(reference: string): Promise<ImageFacts | undefined> {
    const { data } = imageSchema.safeParse(await this.inspect("image", reference));
    return data && { id: data.Id, created: data.Created };
  }

  /** For programs that are to talk to this engine. */
  get environment(): NodeJS.ProcessEnv {
    return { ...this.env, ...engineVariables(this.host) };
  }

  /** What `docker` prints. Throws with its own words when it fails. */
  async docker(args: readonly string[], timeoutSeconds = 30): Promise<string> {
    const result = await execa("docker", args, {
      env: this.environment,
      timeout: timeoutSeconds * 1_000,
      reject: false,
    });
    if (result.timedOut) {
      throw new Error(`docker ${args.join(" ")}: no answer within ${timeoutSeconds} s`);
    }
    if (result.failed) throw new Error(result.stderr.trim() || result.shortMessage);
    return result.stdout.trim();
  }

  /** How to connect without the docker CLI; undefined if only that can. */
  private plainTarget(): RequestOptions | undefined {
    if (this.host.startsWith("unix://")) {
      return { socketPath: this.host.slice("unix://".length) };
    }
    const tls = ["DOCKER_TLS", "DOCKER_TLS_VERIFY"].some((name) => nonEmpty(this.env[name]));
    if (this.host.startsWith("tcp://") && !tls) {
      const { hostname, port } = new URL(this.host);
      return { hostname: hostname.replace(/^\[|\]$/g, ""), port: port || "2375" };
    }
    return undefined;
  }
}

/** What another server than an engine answers is no JSON. */
function parse(answer: string): unknown {
  try {
    return JSON.parse(answer) as unknown;
  } catch {
    throw new Error("what answers there is no Docker engine");
  }
}

/** Whatever somebody has set as an image: the engine says that it is none. */
function encodePath(reference: string): string {
  return encodeURI(reference).replace(/[?#]/g, encodeURIComponent);
}

function ask(target: RequestOptions, path: string): Promise<EngineAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...target, path, timeout: ANSWER_MS }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    asked.on("timeout", () => {
      asked.destroy(new Error(`no answer within ${ANSWER_MS / 1_000} s`));
    });
    asked.on("error", reject);
    asked.end();
  });
}
