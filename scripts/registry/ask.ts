import { request } from "node:https";
import { isIP } from "node:net";
import { checkServerIdentity, connect, type ConnectionOptions } from "node:tls";
import type { RegistryOutputs } from "./outputs";

/** How long the registry may take for an answer. */
const ANSWER_MS = 10_000;

/** Where a registry is asked. */
export interface Address {
  host: string;
  port: number;
}

/** What a registry said to somebody who has not logged in. */
export interface OpenAnswer {
  /** Why it said nothing. */
  unreachable?: string;
  certificate?: Certificate;
}

export interface Certificate {
  /** Why clients refuse it. */
  problem?: string;
  /** How long it is valid yet, in whole days. */
  daysLeft: number;
}

/**
 * The address at which a registry is published, for those who ask from here.
 *
 * @param engineHost Such as `unix:///var/run/docker.sock` or `ssh://ops@registry.example.com`.
 */
export function addressOf(engineHost: string, bindAddress: string, registryUrl: string): Address {
  const port = Number(new URL(registryUrl).port || 443);
  if (bindAddress !== "0.0.0.0" && bindAddress !== "::") return { host: bindAddress, port };
  if (/^(unix|npipe):/.test(engineHost)) {
    return { host: bindAddress === "::" ? "::1" : "127.0.0.1", port };
  }
  return { host: withoutBrackets(new URL(engineHost).hostname), port };
}

/** Connects, and looks at the certificate as a client would: issuer, time and name. */
export function askOpenly(address: Address, outputs: RegistryOutputs): Promise<OpenAnswer> {
  const domain = domainOf(outputs);
  return new Promise((resolve) => {
    // What is wrong with the certificate is told, and nothing is sent over the connection.
    const options = { ...tlsOptions(address, outputs), rejectUnauthorized: false };
    const socket = connect(options, () => {
      const peer = socket.getPeerCertificate();
      const refused = socket.authorized ? undefined : String(socket.authorizationError);
      const problem = refused ?? checkServerIdentity(domain, peer)?.message;
      const daysLeft = Math.floor((Date.parse(peer.valid_to) - Date.now()) / 86_400_000);
      socket.destroy();
      resolve({ certificate: { ...(problem !== undefined && { problem }), daysLeft } });
    });
    socket.setTimeout(ANSWER_MS, () => {
      socket.destroy(new Error(`no answer within ${ANSWER_MS / 1_000} s`));
    });
    socket.on("error", (error: Error) => resolve({ unreachable: reasonOf(error) }));
  });
}

/**
 * Asks the registry for `path`, over a connection whose certificate is verified.
 *
 * @param user Who asks: name and password.
 * @returns The HTTP status.
 */
export function statusOf(
  address: Address,
  outputs: RegistryOutputs,
  path: string,
  user?: readonly [string, string],
): Promise<number> {
  const domain = domainOf(outputs);
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        ...tlsOptions(address, outputs),
        path,
        agent: false,
        headers: { Host: new URL(outputs.registryUrl).host },
        // Of an address too, which cannot be asked for by name.
        checkServerIdentity: (_, certificate) => checkServerIdentity(domain, certificate),
        ...(user && { auth: user.join(":") }),
        signal: AbortSignal.timeout(ANSWER_MS),
      },
      (response) => {
        response.resume();
        response.on("error", reject);
        response.on("end", () => resolve(response.statusCode ?? 0));
      },
    );
    asked.on("error", (error) => reject(new Error(reasonOf(error))));
    asked.end();
  });
}

function tlsOptions({ host, port }: Address, outputs: RegistryOutputs): ConnectionOptions {
  const domain = domainOf(outputs);
  const { caCertificate: ca } = outputs;
  return { host, port, servername: isIP(domain) ? "" : domain, ...(ca !== undefined && { ca }) };
}

function domainOf({ registryUrl }: RegistryOutputs): string {
  return withoutBrackets(new URL(registryUrl).hostname);
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

function reasonOf(error: Error): string {
  return error.name === "TimeoutError" || error.name === "AbortError"
    ? `no answer within ${ANSWER_MS / 1_000} s`
    : error.message;
}
