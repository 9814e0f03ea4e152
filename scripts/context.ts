import { delimiter, join } from "node:path";
import pLimit from "p-limit";
import { describeParts, type Parts } from "../toolchain/parts";
import type { PartStore } from "../toolchain/part";
import { engineAddress, type EngineAddress } from "./engine/address";
import { cacheFolder, checkout, logFolder, ownFolder, pulumiHome } from "./paths";
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
import { readProject, type ProjectFacts } from "./pulumi/project";
import { chooseStack, selectedStack, type StackChoice } from "./pulumi/stack";
import { existsSync } from "node:fs";

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
  const env = process.env;
  const home = pulumiHome(env);
  const pins = readPins(checkout);
  const progress = new Progress();
  const { name, backendUrl } = readProject(checkout, "");
  const backend = ownBackend(env, backendUrl, loggedInTo(home)) ?? ourBackend(ownFolder);
  const selected = selectedStack(home, name, join(checkout, "Pulumi.yaml"), backend);
  const stack = chooseStack(args, env, selected);
  const project = readProject(checkout, stack.name);
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
    project,
    backend: chooseBackend({
      env,
      projectBackend: project.backendUrl,
      loggedInTo: loggedInTo(home),
      ownFolder,
      stackHasSalt: project.stackHasSalt,
      passphraseExists: existsSync(passphraseFile(ownFolder)),
    }),
    engine: engineAddress(env, project.dockerHost),
  };
}

/** The environment in which the CLI, and all it starts, runs. */
export function pulumiEnvironment(context: Context, cli: PulumiCli): NodeJS.ProcessEnv {
  return {
    ...context.env,
    PATH: [...cli.folders, context.env["PATH"] ?? ""].join(delimiter),
    PULUMI_HOME: context.home,
    // It asks a site that closed networks do not reach, and waits for the answer.
    PULUMI_SKIP_UPDATE_CHECK: context.env["PULUMI_SKIP_UPDATE_CHECK"] ?? "true",
    // All clients may be behind one bastion, whose sshd drops connections when more than ten log in
    // at the same time (MaxStartups 10:30:100). Pulumi's own default is four for each core.
    PULUMI_PARALLEL: context.env["PULUMI_PARALLEL"] ?? "10",
    // The docker provider does not know Docker's contexts.
    ...(context.engine.isDefault ? {} : { DOCKER_HOST: context.engine.host }),
    ...context.backend.env,
  };
}
