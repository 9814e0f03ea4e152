/** Full TLS handshakes, one after the other on one client thread, by `openssl s_time`. */
import { runBeside, type System } from "../systems/system";

/** Handshakes per second. */
export async function handshakes(
  system: System,
  options: { seconds: number; signal: AbortSignal },
): Promise<number> {
  const output = await runBeside(
    system,
    [
      ...["openssl", "s_time", "-new", "-time", String(options.seconds)],
      ...["-connect", `127.0.0.1:${system.port}`],
    ],
    { signal: options.signal },
  );
  return parseSTime(output);
}

/** What `openssl s_time` tells: its connections by its real seconds. */
export function parseSTime(output: string): number {
  const told = /^(\d+) connections in (\d+) real seconds/m.exec(output);
  if (told === null) {
    throw new Error(`handshakes: expected openssl's count, got:\n${output}`);
  }
  return Number(told[1]) / Number(told[2]);
}
