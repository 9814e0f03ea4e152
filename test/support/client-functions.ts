/** The functions of the clients' script, called one by one in a real shell. */
import { spawnSync } from "node:child_process";
import { type ClientScriptValues, renderClientScript } from "../../components/render/client-script";

/**
 * Runs lines of shell in place of the script's own commands.
 *
 * @param shell With its options: `busybox sh`.
 */
export function runFunctions(
  values: ClientScriptValues,
  lines: string,
  { shell = "dash", env }: { shell?: string | undefined; env: NodeJS.ProcessEnv },
) {
  const text = renderClientScript(values);
  const [program = "", ...options] = shell.split(" ");
  const { stdout, stderr, status } = spawnSync(program, [...options, "-s"], {
    input: `${text.slice(0, text.lastIndexOf("\n{\n"))}\n${lines}`,
    env,
    encoding: "utf8",
  });
  return { stdout, stderr, status };
}
