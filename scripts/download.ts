import { createHash } from "node:crypto";
import { createWriteStream, existsSync, readFileSync } from "node:fs";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { rootCertificates } from "node:tls";
import { Agent, type Dispatcher, fetch, ProxyAgent, type Response } from "undici";
import { nonEmpty } from "./paths";
import { Problem } from "./problem";

/** How long a site may take to answer; where it is not reachable, refusal comes sooner or never. */
const ANSWER_MS = 5_000;
/** How long nothing may come in the middle of a download. */
const PAUSE_MS = 30_000;
/** How long a download may take as a whole. */
const WHOLE_MS = 1_800_000;

/** Where systems keep the certificates that their administrator trusts, such as a proxy's own. */
const CERTIFICATE_FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** Throws a Problem with the reason unless a site offers a file. */
export async function requireOffer(address: string, env: NodeJS.ProcessEnv): Promise<void> {
  await exchange(address, env, ANSWER_MS, { method: "HEAD" }, () => Promise.resolve());
}

/** The text of a small file. Throws a Problem with the reason. */
export async function downloadText(address: string, env: NodeJS.ProcessEnv): Promise<string> {
  return exchange(address, env, PAUSE_MS, {}, (response) => response.text());
}

/** Writes a file as it comes. Throws a Problem with the reason. @returns Its SHA-256. */
export async function downloadFile(
  address: string,
  env: NodeJS.ProcessEnv,
  file: string,
): Promise<string> {
  return exchange(address, env, WHOLE_MS, {}, async ({ body }) => {
    const hash = createHash("sha256");
    const hashing = new Transform({
      transform: (chunk: Buffer, _, done) => {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    await pipeline(
      Readable.fromWeb(body ?? new ReadableStream()),
      hashing,
      createWriteStream(file),
    );
    return hash.digest("hex");
  });
}

async function exchange<T>(
  address: string,
  env: NodeJS.ProcessEnv,
  limitMs: number,
  init: { method?: string },
  receive: (response: Response) => Promise<T>,
): Promise<T> {
  let dispatcher: Dispatcher | undefined;
  try {
    dispatcher = dispatcherFor(new URL(address), env);
    const signal = AbortSignal.timeout(limitMs);
    const response = await fetch(address, { ...init, dispatcher, signal });
    if (!response.ok) throw new Error(`the answer is ${response.status} ${response.statusText}`);
    return await receive(response);
  } catch (error) {
    throw new Problem(`${address}: ${reasonOf(error)}`);
  } finally {
    void dispatcher?.destroy();
  }
}

/** undici says "fetch failed", and the reason in what caused it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "no answer in time";
  return error.cause === undefined ? error.message : reasonOf(error.cause);
}

function dispatcherFor(address: URL, env: NodeJS.ProcessEnv): Dispatcher {
  const limits = { headersTimeout: ANSWER_MS, bodyTimeout: PAUSE_MS };
  const tls = { timeout: ANSWER_MS, ca: trustedCertificates(env) };
  const uri = proxyFor(address, env);
  if (uri === undefined) return new Agent({ ...limits, connect: tls });
  return new ProxyAgent({ ...limits, uri, requestTls: tls, proxyTls: tls });
}

/** Node's own certificates and the system's, which curl and Go go by. */
function trustedCertificates(env: NodeJS.ProcessEnv): string[] {
  const files = [env["NODE_EXTRA_CA_CERTS"], env["SSL_CERT_FILE"], ...CERTIFICATE_FILES];
  const found = files.filter((file) => nonEmpty(file) !== undefined && existsSync(file ?? ""));
  return [...rootCertificates, ...found.map((file) => readFileSync(file ?? "", "utf8"))];
}

/**
 * The proxy that the environment names for an address, as curl and Go read it: `https_proxy`,
 * `http_proxy`, `all_proxy` and `no_proxy`, in small or capital letters.
 */
export function proxyFor(address: URL, env: NodeJS.ProcessEnv): string | undefined {
  const setting = (name: string) => nonEmpty(env[name]) ?? nonEmpty(env[name.toUpperCase()]);
  const host = address.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = address.port || (address.protocol === "https:" ? "443" : "80");
  for (const entry of (setting("no_proxy") ?? "").toLowerCase().split(/[\s,]+/)) {
    if (entry === "*") return undefined;
    // An IPv6 address has colons of its own, and brackets where a port follows.
    const parts = /^\*?\.?(?:\[(.+)\]|([^:]+)|(.*:.*:.*))(?::(\d+))?$/.exec(entry);
    const name = parts?.[1] ?? parts?.[2] ?? parts?.[3];
    if (name === undefined || (parts?.[4] ?? port) !== port) continue;
    if (host === name || host.endsWith(`.${name}`)) return undefined;
  }
  const proxy = setting(address.protocol.replace(":", "_proxy")) ?? setting("all_proxy");
  return proxy === undefined || proxy.includes("://") ? proxy : `http://${proxy}`;
}
