/** What containers have used, by the kernel's accounting of their cgroups. */
import { request } from "node:http";

interface Stats {
  cpu_stats: { cpu_usage: { total_usage: number } };
  memory_stats: { usage: number; stats: Record<string, number> };
}

/** The processor time that containers have used since they were started, in seconds. */
export async function processorSeconds(containers: readonly string[]): Promise<number> {
  const all = await Promise.all(containers.map(stats));
  const nanoseconds = all.map(({ cpu_stats }) => cpu_stats.cpu_usage.total_usage);
  return sum(nanoseconds) / 1e9;
}

/** The memory of containers that cannot be had back by dropping cached files, in MiB. */
export async function memoryMiB(containers: readonly string[]): Promise<number> {
  const all = await Promise.all(containers.map(stats));
  const bytes = all.map(({ memory_stats: { usage, stats } }) => {
    // The first name is that of cgroup v1, which has the one without "total" for the group alone.
    const files = (kind: string) => stats[`total_${kind}_file`] ?? stats[`${kind}_file`] ?? 0;
    return usage - files("active") - files("inactive");
  });
  return sum(bytes) / 2 ** 20;
}

/** The engine's one-shot statistics; the docker CLI has only rounded ones. */
function stats(container: string): Promise<Stats> {
  const socketPath = (process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock").slice(7);
  const path = `/containers/${container}/stats?stream=false&one-shot=true`;
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, timeout: 10_000 }, (answer) => {
      let body = "";
      answer.setEncoding("utf8");
      answer.on("data", (text: string) => {
        body += text;
      });
      answer.on("error", reject);
      answer.on("end", () => {
        if (answer.statusCode === 200) {
          resolve(JSON.parse(body) as Stats);
        } else {
          reject(
            new Error(`statistics of ${container}: status ${answer.statusCode ?? 0}: ${body}`),
          );
        }
      });
    });
    asked.on("timeout", () => asked.destroy(new Error("the engine does not answer")));
    asked.on("error", reject);
    asked.end();
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
