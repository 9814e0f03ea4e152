import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

/** The namespace of the configuration, whatever a copy of the project is called. */
const NAMESPACE = "private-registry";

/** What is read of Pulumi.yaml and a stack's settings file, for the checks before a deployment. */
export interface ProjectFacts {
  name: string;
  /** `backend.url`. */
  backendUrl: string | undefined;
  stackHasSalt: boolean;
  dockerHost: string | undefined;
  httpsPort: number;
  bindAddress: string;
  /** Image references, where the stack names others than the default. */
  images: { registry: string | undefined; nginx: string | undefined };
}

const projectSchema = z.object({
  name: z.string(),
  backend: z.object({ url: z.string().optional() }).nullish(),
  config: z.record(z.string(), z.unknown()).nullish(),
});
const stackSchema = z
  .object({
    encryptionsalt: z.string().optional(),
    config: z.record(z.string(), z.unknown()).nullish(),
  })
  .nullable();

/** Reads the project and the settings of a stack. Wrong settings are for the program to report. */
export function readProject(checkout: string, stack: string): ProjectFacts {
  const project = projectSchema.parse(readYaml(join(checkout, "Pulumi.yaml")));
  const parsed = stackSchema.safeParse(readYaml(join(checkout, `Pulumi.${stack}.yaml`)) ?? null);
  const settings = (parsed.success ? parsed.data?.config : undefined) ?? {};
  const setting = (key: string): unknown =>
    settings[`${NAMESPACE}:${key}`] ?? declaredDefault(project.config ?? {}, key);
  const images = setting("images");
  return {
    name: project.name,
    backendUrl: project.backend?.url,
    stackHasSalt: parsed.success && parsed.data?.encryptionsalt !== undefined,
    dockerHost: text(setting("dockerHost")),
    httpsPort: Number(text(setting("httpsPort")) ?? 443),
    bindAddress: text(setting("bindAddress")) ?? "0.0.0.0",
    images: { registry: text(member(images, "registry")), nginx: text(member(images, "nginx")) },
  };
}

/** `default` of a key in Pulumi.yaml, which may be written with and without the namespace. */
function declaredDefault(config: Record<string, unknown>, key: string): unknown {
  return member(config[key] ?? config[`${NAMESPACE}:${key}`], "default");
}

function member(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

/** Numbers may be written with or without quotes. A secret is no string here. */
function text(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

function readYaml(file: string): unknown {
  return existsSync(file) ? (parse(readFileSync(file, "utf8")) as unknown) : undefined;
}
