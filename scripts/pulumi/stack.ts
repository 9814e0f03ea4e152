import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { nonEmpty } from "../paths";

/** The stack that works without an edit. */
export const defaultStack = "dev";

/** Which stack a run is about. */
export interface StackChoice {
  name: string;
  /** `argument` and `environment` reach the CLI by themselves; the default must be selected. */
  from: "argument" | "environment" | "selected" | "default";
}

/**
 * Finds the stack in the order of the CLI: an argument, PULUMI_STACK, the selected one; then `dev`.
 *
 * @param args The arguments that go to the CLI.
 * @param selected The stack that `pulumi stack select` has selected in this checkout.
 */
export function chooseStack(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  selected: string | undefined,
): StackChoice {
  const argument = stackArgument(args);
  if (argument !== undefined) return { name: shortName(argument), from: "argument" };
  const variable = nonEmpty(env["PULUMI_STACK"]);
  if (variable !== undefined) return { name: shortName(variable), from: "environment" };
  if (selected !== undefined) return { name: shortName(selected), from: "selected" };
  return { name: defaultStack, from: "default" };
}

/** The value of `--stack X`, `--stack=X`, `-s X` or `-sX`. */
export function stackArgument(args: readonly string[]): string | undefined {
  for (const [index, argument] of args.entries()) {
    if (argument === "--") return undefined;
    if (argument === "--stack" || argument === "-s") return args[index + 1];
    if (argument.startsWith("--stack=")) return argument.slice("--stack=".length);
    if (/^-s[^-]/.test(argument)) return argument.slice(2).replace(/^=/, "");
  }
  return undefined;
}

/** "organization/private-registry/dev" → "dev" */
function shortName(stack: string): string {
  return stack.split("/").at(-1) ?? stack;
}

/** Older releases remember one stack, later ones one for each backend. */
const workspace = z.object({
  stack: z.string().optional(),
  stacks: z.record(z.string(), z.string()).optional(),
});

/**
 * The stack that `pulumi stack select` has selected.
 *
 * @param home The CLI's folder, which has a file for each project.
 * @param projectFile The absolute path of Pulumi.yaml.
 * @param backendUrl The backend that the stack is in.
 */
export function selectedStack(
  home: string,
  project: string,
  projectFile: string,
  backendUrl: string,
): string | undefined {
  const id = createHash("sha1").update(projectFile).digest("hex");
  const file = join(home, "workspaces", `${project}-${id}-workspace.json`);
  if (!existsSync(file)) return undefined;
  try {
    const parsed = workspace.safeParse(JSON.parse(readFileSync(file, "utf8")));
    return nonEmpty(parsed.data?.stacks?.[backendUrl] ?? parsed.data?.stack);
  } catch {
    return undefined;
  }
}

/** Whether the local backend of this checkout has a stack. */
export function stackExists(ownFolder: string, project: string, stack: string): boolean {
  return existsSync(stateFile(ownFolder, project, stack));
}

/** Whether a stack in the local backend of this checkout has containers. */
export function hasContainers(ownFolder: string, project: string, stack: string): boolean {
  return stateNames("docker:index/container:Container", stateFile(ownFolder, project, stack));
}

/** Whether a stack in the local backend of this checkout has clients. */
export function hasClients(ownFolder: string, project: string, stack: string): boolean {
  return stateNames("private-registry:index:ClientTrust", stateFile(ownFolder, project, stack));
}

function stateNames(type: string, file: string): boolean {
  return existsSync(file) && readFileSync(file, "utf8").includes(type);
}

/** Where the local backend of this checkout keeps a stack's state. */
export function stateFile(ownFolder: string, project: string, stack: string): string {
  return join(ownFolder, "state", ".pulumi", "stacks", project, `${stack}.json`);
}
