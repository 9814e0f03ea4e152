import { join } from "node:path";
import { z } from "zod";
import { namespace, secretKeys } from "../../components/rules/configuration";
import { dockerHost } from "../../components/rules/names";

import { containerIn, readYaml } from "../files";
import { Problem } from "../problem";

/** What is read of Pulumi.yaml. */
export interface ProjectFile {
  name: string;
  /** `backend.url`. */
  backendUrl: string | undefined;
  /** `stackConfigDir`: where the settings of stacks are, if not beside it. */
  settingsFolder: string;
  /** The keys that it declares, with their defaults. */
  declared: Record<string, unknown>;
}

/** What is read of a stack's settings, for the checks before a deployment and the hints after it. */
export interface StackSettings {
  stackHasSalt: boolean;
  dockerHost: string | undefined;
  /** Whether it can be told from the settings which engine is meant. */
  isEngineKnown: boolean;
  /** NaN if there is none that is a number. */
  httpsPort: number;
  bindAddress: string;
  /** Image references, where the stack names others than the default. */
  images: { registry: string | undefined; nginx: string | undefined };
  /** Undefined if it is no list. */
  domains: string[] | undefined;
  users: string[];
  clients: string[];
  /** The paths of secret settings that are stored as plain text. */
  plainSecrets: string[][];
}

/** Both. */
export type ProjectFacts = Pick<ProjectFile, "name" | "backendUrl" | "settingsFolder"> &
  StackSettings;

const map = z.record(z.string(), z.unknown()).nullish();
const projectSchema = z.object({
  name: z.string(),
  backend: z.object({ url: z.string().optional() }).nullish(),
  config: map,
  stackConfigDir: z.string().optional(),
});
const stackSchema = z.object({ encryptionsalt: z.string().optional(), config: map }).nullable();

/** Reads Pulumi.yaml. */
export function readProjectFile(checkout: string): ProjectFile {
  const file = join(checkout, "Pulumi.yaml");
  const project = readYaml(file, projectSchema, [
    "Correct it, or take the one of the repository: git checkout Pulumi.yaml",
  ]);
  if (project === undefined) {
    throw new Problem(`${file}: is not there.`, ["Bring it back: git checkout Pulumi.yaml"]);
  }
  return {
    name: project.name,
    backendUrl: project.backend?.url,
    settingsFolder: join(checkout, project.stackConfigDir ?? "."),
    declared: project.config ?? {},
  };
}

/**
 * Where the settings of a stack are.
 *
 * @param stack The last part of its name.
 */
export function settingsFile(project: Pick<ProjectFile, "settingsFolder">, stack: string): string {
  return join(project.settingsFolder, `Pulumi.${stack}.yaml`);
}

/**
 * Reads the settings of a stack. What is not as it must be is for the program to report, which knows
 * what each setting must be and tells all problems at once; it counts as not set here.
 *
 * @param stack The last part of its name.
 */
export function readSettings(project: ProjectFile, stack: string): StackSettings {
  const file = settingsFile(project, stack);
  const stored = readYaml(file, stackSchema, ["Correct it, then run the same command again."]);
  const settings = stored?.config ?? {};
  const setting = (key: string): unknown =>
    settings[`${namespace}:${key}`] ?? declaredDefault(project.declared, key);
  const images = setting("images");
  const engine = setting("dockerHost");
  const port = text(setting("httpsPort") ?? 443) ?? "";
  const domains = setting("domains");
  return {
    stackHasSalt: stored?.encryptionsalt !== undefined,
    dockerHost: text(engine),
    isEngineKnown: (engine ?? "") === "" || dockerHost(text(engine) ?? "") === undefined,
    httpsPort: /^\d+$/.test(port) ? Number(port) : NaN,
    bindAddress: text(setting("bindAddress") ?? "0.0.0.0") ?? "",
    images: { registry: text(member(images, "registry")), nginx: text(member(images, "nginx")) },
    domains: Array.isArray(domains) ? domains.map((domain) => text(domain) ?? "") : undefined,
    users: Object.keys(object(setting("users"))),
    clients: Object.keys(object(setting("clients"))),
    plainSecrets: secretKeys.flatMap(([key = "", ...rest]) =>
      textsAt(containerIn(setting(key)) ?? setting(key), rest).map((path) => [key, ...path]),
    ),
  };
}

/** Where below `value` a text or a number is at `path`: an encrypted one is `{secure: …}`. */
function textsAt(value: unknown, [step, ...rest]: readonly string[]): string[][] {
  if (step === undefined) return text(value) === undefined ? [] : [[]];
  const children = object(value);
  const steps = step === "*" ? Object.keys(children) : [step];
  return steps.flatMap((one) => textsAt(children[one], rest).map((path) => [one, ...path]));
}

/** `default` of a key in Pulumi.yaml, which may be written with and without the namespace. */
function declaredDefault(declared: Record<string, unknown>, key: string): unknown {
  return member(declared[key] ?? declared[`${namespace}:${key}`], "default");
}

function member(value: unknown, key: string): unknown {
  return object(value)[key];
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** Numbers may be written with or without quotes. A secret is no string here. */
function text(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}
