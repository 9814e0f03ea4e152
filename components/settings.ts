/** The only reader of Pulumi's configuration. */
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { removeCommand, setCommand } from "./config-commands";
import { defaultUsers } from "./credentials";
import type { PrivateRegistryArgs } from "./private-registry";
import { defaultImages } from "./registry-server";
import { namespace } from "./rules/configuration";
import { domain } from "./rules/names";
import { registryRules } from "./rules/registry";
import { isMap, type Leaf, mapLeaves, nearest, type Path } from "./rules/schema";
import { refuse, setCommands } from "./validation";

/** The defaults in Pulumi.yaml, which come with the configuration as if they had been set. */
export const declaredDefaults = {
  httpsPort: 443,
  bindAddress: "0.0.0.0",
  users: defaultUsers,
  anonymousPull: false,
  validation: {},
  certificate: {},
  ownCertificate: {},
  images: defaultImages,
  keepData: true,
  clients: {},
};

/** The settings of a stack: valid, and with every secret wrapped by `pulumi.secret`. */
export type Settings = PrivateRegistryArgs;

/**
 * Reads and checks the stack's configuration.
 *
 * Warns of settings that are in a wrong namespace, and of a default user that is kept.
 *
 * @param keptUsers Users that are there by default; see {@link readDefaultUsers}. Pulumi gives up the
 * default of `users` as a whole when the first one is named.
 * @throws pulumi.RunError with every problem at once, each with the command that fixes it; never
 * with a secret
 */
export function readSettings(keptUsers: readonly string[] = []): Settings {
  const raw = withDomainList(readNamespace(pulumi.runtime.allConfig()));
  const kept = keptUsers.filter(isUnnamed);
  const settings = withoutEmptyGroups(mapLeaves(registryRules, withUsers(raw, kept), decode));
  refuse(settings, registryRules, {
    where: `the configuration of stack ${pulumi.getStack()}`,
    namespace,
    isSecret,
    plainSecrets: plainSecrets(settings),
    defaults: declaredDefaults,
  });
  warnOfKeptUsers(kept);
  warnOfOtherNamespaces(raw);
  return mapLeaves(registryRules, settings, wrapSecret) as Settings;
}

function readNamespace(config: Readonly<Record<string, string>>): Record<string, unknown> {
  const prefix = `${namespace}:`;
  return Object.fromEntries(
    Object.entries(config)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), parseContainer(value)]),
  );
}

/**
 * Warns of settings in a namespace that nobody reads: that of a project with another name, in which
 * the CLI puts a key without one, and misspelled ones.
 */
function warnOfOtherNamespaces(settings: Readonly<Record<string, unknown>>): void {
  const declared: Readonly<Record<string, unknown>> = declaredDefaults;
  for (const [full, text] of Object.entries(pulumi.runtime.allConfig())) {
    const [space = "", key = ""] = full.split(/:(.*)/s);
    const isOurs = Object.hasOwn(registryRules.shape, key);
    const isMeant = space === pulumi.getProject() || nearest(space, [namespace]) !== undefined;
    const value = parseContainer(text);
    const isDefault = isDeepStrictEqual(value, declared[key]) || text === String(declared[key]);
    if (space === namespace || !isOurs || !isMeant || isDefault) continue;
    const isFree = isDeepStrictEqual(settings[key], declared[key]) || settings[key] === undefined;
    const set =
      isFree && !isSecretKey(full) ? setCommands([key], value, registryRules, namespace) : [];
    const commands = [removeCommand(space, [key]), ...set].join(" && ");
    void pulumi.log.warn(
      `${full} is not read, as settings are in the namespace ${namespace}; move it with: ${commands}`,
    );
  }
}

/**
 * The map or list that `text` is the JSON of, else `text`. The parser's errors are not passed on:
 * they quote what they read.
 */
function parseContainer(text: string): unknown {
  try {
    const parsed: unknown = JSON.parse(text);
    return isMap(parsed) || Array.isArray(parsed) ? parsed : text;
  } catch {
    return text;
  }
}

