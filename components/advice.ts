import { X509Certificate } from "node:crypto";
import { defaultUsers } from "./credentials";
import type { PrivateRegistryArgs } from "./private-registry";

const dayMs = 24 * 60 * 60 * 1000;

/**
 * What is allowed but probably not meant, one sentence each.
 *
 * @param now The time that certificates are judged by.
 */
export function advice(args: PrivateRegistryArgs, now: Date): string[] {
  const { bindAddress = "0.0.0.0", clients = {}, domains, users = defaultUsers } = args;
  const hasClients = Object.values(clients).some(({ local }) => local !== true);
  const found: string[] = [];
  if (hasClients && isLoopback(bindAddress)) {
    found.push(
      `bindAddress is ${bindAddress}, which no other machine reaches, and there are clients: ` +
        `set it to 0.0.0.0 or to an address of the Docker host.`,
    );
  }
  if (hasClients && domains.every(isLoopback)) {
    found.push(
      `domains has only ${domains.join(", ")}, which every machine takes for itself, and there ` +
        `are clients: add the name or address by which they reach the Docker host.`,
    );
  }
  if (Object.values(users).every(({ access = "push" }) => access !== "push")) {
    found.push(`no user may push: give one the access push.`);
  }
  const ends = endOf(args.ownCertificate?.certificatePem);
  if (ends !== undefined && ends.getTime() - now.getTime() < 30 * dayMs) {
    found.push(
      `ownCertificate ends on ${ends.toISOString().slice(0, 10)}: set the renewed one, then up; ` +
        `nothing restarts.`,
    );
  }
  return found;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || /^127\.|^::1$/.test(host);
}

/** When a certificate ends; undefined if it is not known yet. */
function endOf(pem: unknown): Date | undefined {
  return typeof pem === "string" ? new Date(new X509Certificate(pem).validTo) : undefined;
}
