/** Many small requests: `HEAD` of a manifest, with credentials, by ApacheBench. */
import { manifestType } from "../../test/support/registry-client";
import { origin, runBeside, type System, type User } from "../systems/system";

export interface RequestLoad {
  perSecond: number;
  p99Milliseconds: number;
}

/** 16 kept connections for some seconds. Throws unless every answer is a success. */
export async function headManifest(
  system: System,
  user: User,
  path: string,
  options: { seconds: number; signal: AbortSignal },
): Promise<RequestLoad> {
  const output = await runBeside(
    system,
    [
      // Not wrk, which waits for a body after HEAD. The count is a bound that is not reached.
      ...["ab", "-i", "-k", "-q", "-c", "16", "-t", String(options.seconds), "-n", "1000000"],
      ...["-A", user.join(":"), "-H", `Accept: ${manifestType}`, `${origin(system)}${path}`],
    ],
    { signal: options.signal },
  );
  return parseApacheBench(output);
}

/** Requests without credentials, with which every client begins; 16 kept connections. */
export async function askForChallenge(
  system: System,
  options: { seconds: number; signal: AbortSignal },
): Promise<RequestLoad> {
  const output = await runBeside(
    system,
    [
      ...["ab", "-k", "-q", "-c", "16", "-t", String(options.seconds), "-n", "1000000"],
      `${origin(system)}/v2/`,
    ],
    { signal: options.signal },
  );
  return parseChallenges(output);
}

/** What `ab` tells. Throws if any request was answered with success. */
export function parseChallenges(output: string): RequestLoad {
  const refused = /^Non-2xx responses:\s+(\d+)\n/m.exec(output);
  const complete = /^Complete requests:\s+(\d+)/m.exec(output);
  if (refused === null || refused[1] !== complete?.[1]) {
    throw new Error(`requests without credentials: expected only refusals, got:\n${output}`);
  }
  return parseApacheBench(output.replace(refused[0], ""));
}

/** What `ab` tells. Throws if any request failed or had another answer than 2xx. */
export function parseApacheBench(output: string): RequestLoad {
  const number = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? "NaN");
  const load = {
    perSecond: number(/^Requests per second:\s+([\d.]+)/m),
    p99Milliseconds: number(/^\s+99%\s+(\d+)/m),
  };
  const failed = number(/^Failed requests:\s+(\d+)/m);
  const refused = number(/^Non-2xx responses:\s+(\d+)/m);
  if (failed !== 0 || !Number.isNaN(refused) || Number.isNaN(load.perSecond)) {
    throw new Error(`HEAD load: expected only successes, got:\n${output}`);
  }
  return load;
}
