import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { parseJson, readJson, readText } from "../files";
import { nonEmpty } from "../paths";

/** The stack that works without an edit. */
export const defaultStack = "dev";

/** Which stack a run is about. */
export interface StackChoice {
  /** As the CLI takes it; in a backend of the user's it may begin with an organization. */
  name: string;
  /** `argument` and `environment` are for this run only. */
  from: "argument" | "environment" | "selected" | "default";
}

/**
 * Finds the stack in the order of the CLI: an argument, PULUMI_STACK, the selected one; then `dev`.
 *
 * @param args The arguments that go to the CLI.
 * @param selected Finds the stack that `pulumi stack select` has selected in this checkout.
 */
export function chooseStack(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  selected: () => string | undefined,
): StackChoice {
  const argument = nonEmpty(stackArgument(args));
  if (argument !== undefined) return { name: argument, from: "argument" };
  const variable = nonEmpty(env["PULUMI_STACK"]);
  if (variable !== undefined) return { name: variable, from: "environment" };
  const chosen = selected();
  if (chosen !== undefined) return { name: chosen, from: "selected" };
  return { name: defaultStack, from: "default" };
}

/**
 * A stack of the local backend by the short name that its files have. It knows one organization, and
 * this checkout one project.
 */
export function localName(stack: string, project: string): string {
  const [prefix, name] = [`organization/`, `organization/${project}/`];
  if (stack.startsWith(name)) return stack.slice(name.length);
  const short = stack.slice(prefix.length);
  return stack.startsWith(prefix) && !short.includes("/") ? short : stack;
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

/** The part of a name that its settings file has: "acme/private-registry/dev" → "dev" */
export function shortName(stack: string): string {
  return stack.split("/").at(-1) ?? stack;
}

/** Older releases remember one stack, later ones one for each backend. */
const workspace = z.object({
  stack: z.string().optional(),
  stacks: z.record(z.string(), z.string()).nullish(),
});

/**
 * The stack that `pulumi stack select` has selected.
 *
 * @param home The CLI's folder, which has a file for each project.
 * @param checkouts The checkout's absolute path, in every way that it may be spelled; the CLI has its
 * own file for each of them, and the last one that was selected counts.
 * @param backendUrl The backend that the stack is in.
 */
export function selectedStack(
  home: string,
  project: string,
  checkouts: readonly string[],
  backendUrl: string,
): string | undefined {
  const files = checkouts
    .map((checkout) => {
      const id = createHash("sha1").update(join(checkout, "Pulumi.yaml")).digest("hex");
      return join(home, "workspaces", `${project}-${id}-workspace.json`);
    })
    .map((file) => ({ file, since: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((one, other) => other.since - one.since);
  const found = files.map(({ file }) => {
    const settings = readJson(file, workspace, [
      "Pulumi remembers there which stack is selected. Delete the file, then select the stack again:",
      "  npm run pulumi -- stack select NAME",
    ]);
    return nonEmpty(settings?.stacks?.[backendUrl] ?? settings?.stack);
  });
  return found.find((stack) => stack !== undefined);
}

/** Whether the local backend of this checkout has a stack. */
export function stackExists(ownFolder: string, project: string, stack: string): boolean {
  return existsSync(stateFile(ownFolder, project, stack));
}

/** The stacks that the local backend of this checkout has. */
export function localStacks(ownFolder: string, project: string): string[] {
  const folder = dirname(stateFile(ownFolder, project, ""));
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return files.filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5));
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
  const text = readText(file, stateMend(file));
  if (text === undefined) return false;
  // Of a broken one, nothing can be told from what is not in it.
  parseJson(text, file, stateMend(file));
  return text.includes(type);
}

/** What to do about a state that cannot be read. */
export function stateMend(file: string): string[] {
  const copy = newestCopy(file);
  return [
    "It holds the CA, the passwords and what is deployed: do not delete it. Bring it back from your",
    "backup of .private-registry.",
    ...(copy === undefined
      ? []
      : [
          `Or take the newest of the copies that Pulumi keeps, from ${copy.at.toISOString().slice(0, 19)}Z:`,
          `  cp ${copy.file} ${file}`,
          "Then have it compared with what is there: npm run pulumi -- refresh",
        ]),
  ];
}

/** Pulumi keeps the state of before the last step beside it, and that of each run. */
function newestCopy(file: string): { file: string; at: Date } | undefined {
  const [stack, project] = [basename(file, ".json"), basename(dirname(file))];
  const backups = join(dirname(file), "../../backups", project, stack);
  const names = existsSync(backups) ? readdirSync(backups) : [];
  const copies = [`${file}.bak`, ...names.map((name) => join(backups, name))]
    .filter((copy) => isState(copy))
    .map((copy) => ({ file: copy, at: statSync(copy).mtime }));
  return copies.sort((one, other) => other.at.getTime() - one.at.getTime())[0];
}

function isState(file: string): boolean {
  try {
    return z.object({ checkpoint: z.object({}) }).safeParse(JSON.parse(readFileSync(file, "utf8")))
      .success;
  } catch {
    return false;
  }
}

/** Where the local backend of this checkout keeps a stack's state. */
export function stateFile(ownFolder: string, project: string, stack: string): string {
  return join(ownFolder, "state", ".pulumi", "stacks", project, `${stack}.json`);
}
