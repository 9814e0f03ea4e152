/** The commands that change the stack's configuration, as messages show them. */
import { join } from "./render/shell";
import type { Path } from "./rules/schema";

/** The configuration's namespace, whatever the project is called. */
export const namespace = "private-registry";

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
 *
 * @param pulumi How Pulumi is called.
 */
export function setCommand(
  namespace: string,
  { path, value, file, secret }: Target,
  pulumi = pulumiCommand(),
): string {
  const flags = secret ? ["--secret"] : [];
  const words = join(["config", "set", ...flags, ...place(namespace, path)]);
  const command = `${pulumi} ${words}`;
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

/** A path within the settings as `pulumi config set --path` takes it. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") {
      return `${text}[${step}]`;
    }
    const name = masked(step);
    if (/^[A-Za-z0-9_@-]+$/.test(name)) {
      return text === "" ? name : `${text}.${name}`;
    }
    return `${text}[${JSON.stringify(name)}]`;
  }, "");
}

/** Whether a command can name the path: a name that is masked or cut cannot be given back. */
export function isPrintable(path: Path): boolean {
  return path.every((step) => typeof step === "number" || masked(step) === step);
}

/** `name:password`, as a line of htpasswd has it, without the password; long names are cut. */
function masked(name: string): string {
  const short = name.length > 80 ? `${name.slice(0, 80)}…` : name;
  return short.replace(/:.*$/s, ":…");
}
