/**
 * The configuration's namespace, its paths and its secrets. The project's scripts read this too, which
 * can load no module of components/ that loads others.
 */
import type { Path } from "./schema";

/** The configuration's namespace, whatever the project is called. */
export const namespace = "private-registry";

/** The paths of all secret settings; `*` stands for a name of the user's choice. */
export const secretKeys: readonly (readonly string[])[] = [
  ["users", "*", "password"],
  ["ownCertificate", "privateKeyPem"],
  ["clients", "*", "privateKey"],
  ["clients", "*", "privateKeyPassword"],
  ["clients", "*", "password"],
  ["clients", "*", "proxy", "privateKey"],
  ["clients", "*", "proxy", "privateKeyPassword"],
  ["clients", "*", "proxy", "password"],
];

/** Whether the setting at `path`, without the namespace, is secret. */
export function isSecretPath(path: Path): boolean {
  return secretKeys.some(
    (key) =>
      key.length === path.length &&
      key.every((step, index) => step === "*" || step === path[index]),
  );
}

/** Whether a secret may be kept in a file: a PEM text is read from one rather than typed. */
export function isPemKey(path: Path): boolean {
  return /^privateKey(Pem)?$/.test(String(path.at(-1)));
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
