import { realpathSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, sep } from "node:path";

/** The checkout these scripts belong to. */
export const checkout = dirname(import.meta.dirname);

/** What this checkout keeps for itself: state, passphrase, logs. Git ignores it; mode 0700. */
export const ownFolder = join(checkout, ".private-registry");

/** Where the output of long steps goes. */
export const logFolder = join(ownFolder, "logs");

/**
 * The cache of built and downloaded parts, shared by all checkouts of one user.
 *
 * @param env The environment: `XDG_CACHE_HOME` moves it.
 */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  return join(nonEmpty(env["XDG_CACHE_HOME"]) ?? join(homedir(), ".cache"), "private-registry");
}

/**
 * The folder of the Pulumi CLI: plugins, credentials, selected stacks.
 *
 * @param env The environment: `PULUMI_HOME` moves it.
 */
export function pulumiHome(env: NodeJS.ProcessEnv): string {
  return nonEmpty(env["PULUMI_HOME"]) ?? join(homedir(), ".pulumi");
}

/**
 * The path of the checkout as the user's shell spells it, which differs below a symbolic link. Pulumi
 * goes by that spelling, and keeps what is selected under it.
 *
 * @param shellFolder The shell's own folder, PWD.
 */
export function spelledCheckout(shellFolder: string | undefined): string {
  const folder = shellFolder ?? checkout;
  const real = realPath(folder);
  if (real === checkout) return folder;
  if (real?.startsWith(checkout + sep) !== true) return checkout;
  const inside = real.slice(checkout.length);
  return folder.endsWith(inside) ? folder.slice(0, -inside.length) : checkout;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** An environment variable that is set to nothing counts as not set. */
export function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
