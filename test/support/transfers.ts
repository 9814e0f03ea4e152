/** Transfers that stand still halfway, until they are told to go on. */
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { buffer } from "node:stream/consumers";
import { basic, RegistryClient, type RegistryClientOptions, uploadPath } from "./registry-client";

export interface StartedUpload {
  /** The answer's status. */
  status: Promise<number | undefined>;
  finish(): void;
}

/** Begins to upload `content` on a connection of its own, and keeps one more byte back. */
export async function startUpload(
  options: RegistryClientOptions,
  image: string,
  user: readonly [string, string],
  content: Buffer,
): Promise<StartedUpload> {
  const path = `/v2/${image}/blobs/uploads/`;
  const begun = await new RegistryClient(options).request("POST", path, { user });
  const upload = send(options, "PATCH", uploadPath(begun), user);
  const status = new Promise<number | undefined>((resolve, reject) => {
    upload.on("response", (reply) => resolve(reply.statusCode)).on("error", reject);
  });
  // Who awaits it hears of it, be it later.
  status.catch(() => undefined);
  await new Promise((resolve) => upload.write(content, resolve));
  return { status, finish: () => upload.end("!") };
}

export interface StartedDownload {
  content: Promise<Buffer>;
  goOn(): void;
}

/** Begins to download what is at `path`, and reads none of it yet. */
export async function startDownload(
  options: RegistryClientOptions,
  path: string,
  user: readonly [string, string],
): Promise<StartedDownload> {
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    send(options, "GET", path, user).on("response", resolve).on("error", reject).end();
  });
  const content = buffer(reply);
  content.catch(() => undefined);
  reply.pause();
  return { content, goOn: () => reply.resume() };
}

function send(
  { address = "127.0.0.1", port, host, caPem }: RegistryClientOptions,
  method: string,
  path: string,
  user: readonly [string, string],
) {
  return request({
    ...{ host: address, port, method, path, ca: caPem, servername: host, agent: false },
    headers: {
      Authorization: basic(...user),
      Host: `${host}:${port}`,
      "Content-Type": "application/octet-stream",
    },
  });
}
