/** The only reader of Pulumi's configuration. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { PrivateRegistryArgs } from "./private-registry";
import { registryRules } from "./rules/registry";
import { isMap, leaves, type Path } from "./rules/schema";
import { findProblems, formatPath, refuse, setCommand, type Source } from "./validation";

/** The configuration's namespace, whatever the project is called. */
const namespace = "private-registry";

/** The settings of a stack: valid, and with every secret wrapped by `pulumi.secret`. */
export type Settings = PrivateRegistryArgs;

/**
 * Reads and checks the stack's configuration.
 *
 * Warns of secrets that are stored as plain text.
 *
 * @throws pulumi.RunError with every problem at once, each with the command that mends it; never
 * with a secret
 */
export function readSettings(): Settings {
  const raw = readNamespace(pulumi.runtime.allConfig());
  const settings = withoutEmptyGroups(decode(registryRules, raw));
  const source: Source = {
    where: `the configuration of stack ${pulumi.getStack()}`,
    namespace,
    isSecret,
  };
  refuse(settings, registryRules, source);
  warnOfPlainSecrets(secretPaths(registryRules, settings));
  return wrapSecrets(registryRules, settings) as Settings;
}

function readNamespace(config: Readonly<Record<string, string>>): Record<string, unknown> {
  const prefix = `${namespace}:`;
  return Object.fromEntries(
    Object.entries(config)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  );
}

/**
 * Whether a top-level key has a secret in it; Pulumi does not say where in it. The function is not
 * in Pulumi's typings.
 */
function isSecret(key: string): boolean {
  const runtime = pulumi.runtime as { isConfigSecret?: (key: string) => boolean };
  return runtime.isConfigSecret?.(`${namespace}:${key}`) ?? false;
}

/**
 * `value` in the types that the rules ask for, where it can be read as such without a loss.
 *
 * Pulumi hands over top-level values as text, maps and lists as JSON text; inside of those,
 * `config set --path` turns `true`, `false` and whole numbers into JSON's own, also where a text is
 * meant. What cannot be read stays as it is, for the rules to refuse.
 */
function decode(schema: z.ZodType, value: unknown): unknown {
  if (schema instanceof z.ZodOptional) {
    return decode(schema.unwrap() as z.ZodType, value);
  }
  switch (leaves.get(schema)?.kind) {
    case "text":
      return decodeText(value);
    case "integer":
      return typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : value;
    case "flag":
      return value === "true" ? true : value === "false" ? false : value;
    case undefined:
      return decodeContainer(schema, value);
  }
}

/** The text that was written; not that of numbers that JavaScript has rounded. */
function decodeText(value: unknown): unknown {
  const isExact = typeof value === "boolean" || Number.isSafeInteger(value);
  return isExact ? String(value) : value;
}

function decodeContainer(schema: z.ZodType, value: unknown): unknown {
  const parsed = typeof value === "string" ? parseJson(value) : value;
  if (schema instanceof z.ZodArray) {
    const element = schema.element as z.ZodType;
    if (typeof parsed === "string" && findProblems(parsed, element, { where: "" }).length === 0) {
      return [parsed];
    }
    return Array.isArray(parsed) ? parsed.map((entry) => decode(element, entry)) : parsed;
  }
  if (!isMap(parsed)) {
    return parsed;
  }
  return Object.fromEntries(
    Object.entries(parsed).map(([key, entry]) => {
      const rule = ruleFor(schema, key);
      return [key, rule === undefined ? entry : decode(rule, entry)];
    }),
  );
}

/** What `text` means if it is a JSON map or list, else `text`; the parser's errors quote it. */
function parseJson(text: string): unknown {
  try {
    const parsed: unknown = JSON.parse(text);
    return isMap(parsed) || Array.isArray(parsed) ? parsed : text;
  } catch {
    return text;
  }
}

function ruleFor(schema: z.ZodType, key: string): z.ZodType | undefined {
  if (schema instanceof z.ZodRecord) {
    return schema.valueType as z.ZodType;
  }
  if (schema instanceof z.ZodObject && Object.hasOwn(schema.shape, key)) {
    return schema.shape[key] as z.ZodType;
  }
  return undefined;
}

/** `config rm --path` leaves an empty map behind, and Pulumi.yaml cannot declare "nothing". */
function withoutEmptyGroups(settings: unknown): unknown {
  if (!isMap(settings) || !isMap(settings.ownCertificate)) {
    return settings;
  }
  const { ownCertificate, ...others } = settings;
  return Object.keys(ownCertificate).length === 0 ? others : settings;
}

/** The places where `value` has a secret. */
function secretPaths(schema: z.ZodType, value: unknown, path: Path = []): Path[] {
  if (schema instanceof z.ZodOptional) {
    return secretPaths(schema.unwrap() as z.ZodType, value, path);
  }
  if (leaves.get(schema)?.secret === true) {
    return [path];
  }
  if (!isMap(value)) {
    return [];
  }
  return Object.entries(value).flatMap(([key, entry]) => {
    const rule = ruleFor(schema, key);
    return rule === undefined ? [] : secretPaths(rule, entry, [...path, key]);
  });
}

function warnOfPlainSecrets(paths: readonly Path[]): void {
  const plain = paths.filter(([key]) => typeof key === "string" && !isSecret(key));
  if (plain.length === 0) {
    return;
  }
  const lines = plain.map(
    (path) => `  - ${formatPath(path)}: ${setCommand(namespace, { path, secret: true })}`,
  );
  void pulumi.log.warn(
    ["Secrets in plain text in the stack's configuration; encrypt them with:", ...lines].join("\n"),
  );
}

function wrapSecrets(schema: z.ZodType, value: unknown): unknown {
  if (schema instanceof z.ZodOptional) {
    return wrapSecrets(schema.unwrap() as z.ZodType, value);
  }
  if (leaves.get(schema)?.secret === true) {
    return pulumi.secret(value);
  }
  if (!isMap(value)) {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => {
      const rule = ruleFor(schema, key);
      return [key, rule === undefined ? entry : wrapSecrets(rule, entry)];
    }),
  );
}
