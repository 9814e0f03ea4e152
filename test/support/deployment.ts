/** Deployments of this project by the real Pulumi engine, as `pulumi up` in a checkout makes them. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  LocalWorkspace,
  type OpMap,
  type OutputMap,
  PulumiCommand,
  type Stack,
} from "@pulumi/pulumi/automation";
import { execa } from "execa";

/** Settings by the keys of the contract, nested as in the stack's file. */
export type Settings = Record<string, unknown>;

/** What a successful `pulumi up` tells. */
export interface Deployed {
  /** How many resources were created, updated, replaced, left as they are (`same`)… */
  changes: OpMap;
  /** Everything that Pulumi printed. */
  output: string;
}

/** The names of the engine's objects that a stack manages. */
export interface EngineObjects {
  containers: string[];
  volumes: string[];
  networks: string[];
}

const project = resolve(import.meta.dirname, "../..");

/** What Pulumi reads of a checkout. */
const programFiles = [
  ...["Pulumi.yaml", "index.ts", "package.json", "tsconfig.json"],
  ...["components", "node_modules"],
];

/** Long enough for a container that drains for a minute. */
const operationLimitMs = 180_000;

/**
 * One stack in a folder of its own, with its own state, settings and Pulumi home: nothing of it is
 * left when it is removed, and any number of them run side by side.
 */
export class Deployment {
  /** Everything that Pulumi printed so far. */
  log = "";
  /** Whether nobody is told how long each operation took. */
  isQuiet = false;
  private outputs: OutputMap = {};

  private constructor(
    readonly stackName: string,
    /** Where the program, the settings and the state are. */
    readonly folder: string,
    private readonly stack: Stack,
  ) {}

  /**
   * Makes an empty stack; the caller calls {@link remove} in a `finally` or an `afterAll`.
   *
   * @param environment Variables for Pulumi, and for the programs that it runs.
   * @param program A folder with a Pulumi.yaml and an index.ts instead of the project's.
   */
  static async create(
    environment: Record<string, string> = {},
    program = project,
  ): Promise<Deployment> {
    const stackName = `test-${randomBytes(4).toString("hex")}`;
    const folder = await mkdtemp(join(tmpdir(), "private-registry-test-"));
    try {
      await linkProgram(program, folder);
      const home = process.env.PULUMI_HOME ?? join(homedir(), ".pulumi");
      await mkdir(join(folder, "home"));
      await symlink(join(home, "plugins"), join(folder, "home/plugins"));
      await mkdir(join(folder, "state"));
      const stack = await LocalWorkspace.createStack(
        { stackName, workDir: folder },
        {
          pulumiHome: join(folder, "home"),
          // The CLI's version is the toolchain's business, and one built from source tells none.
          pulumiCommand: await PulumiCommand.get({ skipVersionCheck: true }),
          envVars: {
            ...environment,
            PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
            PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
            PULUMI_SKIP_UPDATE_CHECK: "true",
          },
        },
      );
      return new Deployment(stackName, folder, stack);
    } catch (error) {
      await rm(folder, { recursive: true });
      throw error;
    }
  }

  /** What labels the stack's containers, and begins the name of its data volume. */
  get installation(): string {
    return `private-registry-${this.stackName}-registry`;
  }

  /** What another program needs to work on the stack, which names and decrypts it. */
  get environment(): Record<string, string> {
    return { ...this.stack.workspace.envVars, PULUMI_STACK: this.stackName };
  }

  /** The named volume of the images, if there is one. */
  get dataVolume(): string {
    return `${this.installation}-data`;
  }

  /** The stack's whole configuration from now on, by `pulumi config set-all --path`. */
  async configure(settings: Settings): Promise<void> {
    const { workspace } = this.stack;
    const stored = await workspace.stackSettings(this.stackName);
    await workspace.saveStackSettings(this.stackName, { ...stored, config: {} });
    await workspace.setAllConfig(this.stackName, Object.fromEntries(entries(settings)), true);
  }

  /** The version of the project in this checkout from now on, instead of an earlier one. */
  async upgrade(): Promise<void> {
    await linkProgram(project, this.folder);
  }

  /** `pulumi up`, with new settings if they are given. */
  async up(settings?: Settings): Promise<Deployed> {
    if (settings !== undefined) {
      await this.configure(settings);
    }
    const { stdout, summary, outputs } = await this.run("up", (options) => this.stack.up(options));
    this.outputs = outputs;
    return { changes: summary.resourceChanges ?? {}, output: stdout };
  }

  /** What `pulumi up` says when it fails. */
  async failingUp(settings?: Settings): Promise<string> {
    const failure = await this.up(settings).then(
      () => undefined,
      (error: unknown) => (error as Error).message,
    );
    if (failure === undefined) {
      throw new Error(`up of ${this.stackName}: expected it to fail, and it did not`);
    }
    return failure;
  }

  async refresh(): Promise<OpMap> {
    const { summary } = await this.run("refresh", (options) => this.stack.refresh(options));
    return summary.resourceChanges ?? {};
  }

  async destroy(): Promise<void> {
    await this.run("destroy", (options) => this.stack.destroy(options));
  }

  /** A text that the program put out, as the last {@link up} told it. */
  output(name: string): string {
    return String(this.outputs[name]?.value ?? "");
  }

