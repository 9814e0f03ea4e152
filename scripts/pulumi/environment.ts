import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { nonEmpty } from "../paths";
import { Problem } from "../problem";

/** Which backend and passphrase the CLI is to use. */
export interface BackendChoice {
  /** `ours` is the local backend of this checkout. */
  backend: "ours" | "own";
  /** The passphrase is the generated one of this checkout. */
  generatedPassphrase: boolean;
  /** The stack is encrypted with a passphrase that is not to be found. */
  passphraseLost: boolean;
  /** Added to the environment of the CLI. */
  env: Record<string, string>;
}

/** Everything that decides about the backend. */
export interface BackendFacts {
  env: NodeJS.ProcessEnv;
  /** `backend.url` of Pulumi.yaml. */
  projectBackend: string | undefined;
  /** Where `pulumi login` has logged in to. */
  loggedInTo: string | undefined;
  /** The folder that this checkout keeps for itself. */
  ownFolder: string;
  /** The stack's settings file has a passphrase's salt. */
  stackHasSalt: boolean;
  /** The generated passphrase exists. */
  passphraseExists: boolean;
}

/**
 * Chooses backend and passphrase. What the user has set, or logged in to, is respected; what is
 * left gets a local backend and a generated passphrase.
 */
export function chooseBackend(facts: BackendFacts): BackendChoice {
  const { env } = facts;
  const isOwn = ownBackend(env, facts.projectBackend, facts.loggedInTo) !== undefined;
  const added: Record<string, string> = isOwn
    ? {}
    : { PULUMI_BACKEND_URL: ourBackend(facts.ownFolder) };

  const hasPassphrase =
    // An empty passphrase is a passphrase.
    env["PULUMI_CONFIG_PASSPHRASE"] !== undefined ||
    nonEmpty(env["PULUMI_CONFIG_PASSPHRASE_FILE"]) !== undefined;
  // A stack that was encrypted before ours was generated has another one, which only its owner knows.
  const isTheirStack = isOwn && facts.stackHasSalt && !facts.passphraseExists;
  const generatedPassphrase = !hasPassphrase && !isTheirStack;
  const passphraseLost = generatedPassphrase && facts.stackHasSalt && !facts.passphraseExists;
  if (generatedPassphrase) {
    added["PULUMI_CONFIG_PASSPHRASE_FILE"] = passphraseFile(facts.ownFolder);
  }
  return { backend: isOwn ? "own" : "ours", generatedPassphrase, passphraseLost, env: added };
}

/** The backend that the user has chosen, if any. */
export function ownBackend(
  env: NodeJS.ProcessEnv,
  projectBackend: string | undefined,
  loggedInTo: string | undefined,
): string | undefined {
  const cloud =
    nonEmpty(env["PULUMI_ACCESS_TOKEN"]) === undefined ? undefined : "https://api.pulumi.com";
  const chosen = [env["PULUMI_BACKEND_URL"], projectBackend, loggedInTo, cloud];
  return chosen.find((value) => nonEmpty(value) !== undefined);
}

/** The local backend of this checkout. */
export function ourBackend(ownFolder: string): string {
  // Metadata is of no use, and not written in one piece: a run that is killed meanwhile would leave
  // a state that cannot be loaded ("failed to load checkpoint: EOF").
  return `file://${join(ownFolder, "state")}?metadata=skip`;
}

/** Where the generated passphrase is. */
export function passphraseFile(ownFolder: string): string {
  return join(ownFolder, "passphrase");
}

/** Makes the folders and the passphrase of a choice, for the user's eyes only. */
export function prepareBackend(choice: BackendChoice, ownFolder: string): void {
  if (choice.passphraseLost) {
    throw new Problem("The stack's file has an encryptionsalt, but its passphrase is not here.", [
      `Bring it back: ${passphraseFile(ownFolder)} from a backup, or set PULUMI_CONFIG_PASSPHRASE.`,
      "Or start over with a new one: take the line encryptionsalt, and secrets, out of the file.",
    ]);
  }
  mkdirSync(ownFolder, { recursive: true, mode: 0o700 });
  if (choice.backend === "ours") {
    mkdirSync(join(ownFolder, "state"), { recursive: true, mode: 0o700 });
  }
  if (choice.generatedPassphrase) makePassphrase(passphraseFile(ownFolder));
}

/** 32 random bytes, written whole or not at all, and never over a passphrase that is there. */
function makePassphrase(file: string): void {
  if (existsSync(file)) return;
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, randomBytes(32).toString("base64url"), { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft);
  }
}

const credentials = z.object({ current: z.string().optional() });

/** The backend that `pulumi login` remembers. */
export function loggedInTo(home: string): string | undefined {
  const file = join(home, "credentials.json");
  if (!existsSync(file)) return undefined;
  try {
    const parsed = credentials.safeParse(JSON.parse(readFileSync(file, "utf8")));
    return parsed.success ? nonEmpty(parsed.data.current) : undefined;
  } catch {
    return undefined;
  }
}
