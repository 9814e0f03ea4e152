import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import pLimit from "p-limit";
import { describeParts, type Parts } from "../toolchain/parts";
import type { PartStore } from "../toolchain/part";
import { engineAddress, engineVariables, type EngineAddress } from "./engine/address";
import { ownEnvironment } from "./environment";
import {
  cacheFolder,
  checkout,
  logFolder,
  nonEmpty,
  ownFolder,
  pulumiHome,
  spelledCheckout,
} from "./paths";
import { images, readPins, type Pins } from "./pins";
import { Progress } from "./progress";
import type { PulumiCli } from "./pulumi/cli";
import {
  chooseBackend,
  loggedInTo,
  ourBackend,
  ownBackend,
  passphraseFile,
  type BackendChoice,
} from "./pulumi/environment";
import { readProjectFile, readSettings, type ProjectFacts } from "./pulumi/project";
import { chooseStack, localName, selectedStack, shortName, type StackChoice } from "./pulumi/stack";

/** Parts that are made at the same time: two cores, and one that waits for the network. */
const PARALLEL = 3;

/** Everything that a command knows before it touches anything. */
export interface Context {
  env: NodeJS.ProcessEnv;
  home: string;
  pins: Pins;
  parts: Parts;
  store: PartStore;
  progress: Progress;
  stack: StackChoice;
  /** What commands begin with that the user is advised to run: `npm run`, for the same stack. */
  npmRun: string;
  project: ProjectFacts;
  backend: BackendChoice;
  engine: EngineAddress;
}

/**
 * Reads the environment and the project's files.
 *
 * @param args The arguments for the Pulumi CLI, which may name a stack.
 */
export function readContext(args: readonly string[] = []): Context {
  const env = ownEnvironment(process.env);
  const home = pulumiHome(env);
  const pins = readPins(checkout);
  const progress = new Progress();
  const file = readProjectFile(checkout);
  const stack = findStack(args, env, file);
  const project = { ...file, ...readSettings(file, shortName(stack.name)) };
  return {
    env,
    home,
    pins,
    parts: describeParts(join(checkout, "toolchain"), pins, images),
    store: {
      cacheFolder: cacheFolder(env),
      logFolder,
      progress,
      limit: pLimit(PARALLEL),
      inHand: new Map(),
    },
    progress,
    stack,
    npmRun: npmRun(stack),
    project,
    backend: chooseBackend({
      env,
      ownBackend: chosenBackend(env, file.backendUrl),
      ownFolder,
      stackHasSalt: project.stackHasSalt,
      passphraseExists: existsSync(passphraseFile(ownFolder)),
    }),
    engine: engineAddress(env, project.dockerHost),
  };
}

/** The stack that `pulumi stack select` has selected in this checkout. */
export function readSelection(
  env: NodeJS.ProcessEnv,
  project: Pick<ProjectFacts, "name" | "backendUrl">,
  checkouts = spellings(env),
): string | undefined {
  const backend = chosenBackend(env, project.backendUrl) ?? ourBackend(ownFolder);
  return selectedStack(pulumiHome(env), project.name, checkouts, backend);
}

/** The checkout's path as the shell spells it, and as it is, if that is another one. */
export function spellings(env: NodeJS.ProcessEnv): string[] {
  return [...new Set([spelledCheckout(env["PWD"]), checkout])];
}

/** The environment in which the CLI, and all it starts, runs. */
export function pulumiEnvironment(context: Context, cli: PulumiCli): NodeJS.ProcessEnv {
  const { backend, engine, env, stack } = context;
  return {
    ...(backend.backend === "ours" ? withoutLayout(env) : env),
    PATH: [...cli.folders, env["PATH"] ?? ""].join(delimiter),
    PWD: spelledCheckout(env["PWD"]),
    PULUMI_HOME: context.home,
    // Told by name: whatever is selected stays selected, and is not looked for again.
    PULUMI_STACK: stack.name,
    // It asks a site that closed networks do not reach, and waits for the answer.
    PULUMI_SKIP_UPDATE_CHECK: env["PULUMI_SKIP_UPDATE_CHECK"] ?? "true",
    // All clients may be behind one bastion, whose sshd drops connections when more than ten log in
    // at the same time (MaxStartups 10:30:100). Pulumi's own default is four for each core.
    PULUMI_PARALLEL: env["PULUMI_PARALLEL"] ?? "10",
    ...engineVariables(engine.host),
    // The docker provider does not know Docker's contexts, so it is told where they lead.
    DOCKER_HOST: engine.isDefault ? nonEmpty(env["DOCKER_HOST"]) : engine.host,
    // For the program and its scripts, whose messages say how to mend something.
    PRIVATE_REGISTRY_PULUMI: `${context.npmRun} pulumi --`,
    ...backend.env,
  };
}

/** What users set for a backend of theirs would have the files of ours written in another way. */
function withoutLayout(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith("PULUMI_DIY_BACKEND_")),
  );
}

function findStack(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  project: Pick<ProjectFacts, "name" | "backendUrl">,
): StackChoice {
  const stack = chooseStack(args, env, () => readSelection(env, project));
  const isOurs = chosenBackend(env, project.backendUrl) === undefined;
  return isOurs ? { ...stack, name: localName(stack.name, project.name) } : stack;
}

function chosenBackend(env: NodeJS.ProcessEnv, projectBackend: string | undefined) {
  const folder = nonEmpty(env["PULUMI_CREDENTIALS_PATH"]) ?? pulumiHome(env);
  return ownBackend(env, projectBackend, () => loggedInTo(folder));
}

/** A stack that was named for this run only has to be named in the next one, too. */
function npmRun({ from, name }: StackChoice): string {
  if (from === "selected" || from === "default") return "npm run";
  return `PULUMI_STACK=${/^[\w./-]+$/.test(name) ? name : `'${name.replaceAll("'", "")}'`} npm run`;
}
