/** The commands that change the stack's configuration, as messages show them. */
import { join } from "./render/shell";
import { formatPath } from "./rules/configuration";
import type { Path } from "./rules/schema";

/** What a command sets. */
export interface Target {
  path: Path;
  value?: string | undefined;
  file?: string | undefined;
  secret: boolean;
}

/** How whoever reads a message calls Pulumi: the project's commands tell it by a variable. */
function pulumiCommand(): string {
  return process.env.PRIVATE_REGISTRY_PULUMI ?? "pulumi";
}

/**
 * The command that sets a value. A secret's value is left out, and then the CLI asks for it; that
 * of a file is read from standard input.
 */
export function setCommand(namespace: string, { path, value, file, secret }: Target): string {
  const flags = secret ? ["--secret"] : [];
  const words = join(["config", "set", ...flags, ...place(namespace, path)]);
  const command = `${pulumiCommand()} ${words}`;
  if (file !== undefined) {
    return `${command} < ${file}`;
  }
  return value === undefined ? command : `${command} ${join([value])}`;
}

/** The command that takes a value away. */
export function removeCommand(namespace: string, path: Path): string {
  return `${pulumiCommand()} ${join(["config", "rm", ...place(namespace, path)])}`;
}

function place(namespace: string, path: Path): string[] {
  const [key] = path;
  return path.length === 1 && typeof key === "string"
    ? [`${namespace}:${key}`]
    : ["--path", `${namespace}:${formatPath(path)}`];
}