  /** The output `passwords`. */
  get passwords(): Record<string, string> {
    return (this.outputs.passwords?.value ?? {}) as Record<string, string>;
  }

  /** The output `clients`: what was set up on each. */
  get clients(): Record<string, string> {
    return (this.outputs.clients?.value ?? {}) as Record<string, string>;
  }

  /** The state as it is stored, with the secrets encrypted. */
  async state(): Promise<string> {
    return readFile(
      join(this.folder, "state/.pulumi/stacks/private-registry", `${this.stackName}.json`),
      "utf8",
    );
  }

  /** `pulumi` in this project with this stack. */
  async pulumi(...args: string[]): Promise<string> {
    const { stdout, stderr } = await execa("pulumi", [...args, "--stack", this.stackName], {
      cwd: this.folder,
      env: { ...this.stack.workspace.envVars, PULUMI_HOME: join(this.folder, "home") },
      timeout: operationLimitMs,
    });
    return stdout + stderr;
  }

  /** `npm run <command>` in the checkout, which finds this stack and its settings. */
  async npmRun(...command: string[]): Promise<{ exitCode: number | undefined; output: string }> {
    await rm(join(project, this.stackFile), { force: true });
    await symlink(join(this.folder, this.stackFile), join(project, this.stackFile));
    const { exitCode, all } = await execa(process.execPath, ["scripts/bootstrap.cjs", ...command], {
      cwd: project,
      env: this.environment,
      all: true,
      reject: false,
    });
    return { exitCode, output: all };
  }

  /** What the stack has on the engine, by its state. */
  async objects(): Promise<EngineObjects> {
    const { deployment } = (await this.stack.exportStack()) as {
      deployment: { resources?: { type: string; id?: string }[] };
    };
    const ids = (kind: string) =>
      (deployment.resources ?? [])
        .filter(({ type }) => type.startsWith("docker:") && type.endsWith(`:${kind}`))
        .map(({ id }) => id ?? "");
    return { containers: ids("Container"), volumes: ids("Volume"), networks: ids("Network") };
  }

  /** Takes everything away: what is deployed, the images that it kept, the state and the folder. */
  async remove(): Promise<void> {
    try {
      const objects = await this.objects();
      try {
        await this.destroy();
      } catch (error) {
        await forceAway(objects);
        throw error;
      }
    } finally {
      await execa("docker", ["volume", "rm", "--force", this.dataVolume], { reject: false });
      await rm(join(project, this.stackFile), { force: true });
      await rm(this.folder, { recursive: true, force: true });
    }
  }

  private get stackFile(): string {
    return `Pulumi.${this.stackName}.yaml`;
  }

  private async run<T>(
    operation: string,
    start: (options: {
      color: "never";
      signal: AbortSignal;
      onOutput: (text: string) => void;
      onError: (text: string) => void;
    }) => Promise<T>,
  ): Promise<T> {
    const began = Date.now();
    const logged = this.log.length;
    const log = (text: string) => {
      this.log += text;
    };
    let ending = "failed";
    try {
      const result = await start({
        color: "never",
        signal: AbortSignal.timeout(operationLimitMs),
        onOutput: log,
        onError: log,
      });
      ending = "done";
      return result;
    } catch {
      // The error of the automation API repeats all output twice.
      throw new Error(`pulumi ${operation} ${this.stackName}:\n${this.log.slice(logged)}`);
    } finally {
      const seconds = ((Date.now() - began) / 1000).toFixed(1);
      if (!this.isQuiet) {
        process.stderr.write(`pulumi ${operation} ${this.stackName}: ${ending} in ${seconds} s\n`);
      }
    }
  }
}

/** Has `folder` be a checkout of `program`; what that lacks is the project's. */
async function linkProgram(program: string, folder: string): Promise<void> {
  for (const file of programFiles) {
    const own = join(program, file);
    await rm(join(folder, file), { force: true });
    await symlink(existsSync(own) ? own : join(project, file), join(folder, file));
  }
}

/** The leaves of `settings` as `pulumi config set --path` takes them; passwords and keys as secrets. */
function* entries(
  settings: unknown,
  path = "",
): Generator<[string, { value: string; secret: boolean }]> {
  if (Array.isArray(settings)) {
    for (const [index, value] of settings.entries()) {
      yield* entries(value, `${path}[${index}]`);
    }
  } else if (typeof settings === "object" && settings !== null) {
    for (const [key, value] of Object.entries(settings)) {
      const step = path === "" ? `private-registry:${key}` : `${path}["${key}"]`;
      yield* entries(value, step);
    }
  } else {
    const secret = /"(password|privateKey|privateKeyPem)"\]$/.test(path);
    yield [path, { value: String(settings), secret }];
  }
}

/** When Pulumi could not: whatever went wrong, the machine is left as it was. */
async function forceAway({ containers, volumes, networks }: EngineObjects): Promise<void> {
  const gone = async (...args: string[]) => execa("docker", args, { reject: false });
  for (const container of containers) await gone("rm", "--force", "--volumes", container);
  for (const volume of volumes) await gone("volume", "rm", "--force", volume);
  for (const network of networks) await gone("network", "rm", network);
}
