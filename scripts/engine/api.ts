import { request, type RequestOptions } from "node:http";
import { execa } from "execa";
import { nonEmpty } from "../paths";
import { engineVariables } from "./address";

/** How long an engine may take for an answer that it has at hand. */
const ANSWER_MS = 5_000;

/** What an engine said to a question. */
export interface EngineAnswer {
  status: number;
  body: string;
}

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
    const result = await execa("docker", ["image", "inspect", "--format", "{{.Id}}", reference], {
      env: this.environment,
      reject: false,
    });
    return result.exitCode === 0;
  }

  /** Things that the doctor tells: version, storage driver, folder, number of containers. */
  async describe(): Promise<string> {
    const plain = this.plainTarget();
    const info =
      plain === undefined
        ? await this.docker(["info", "--format", "{{json .}}"])
        : (await ask(plain, "/info")).body;
    const parsed = parse(info) as Record<string, string | number>;
    const part = (name: string) => String(parsed[name] ?? "unknown");
    return `${part("ServerVersion")}, storage ${part("Driver")} in ${part("DockerRootDir")}`;
  }

  /** The name of the container that publishes a port of the engine's machine, if one does. */
  async publisherOf(port: number): Promise<string | undefined> {
    const plain = this.plainTarget();
    if (plain === undefined) return undefined;
    const filters = encodeURIComponent(JSON.stringify({ publish: [String(port)] }));
    const { body } = await ask(plain, `/containers/json?filters=${filters}`);
    const [container] = parse(body) as { Names: string[] }[];
    return container?.Names[0]?.replace(/^\//, "");
  }

  /** For programs that are to talk to this engine. */
  get environment(): NodeJS.ProcessEnv {
    return { ...this.env, ...engineVariables(this.host) };
  }

  private async docker(args: string[]): Promise<string> {
    const result = await execa("docker", args, {
      env: this.environment,
      timeout: 30_000,
      reject: false,
    });
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
