import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

export interface EngineCommandArgs {
  /**
   * Runs at creation and whenever `environment`, `stdin` or the script itself changes. What it writes
   * to standard output is shown.
   */
  script: string;
  /** What runs at creation instead. @default - `script` */
  firstScript?: string;
  /** @default - nothing is done at deletion */
  deleteScript?: string;
  /** What the scripts read. Nothing secret: secrets go through `stdin`. */
  environment: Record<string, pulumi.Input<string>>;
  /** @default - empty */
  stdin?: pulumi.Input<string>;
  /** The engine that `docker` talks to; as in `PrivateRegistryArgs`. */
  dockerHost?: string | undefined;
}

/** A script beside the Docker engine, run on the machine that runs Pulumi. */
export class EngineCommand extends command.local.Command {
  constructor(name: string, args: EngineCommandArgs, opts: pulumi.CustomResourceOptions) {
    super(
      name,
      {
        // The scripts come in the environment to keep them out of error messages, which begin with
        // the command.
        create: args.firstScript ? 'sh -c "$FIRST_SCRIPT"' : 'sh -c "$SCRIPT"',
        ...(args.firstScript && { update: 'sh -c "$SCRIPT"' }),
        ...(args.deleteScript && { delete: 'sh -c "$DELETE_SCRIPT"' }),
        environment: {
          SCRIPT: args.script,
          ...(args.firstScript && { FIRST_SCRIPT: args.firstScript }),
          ...(args.deleteScript && { DELETE_SCRIPT: args.deleteScript }),
          // The docker provider knows DOCKER_HOST and the default socket, but no contexts.
          ...(args.dockerHost ? { DOCKER_HOST: args.dockerHost } : { DOCKER_CONTEXT: "default" }),
          // What people set for their own work would change which image runs, or forbid it.
          DOCKER_CONTENT_TRUST: "",
          DOCKER_DEFAULT_PLATFORM: "",
          ...args.environment,
        },
        ...(args.stdin !== undefined && { stdin: args.stdin }),
        addPreviousOutputInEnv: false,
        logging: "stdout",
      },
      opts,
    );
  }
}