/**
 * Whether a top-level key has a secret in it; Pulumi does not say where in it. The function is not
 * in Pulumi's typings.
 */
function isSecret(key: string): boolean {
  return isSecretKey(`${namespace}:${key}`);
}

function isSecretKey(full: string): boolean {
  const runtime = pulumi.runtime as { isConfigSecret?: (key: string) => boolean };
  return runtime.isConfigSecret?.(full) ?? false;
}

/** Whether the configuration names users, and not this one. */
export function isUnnamed(user: string): boolean {
  const { users } = readNamespace(pulumi.runtime.allConfig());
  return isMap(users) && !Object.hasOwn(users, user);
}

function withUsers(
  raw: Record<string, unknown>,
  names: readonly string[],
): Record<string, unknown> {
  if (!isMap(raw.users) || names.length === 0) return raw;
  const kept = Object.fromEntries(names.map((name) => [name, {}]));
  return { ...raw, users: { ...kept, ...raw.users } };
}

function warnOfKeptUsers(names: readonly string[]): void {
  for (const name of names) {
    const access = (value: string) =>
      setCommand(namespace, { path: ["users", name, "access"], value, secret: false });
    void pulumi.log.warn(
      [
        `The user ${name} was there by default and stays, as nothing says otherwise.`,
        `  Keep it, without this warning: ${access("push")}`,
        `  Delete it: ${access("none")}`,
      ].join("\n"),
    );
  }
}

/** `config set domains registry.example.com`: a list of one. */
function withDomainList(raw: Record<string, unknown>): Record<string, unknown> {
  const { domains } = raw;
  const isOne = typeof domains === "string" && domain(domains) === undefined;
  return isOne ? { ...raw, domains: [domains] } : raw;
}

/**
 * A single value in the type that its rule asks for, where it can be read as such without a loss.
 *
 * Pulumi hands over top-level values as text. Inside of maps and lists, `config set --path` turns
 * `true`, `false` and whole numbers into JSON's own, also where a text is meant. What cannot be read
 * stays as it is, for the rules to refuse.
 */
function decode({ kind }: Leaf, value: unknown): unknown {
  switch (kind) {
    case "text":
      return decodeText(value);
    case "integer":
      return typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : value;
    case "flag":
      return value === "true" ? true : value === "false" ? false : value;
  }
}

/** The text that was written; not that of numbers that JavaScript has rounded. */
function decodeText(value: unknown): unknown {
  const isExact = typeof value === "boolean" || Number.isSafeInteger(value);
  return isExact ? String(value) : value;
}

/**
 * `config rm --path` leaves an empty map behind, and Pulumi.yaml cannot declare "nothing". Of users,
 * an empty map is one by default; of an own certificate and a bastion it is none.
 */
function withoutEmptyGroups(settings: unknown): unknown {
  if (!isMap(settings)) return settings;
  const others = withoutEmpty(settings, "ownCertificate");
  if (!isMap(others.clients)) return others;
  const clients = Object.entries(others.clients).map(([name, client]) => [
    name,
    isMap(client) ? withoutEmpty(client, "proxy") : client,
  ]);
  return { ...others, clients: Object.fromEntries(clients) as unknown };
}

function withoutEmpty(map: Record<string, unknown>, key: string): Record<string, unknown> {
  const { [key]: group, ...others } = map;
  return isMap(group) && Object.keys(group).length === 0 ? others : map;
}

function wrapSecret({ secret }: Leaf, value: unknown): unknown {
  return secret === true ? pulumi.secret(value) : value;
}

/**
 * The places where `settings` has a secret that Pulumi keeps as plain text. Pulumi tells of a top-level
 * key only whether there is something encrypted in it.
 */
function plainSecrets(settings: unknown): Path[] {
  const paths: Path[] = [];
  mapLeaves(registryRules, settings, ({ secret }, value, path) => {
    const [key] = path;
    if (secret === true && typeof key === "string" && !isSecret(key)) {
      paths.push(path);
    }
    return value;
  });
  return paths;
}
