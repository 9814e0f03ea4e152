/** A client of the registry's HTTP API that sends exactly what it is told to. */
import { createHash, randomBytes } from "node:crypto";
import { type Agent, request } from "node:https";
import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";

export interface RegistryClientOptions {
  /** The address to connect to. */
  address?: string;
  port: number;
  /** The name of the registry, which its certificate must have. */
  host: string;
  caPem: string;
  /**
   * Keeps connections.
   *
   * @default - a connection for each request
   */
  agent?: Agent;
}

export interface RequestOptions {
  /** User name and password. */
  user?: readonly [string, string] | undefined;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  content: Buffer;
  /** The content as text. */
  body: string;
  /** Whether an earlier request went over the same connection. */
  reused: boolean;
}

/** An image as the registry stores it. */
export interface StoredImage {
  name: string;
  tag: string;
  manifest: string;
  layer: string;
}

export class RegistryClient {
  constructor(private readonly options: RegistryClientOptions) {}

  request(method: string, path: string, options: RequestOptions = {}): Promise<Reply> {
    const { address = "127.0.0.1", port, host, caPem, agent } = this.options;
    const { user, body = "" } = options;
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: address,
          port,
          method,
          path,
          ca: caPem,
          // An address is no server name, and is checked as the address that it is.
          servername: isIP(host) === 0 ? host : "",
          agent: agent ?? false,
          timeout: 20_000,
          headers: {
            Host: `${host}:${port}`,
            "Content-Length": String(Buffer.byteLength(body)),
            ...(user && { Authorization: basic(...user) }),
            ...options.headers,
          },
        },
        (reply) => {
          const chunks: Buffer[] = [];
          reply.on("data", (chunk: Buffer) => chunks.push(chunk));
          reply.on("error", reject);
          reply.on("end", () => {
            const content = Buffer.concat(chunks);
            resolve({
              status: reply.statusCode ?? 0,
              headers: reply.headers,
              content,
              get body() {
                return content.toString();
              },
              reused: sent.reusedSocket,
            });
          });
        },
      );
      sent.on("timeout", () => sent.destroy(new Error(`${method} ${path}: no answer in 20 s`)));
      sent.on("error", reject);
      sent.end(body);
    });
  }

  /** Pushes an image of one random layer; no runtime needs to be there. */
  async push(name: string, tag: string, user: readonly [string, string]): Promise<StoredImage> {
    const layer = await this.pushBlob(name, randomBytes(2000), user);
    const config = await this.pushBlob(name, Buffer.from("{}"), user);
    const manifest = imageManifest(config, layer);
    expectStatus(
      201,
      await this.request("PUT", `/v2/${name}/manifests/${tag}`, {
        user,
        headers: { "Content-Type": manifestType },
        body: manifest,
      }),
    );
    return { name, tag, manifest: digest(manifest), layer: layer.digest };
  }

  /** Pushes a blob in one piece. */
  async pushBlob(name: string, content: Buffer, user: readonly [string, string]) {
    const begun = await this.request("POST", `/v2/${name}/blobs/uploads/`, { user });
    expectStatus(202, begun);
    const path = completionPath(begun, digest(content));
    expectStatus(
      201,
      await this.request("PUT", path, {
        user,
        headers: { "Content-Type": "application/octet-stream" },
        body: content,
      }),
    );
    return describeBlob(content);
  }
}

export const manifestType = "application/vnd.oci.image.manifest.v1+json";

export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
}

export function digest(content: string | Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

interface BlobDescription {
  digest: string;
  size: number;
}

export function describeBlob(content: Buffer): BlobDescription {
  return { digest: digest(content), size: content.length };
}

/** The manifest of an image of one layer. */
export function imageManifest(config: BlobDescription, layer: BlobDescription): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
    layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer }],
  });
}

/** Where an upload goes on, by the registry's last answer to it. */
export function uploadPath({ headers }: Reply): string {
  const { pathname, search } = new URL(headers.location ?? "");
  return pathname + search;
}

/** Where an upload is completed. */
export function completionPath(reply: Reply, contentDigest: string): string {
  return `${uploadPath(reply)}&digest=${contentDigest}`;
}

export function expectStatus(status: number, reply: Reply): void {
  if (reply.status !== status) {
    throw new Error(`pushing: expected status ${status}, got ${reply.status}: ${reply.body}`);
  }
}
