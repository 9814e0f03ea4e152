/**
 * A program: pushes many small layers to the registry on its loopback address, and prints the
 * seconds that it took. A {@link SmallLayersPush} comes by standard input.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import pLimit from "p-limit";
import { RegistryClient } from "../../test/support/registry-client";

export interface SmallLayersPush {
  port: number;
  caPem: string;
  /** User name and password. */
  user?: readonly [string, string] | undefined;
  repository: string;
  layers: number;
}

const { port, caPem, user, repository, layers } = JSON.parse(
  readFileSync(0, "utf8"),
) as SmallLayersPush;
/** `max-concurrent-uploads` of Docker's daemon. */
const atOnce = 5;
const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
const client = new RegistryClient({ port, host: "127.0.0.1", caPem, agent });

// What is not the registry's work is done before.
const contents = Array.from({ length: layers }, () => {
  const content = randomBytes(2 ** 20);
  return { content, digest: `sha256:${createHash("sha256").update(content).digest("hex")}` };
});

async function request(
  expected: number,
  method: string,
  path: string,
  content?: Buffer,
): Promise<string> {
  const { status, headers, body } = await client.request(method, path, {
    user,
    ...(content && {
      headers: { "Content-Type": "application/octet-stream" },
      body: content,
    }),
  });
  if (status !== expected) {
    throw new Error(`${method} ${path}: expected status ${expected}, got ${status}: ${body}`);
  }
  const location = new URL(headers.location ?? "", `https://127.0.0.1:${port}`);
  return location.pathname + location.search;
}

const began = performance.now();
const limit = pLimit(atOnce);
await Promise.all(
  contents.map(({ content, digest }) =>
    limit(async () => {
      const begun = await request(202, "POST", `/v2/${repository}/blobs/uploads/`);
      const sent = await request(202, "PATCH", begun, content);
      await request(201, "PUT", `${sent}&digest=${digest}`);
    }),
  ),
);
process.stdout.write(String((performance.now() - began) / 1000));
agent.destroy();
