import { createServer } from "node:net";
import type { ProjectFacts } from "../pulumi/project";
import { Problem } from "../problem";
import type { EngineApi } from "./api";

/** How the port of the registry stands on this machine. */
export type PortState =
  | { kind: "free" }
  /** A container publishes it: this project's, or another. */
  | { kind: "container"; name: string; isRegistry: boolean }
  | { kind: "in use" }
  /** It could not be tried, such as a low port by a plain user. */
  | { kind: "unknown"; reason: string };

/** Tries the port, and asks the engine who has it. */
export async function portState(
  port: number,
  address: string,
  api: EngineApi | undefined,
): Promise<PortState> {
  const code = await tryToListen(port, address);
  if (code === undefined) return { kind: "free" };
  if (code !== "EADDRINUSE") return { kind: "unknown", reason: code };
  // An engine that does not run publishes nothing.
  const container = await api?.publisherOf(port).catch(() => undefined);
  return container === undefined ? { kind: "in use" } : { kind: "container", ...container };
}

/** How a port in use is mended. */
export function portMend(port: number): string[] {
  return [
    `See who has it: ss -ltnp 'sport = :${port}' and docker ps --filter publish=${port}`,
    "Stop that, or choose another port: npm run pulumi -- config set httpsPort 8443",
  ];
}

/**
 * Throws a Problem when something else has the port of a registry that is not deployed yet. The
 * engine would tell it too, but half-way through the deployment.
 */
export async function requirePort(project: ProjectFacts, api: EngineApi): Promise<void> {
  const { bindAddress, httpsPort } = project;
  const state = await portState(httpsPort, bindAddress, api);
  if (state.kind === "free" || state.kind === "unknown") return;
  // The program knows whether it is an installation in the way, and what to do about that.
  if (state.kind === "container" && state.isRegistry) return;
  const owner = state.kind === "container" ? `the container ${state.name}` : "another program";
  throw new Problem(`port ${bindAddress}:${httpsPort} is in use by ${owner}.`, portMend(httpsPort));
}

function tryToListen(port: number, address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, address, () => server.close(() => resolve(undefined)));
  });
}
