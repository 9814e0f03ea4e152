import type { EngineApi } from "../engine/api";
import { addressOf, askOpenly, statusOf, type Certificate } from "./ask";
import type { RegistryOutputs } from "./outputs";

/** What was seen of a registry by asking it, from the first step to the last that could be made. */
export interface Look {
  /** Where it was asked, `host:port`. */
  address: string;
  /** Why nothing answers there. */
  unreachable?: string;
  /** Whether that says nothing of the registry: it is on another machine, and the way may be closed. */
  isElsewhere: boolean;
  certificate?: Certificate;
  /** Who logged in. */
  user?: string;
  login?: Step;
  read?: Step;
}

/** A step that could be made. */
interface Step {
  /** Why it failed. */
  problem?: string;
}

/** Asks a registry what a client asks: the connection, the certificate, a login, a read. */
export async function lookAtRegistry(
  api: EngineApi,
  bindAddress: string,
  outputs: RegistryOutputs,
): Promise<Look> {
  const address = addressOf(api.host, bindAddress, outputs.registryUrl);
  const look: Look = {
    address: `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`,
    isElsewhere: !(await api.isHere()),
  };
  const { unreachable, certificate } = await askOpenly(address, outputs);
  if (unreachable !== undefined) return { ...look, unreachable };
  if (certificate !== undefined) look.certificate = certificate;
  // A password goes to nobody whose certificate is not the right one.
  const [user] = Object.entries(outputs.passwords ?? {});
  if (certificate?.problem !== undefined || user === undefined) return look;
  look.user = user[0];
  look.login = await step(() => statusOf(address, outputs, "/v2/", user), "/v2/");
  if (look.login.problem !== undefined) return look;
  const catalog = "/v2/_catalog?n=1";
  look.read = await step(() => statusOf(address, outputs, catalog, user), catalog);
  return look;
}

async function step(ask: () => Promise<number>, path: string): Promise<Step> {
  try {
    const status = await ask();
    return status === 200 ? {} : { problem: `${path} answered ${status} instead of 200` };
  } catch (error) {
    return { problem: `${path}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** What is wrong, if anything is that could be seen. */
export function problemOf(look: Look): string | undefined {
  const { unreachable, certificate, login, read } = look;
  if (unreachable !== undefined) return `nothing answers at ${look.address}: ${unreachable}`;
  if (certificate?.problem !== undefined) return `its certificate: ${certificate.problem}`;
  return login?.problem ?? read?.problem;
}
