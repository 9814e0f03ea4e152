/** Clients that push whatever happens to the registry, and what it owes them. */
import { randomBytes, randomInt } from "node:crypto";
import { Agent } from "node:https";
import {
  completionPath,
  describeBlob,
  digest,
  expectStatus,
  imageManifest,
  manifestType,
  RegistryClient,
  type RegistryClientOptions,
  type Reply,
  type RequestOptions,
  uploadPath,
} from "./registry-client";

type Options = Omit<RegistryClientOptions, "agent">;
type User = readonly [string, string];

/** What was seen of the registry. */
export interface Seen {
  /** The paths, by digest, of the blobs and manifests that it answered with 201. */
  acknowledged: string[];
  /** Images that are pushed whole. */
  images: number;
  /** Uploads that went on from where it said that they had been interrupted. */
  resumed: number;
  /** What went wrong with requests. */
  failures: string[];
  /** Answers that were complete, and not what their digest says: there must be none. */
  corrupt: string[];
}

export interface Pushing {
  readonly seen: Seen;
  /** Waits until every client has pushed one more image from its beginning to its end. */
  oneMoreEach(): Promise<void>;
  /** Ends it, whatever is half pushed. */
  stop(): Promise<void>;
}

/**
 * Three clients that push images of a random layer, in one piece and in chunks, and one that pulls
 * their layers. After an error they go on: an upload where the registry says that it stands, all
 * else from its beginning.
 */
export function startPushing(options: Options, user: User): Pushing {
  const stopping = new AbortController();
  const seen: Seen = { acknowledged: [], images: 0, resumed: 0, failures: [], corrupt: [] };
  const attempted: string[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const clients = Array.from(
    { length: 3 },
    (_, index) =>
      new Pusher(`load/${index}`, connect(options, user, agent), seen, attempted, stopping.signal),
  );
  const puller = pull(connect(options, user, agent), seen, attempted, stopping.signal);
  const working = Promise.all([...clients.map((client) => client.run()), puller]);
  return {
    seen,
    oneMoreEach: async () => {
      // The first one to end had begun before.
      const wanted = clients.map(({ images }) => images + 2);
      const limit = Date.now() + 60_000;
      while (clients.some(({ images }, index) => images < (wanted[index] ?? 0))) {
        if (Date.now() > limit) {
          throw new Error(`a client could not push for a minute: ${seen.failures.at(-1) ?? ""}`);
        }
        await pause(50);
      }
    },
    stop: async () => {
      stopping.abort();
      await working;
      agent.destroy();
    },
  };
}

/** Those of `paths` whose content is not there, whole and as the digest says. */
export async function lost(
  options: Options,
  user: User,
  paths: readonly string[],
): Promise<string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const send = connect(options, user, agent);
  const left = [...paths];
  const found: string[] = [];
  const check = async () => {
    for (let path = left.pop(); path !== undefined; path = left.pop()) {
      const reply = await send("GET", path, { headers: { Accept: manifestType } });
      if (reply.status !== 200 || !hasItsDigest(reply, path)) {
        found.push(`${path}: status ${reply.status}, ${reply.content.length} bytes`);
      }
    }
  };
  await Promise.all(Array.from({ length: 4 }, check));
  agent.destroy();
  return found;
}

type Send = (method: string, path: string, request?: RequestOptions) => Promise<Reply>;

function connect(options: Options, user: User, agent: Agent): Send {
  const client = new RegistryClient({ ...options, agent });
  return (method, path, request = {}) => client.request(method, path, { user, ...request });
}

const octets = { "Content-Type": "application/octet-stream" };
const chunkBytes = 64 * 1024;

class Pusher {
  images = 0;

  constructor(
    private readonly repository: string,
    private readonly send: Send,
    private readonly seen: Seen,
    private readonly attempted: string[],
    private readonly stopping: AbortSignal,
  ) {}

