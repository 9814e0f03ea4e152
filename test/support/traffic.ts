/** Clients that never stop asking, to see whether a change loses a request. */
import { Agent } from "node:https";
import { RegistryClient, type RegistryClientOptions } from "./registry-client";

export interface Traffic {
  /** Ends it, and tells how many requests were answered and what went wrong. */
  stop(): Promise<{ answered: number; failures: string[] }>;
}

/**
 * Four at a time, one GET of `path` after the other.
 *
 * @param keepAlive Whether connections are kept; otherwise each request verifies the server's
 *   certificate anew.
 */
export function startTraffic(
  options: Omit<RegistryClientOptions, "agent">,
  path: string,
  user: readonly [string, string],
  { keepAlive }: { keepAlive: boolean } = { keepAlive: true },
): Traffic {
  const stopping = new AbortController();
  const failures: string[] = [];
  let answered = 0;
  const agent = new Agent({
    keepAlive,
    maxSockets: 4,
    // A session that is taken up again verifies nothing.
    ...(!keepAlive && { maxCachedSessions: 0 }),
  });
  const client = new RegistryClient({ ...options, agent });
  const ask = async () => {
    while (!stopping.signal.aborted) {
      try {
        const { status } = await client.request("GET", path, { user });
        if (status === 200) {
          answered += 1;
        } else {
          failures.push(`status ${status}`);
        }
      } catch (error) {
        failures.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const asking = Promise.all(Array.from({ length: 4 }, ask));
  return {
    stop: async () => {
      stopping.abort();
      await asking;
      agent.destroy();
      return { answered, failures };
    },
  };
}
