/** Clients that never stop asking, to see whether a change loses a request. */
import { Agent } from "node:https";
import { RegistryClient, type RegistryClientOptions } from "./registry-client";

export interface Answers {
  answered: number;
  /** What went wrong. */
  failures: string[];
}

export interface Traffic<Told extends Answers = Answers> {
  /** Ends it, and tells what became of the requests. */
  stop(): Promise<Told>;
}

/**
 * Four at a time, one GET of `path` after the other.
 *
 * @param keepAlive Whether connections are kept; otherwise each request verifies the server's
 *   certificate anew.
 * @returns Also the longest time without an answer: `silence`, in seconds.
 */
export function startTraffic(
  options: Omit<RegistryClientOptions, "agent">,
  path: string,
  user: readonly [string, string],
  { keepAlive }: { keepAlive: boolean } = { keepAlive: true },
): Traffic<Answers & { silence: number }> {
  const stopping = new AbortController();
  const failures: string[] = [];
  let answered = 0;
  let silence = 0;
  let lastAnswer = performance.now();
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
          silence = Math.max(silence, (performance.now() - lastAnswer) / 1000);
          lastAnswer = performance.now();
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
      const stopped = performance.now();
      stopping.abort();
      await asking;
      agent.destroy();
      // Also if there was no answer any more.
      silence = Math.max(silence, (stopped - lastAnswer) / 1000);
      return { answered, failures, silence };
    },
  };
}
