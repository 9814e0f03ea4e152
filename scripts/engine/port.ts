import { createServer, isIP, type AddressInfo } from "node:net";
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

/** Tries the port, and asks the engine who has it. What is no port or address is not tried. */
export async function portState(
  port: number,
  address: string,
  api: EngineApi | undefined,
): Promise<PortState> {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    return { kind: "unknown", reason: "httpsPort is not a number from 1 to 65535" };
  }
  if (isIP(address) === 0) return { kind: "unknown", reason: "bindAddress is no IP address" };
  const code = await tryToListen(port, address);
  if (code === undefined) return { kind: "free" };
  if (code !== "EADDRINUSE") return { kind: "unknown", reason: code };
  // An engine that does not run publishes nothing.
  const container = await api?.publisherOf(port).catch(() => undefined);
  return container === undefined ? { kind: "in use" } : { kind: "container", ...container };
}

/** Ports that a registry may well have, to be offered in the place of one that is in use. */
const otherPorts = [8443, 5443, 9443];

/**
 * How a port in use is mended.
 *
 * @param other A port that is free.
 * @param npmRun What the user's commands begin with.
 */
export function portMend(
  port: number,
  other = otherPorts.find((candidate) => candidate !== port) ?? 0,
  npmRun = "npm run",
): string[] {
  return [
    `See who has it: ss -ltnp 'sport = :${port}' and docker ps --filter publish=${port}`,
    `Stop that, or choose another port: ${npmRun} pulumi -- config set httpsPort ${other}`,
  ];
}

/**
 * Throws a Problem when something else has the port of a registry that is not deployed yet. The
 * engine would tell it too, but half-way through the deployment.
 */
export async function requirePort(
  project: ProjectFacts,
  api: EngineApi,
  npmRun?: string,
): Promise<void> {
  const { bindAddress, httpsPort } = project;
  const state = await portState(httpsPort, bindAddress, api);
  if (state.kind === "free" || state.kind === "unknown") return;
  // The program knows whether it is an installation in the way, and what to do about that.
  if (state.kind === "container" && state.isRegistry) return;
  const owner = state.kind === "container" ? `the container ${state.name}` : "another program";
  const other = await freePort(bindAddress);
  throw new Problem(
    `port ${bindAddress}:${httpsPort} is in use by ${owner}.`,
    portMend(httpsPort, other, npmRun),
  );
}

/** One of {@link otherPorts}; else whichever the system has. */
export async function freePort(address: string): Promise<number> {
  for (const port of otherPorts) {
    if ((await tryToListen(port, address)) === undefined) return port;
  }
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, address, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function tryToListen(port: number, address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, address, () => server.close(() => resolve(undefined)));
  });
}
