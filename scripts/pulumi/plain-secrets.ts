import { quote } from "../../components/render/shell";
import { formatPath, isPemKey, namespace } from "../../components/rules/configuration";
import type { Context } from "../context";
import { Problem } from "../problem";

/**
 * Refuses secrets that are stored as plain text, in a file that is meant for git. The program, which
 * checks all else, is not told by Pulumi which values of a map are encrypted.
 *
 * @throws Problem with the command that encrypts each
 */
export function requireEncryptedSecrets({ npmRun, project, stack }: Context): void {
  const { plainSecrets } = project;
  if (plainSecrets.length === 0) return;
  throw new Problem(
    `stack ${stack.name}: ${plainSecrets.length === 1 ? "a secret is" : "secrets are"} stored as plain text; nothing was touched.`,
    [
      "Encrypt them (what a command does not read from a file, it asks for):",
      ...plainSecrets.map((path) => `  ${encryptCommand(npmRun, path)}`),
      "If the file was committed, they are in git's history: choose others.",
    ],
  );
}

/**
 * The command that stores the secret at `path`, without its value.
 *
 * @param npmRun What the user's commands begin with.
 */
export function encryptCommand(npmRun: string, path: readonly string[]): string {
  const place = quote(`${namespace}:${formatPath(path)}`);
  const file = isPemKey(path) ? " < FILE" : "";
  return `${npmRun} pulumi -- config set --secret --path ${place}${file}`;
}
