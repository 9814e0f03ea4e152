/** What anybody with access to this machine can see of its processes. */
import { readdir, readFile } from "node:fs/promises";

/** Collects the arguments and environments of every process until it is stopped. */
export function watchProcesses(): { stop(): Promise<string> } {
  const seen = new Set<string>();
  // What runs the tests knows the secrets rightly.
  const own = new Set([process.pid, process.ppid].map(String));
  const stopping = new AbortController();
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      await look(seen, own);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await watching;
      return [...seen].join("\n");
    },
  };
}

/** The ids of the processes whose command line matches. */
export async function processesOf(pattern: RegExp): Promise<number[]> {
  const ids = (await readdir("/proc")).filter((id) => /^\d+$/.test(id));
  const lines = await Promise.all(
    ids.map((id) => readFile(`/proc/${id}/cmdline`, "utf8").catch(() => "")),
  );
  return ids.filter((_, at) => pattern.test(lines[at]?.replaceAll("\0", " ") ?? "")).map(Number);
}

async function look(seen: Set<string>, own: ReadonlySet<string>): Promise<void> {
  const ids = (await readdir("/proc")).filter((id) => /^\d+$/.test(id) && !own.has(id));
  const files = ids.flatMap((id) => [`/proc/${id}/cmdline`, `/proc/${id}/environ`]);
  // A process may be gone by now.
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  for (const text of texts) {
    // Pulumi hands the configuration to its own program so; only the same user can read it.
    seen.add(text.replace(/(^|\0)PULUMI_CONFIG=[^\0]*/, ""));
  }
}
