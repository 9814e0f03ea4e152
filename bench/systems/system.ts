/** What all systems that are measured have in common. */
import { execa } from "execa";
import { docker } from "../../test/support/engine";

/** User name and password. */
export type User = readonly [name: string, password: string];

/** A running system, made by one of this folder's modules. */
export interface System {
  /** The key of its samples. */
  name: "ours" | "recipe" | "bare" | "static";
  /** The port that it listens on in the container that clients reach. */
  port: number;
  /** The port of this machine's loopback address that it is published on, if it is. */
  publishedPort?: number;
  /** What its certificate is verified with, and a file that holds the same. */
  caPem: string;
  caFile: string;
  /** Who may push and pull; undefined where nobody is asked. */
  user?: User;
  /** The containers that do its work, the one that clients reach first. */
  containers(): Promise<string[]>;
}

/** What is shared by the systems of one run. */
export interface Surroundings {
  /** `key=value`, on every container, network and volume that the run makes by itself. */
  label: string;
  /** A folder that goes when the run ends. */
  folder: string;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

/** The address in URLs. Clients share the network of the container: see {@link runBeside}. */
export function origin(system: System): string {
  return `https://127.0.0.1:${system.port}`;
}

/**
 * Runs a program of this machine on the loopback network of the container that clients reach.
 *
 * What Docker publishes on 127.0.0.1 goes through its userland proxy, which takes more processor
 * time than nginx and is not in the way of clients on other machines.
 */
export async function runBeside(
  system: System,
  command: readonly string[],
  options: { signal: AbortSignal; input?: string; timeoutSeconds?: number },
): Promise<string> {
  const [container = ""] = await system.containers();
  const pid = await docker("inspect", "--format", "{{.State.Pid}}", container);
  const { stdout } = await execa("nsenter", [`--net=/proc/${pid}/ns/net`, "--", ...command], {
    cancelSignal: options.signal,
    timeout: (options.timeoutSeconds ?? 60) * 1000,
    ...(options.input === undefined ? { stdin: "ignore" } : { input: options.input }),
  });
  return stdout;
}

/** curl's arguments that every request to a system has. */
export function curlArguments(system: System): string[] {
  return [
    ...["--silent", "--show-error", "--fail", "--http1.1", "--cacert", system.caFile],
    ...(system.user === undefined ? [] : ["--user", system.user.join(":")]),
  ];
}