  async run(): Promise<void> {
    while (!this.stopping.aborted) {
      const layer = randomBytes(randomInt(1000, 400_000));
      const config = randomBytes(100);
      this.attempted.push(this.blobPath(layer));
      const isEven = this.images % 2 === 0;
      await this.persist(() => (isEven ? this.pushWhole(layer) : this.pushInChunks(layer)));
      await this.persist(() => this.pushWhole(config));
      await this.persist(() => this.pushManifest(config, layer));
      this.images += 1;
      this.seen.images += 1;
      await pause(20);
    }
  }

  /** Until it works, or nobody wants it any more. */
  private async persist(step: () => Promise<void>): Promise<void> {
    while (!this.stopping.aborted) {
      try {
        await step();
        return;
      } catch (error) {
        this.seen.failures.push(String(error));
        await pause(50);
      }
    }
  }

  private begin(): Promise<Reply> {
    return this.expect(202, "POST", `/v2/${this.repository}/blobs/uploads/`);
  }

  private async complete(upload: Reply, content: Buffer, rest: Buffer): Promise<void> {
    const path = completionPath(upload, digest(content));
    await this.expect(201, "PUT", path, { headers: octets, body: rest });
    this.seen.acknowledged.push(this.blobPath(content));
  }

  private async pushWhole(content: Buffer): Promise<void> {
    await this.complete(await this.begin(), content, content);
  }

  private async pushInChunks(content: Buffer): Promise<void> {
    let upload = await this.begin();
    let offset = 0;
    while (offset < content.length) {
      const chunk = content.subarray(offset, offset + chunkBytes);
      const range = `${offset}-${offset + chunk.length - 1}`;
      try {
        const headers = { ...octets, "Content-Range": range };
        const request = { headers, body: chunk };
        upload = await this.expect(202, "PATCH", uploadPath(upload), request);
      } catch (error) {
        this.seen.failures.push(String(error));
        upload = await this.askForUpload(upload);
        this.seen.resumed += 1;
      }
      // 0-0 stands for nothing too.
      const last = Number(upload.headers.range?.split("-")[1] ?? 0);
      offset = last === 0 ? 0 : last + 1;
    }
    await this.complete(upload, content, Buffer.alloc(0));
  }

  /** How far an upload is. Throws if the registry does not know it. */
  private async askForUpload(upload: Reply): Promise<Reply> {
    for (;;) {
      await pause(50);
      this.stopping.throwIfAborted();
      const reply = await this.send("GET", uploadPath(upload)).catch(() => undefined);
      if (reply === undefined || reply.status >= 500) continue;
      expectStatus(204, reply);
      return reply;
    }
  }

  private async pushManifest(config: Buffer, layer: Buffer): Promise<void> {
    const manifest = imageManifest(describeBlob(config), describeBlob(layer));
    const manifests = `/v2/${this.repository}/manifests`;
    const headers = { "Content-Type": manifestType };
    await this.expect(201, "PUT", `${manifests}/${this.images}`, { headers, body: manifest });
    this.seen.acknowledged.push(`${manifests}/${digest(manifest)}`);
  }

  private async expect(
    status: number,
    method: string,
    path: string,
    request?: RequestOptions,
  ): Promise<Reply> {
    const reply = await this.send(method, path, request);
    expectStatus(status, reply);
    return reply;
  }

  private blobPath(content: Buffer): string {
    return `/v2/${this.repository}/blobs/${digest(content)}`;
  }
}

/** Asks for layers that are pushed just now, or were. */
async function pull(
  send: Send,
  seen: Seen,
  attempted: readonly string[],
  stopping: AbortSignal,
): Promise<void> {
  while (!stopping.aborted) {
    await pause(20);
    const path = attempted[randomInt(Math.max(0, attempted.length - 30), attempted.length + 1)];
    if (path === undefined) continue;
    const reply = await send("GET", path).catch((error: unknown) => {
      seen.failures.push(String(error));
    });
    if (reply?.status === 200 && !hasItsDigest(reply, path)) {
      seen.corrupt.push(`${path}: ${reply.content.length} bytes`);
    }
  }
}

function hasItsDigest(reply: Reply, path: string): boolean {
  return path.endsWith(`/${digest(reply.content)}`);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
