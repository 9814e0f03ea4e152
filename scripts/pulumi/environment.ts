import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readJson, readText } from "../files";
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
  /** The backend that the user has chosen, if any; see {@link ownBackend}. */
  ownBackend: string | undefined;
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
  const isOwn = facts.ownBackend !== undefined;
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

/**
 * The backend that the user has chosen, if any.
 *
 * @param projectBackend `backend.url` of Pulumi.yaml.
 * @param loggedIn Finds where `pulumi login` has logged in to.
 */
export function ownBackend(
  env: NodeJS.ProcessEnv,
  projectBackend: string | undefined,
  loggedIn: () => string | undefined,
): string | undefined {
  const cloud =
    nonEmpty(env["PULUMI_ACCESS_TOKEN"]) === undefined ? undefined : "https://api.pulumi.com";
  return nonEmpty(env["PULUMI_BACKEND_URL"]) ?? nonEmpty(projectBackend) ?? loggedIn() ?? cloud;
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
  if (choice.generatedPassphrase) {
    makePassphrase(passphraseFile(ownFolder));
    requirePassphrase(passphraseFile(ownFolder));
  }
}

/** A power cut may leave an empty one, and Pulumi would say that the passphrase is not the right one. */
function requirePassphrase(file: string): void {
  const mend = [
    "It is what the stacks here are encrypted with. Bring it back from your backup of",
    ".private-registry. If nothing is deployed yet, delete it, and a new one is made.",
  ];
  const passphrase = readText(file, mend);
  if (passphrase?.trim() === "") throw new Problem(`${file}: is empty.`, mend);
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

/**
 * The backend that `pulumi login` remembers.
 *
 * @param folder Where Pulumi keeps its credentials.
 */
export function loggedInTo(folder: string): string | undefined {
  const file = join(folder, "credentials.json");
  const stored = readJson(file, credentials, [
    "Pulumi remembers there which backend you are logged in to. Delete the file; and if your stacks",
    "are not in this checkout, log in again: npm run pulumi -- login URL",
  ]);
  return nonEmpty(stored?.current);
}
