import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { pulumiEnvironment, type Context } from "../context";
import { Problem } from "../problem";
import type { PulumiCli } from "./cli";
import { clientsOf, exportState, stateSchema } from "./clients";
import { Operations } from "./operations";
import { childrenOf, endCommandProvider } from "./providers";
import { nameOf } from "./urn";

/** How a client machine is now. */
export interface ClientCheck {
  /** Its name in `clients.<name>`. */
  name: string;
  /** The command that sets it up, as Pulumi calls it. */
  urn: string;
  /** What an `up` would change there; nothing if it is as it was set up. */
  changed: string[];
  /** Why that cannot be told. */
  failure?: string;
}

const commandSchema = z.object({
  urn: z.string(),
  type: z.enum(["command:remote:Command", "command:local:Command"]),
  // One that is to be deleted has another in its place.
  delete: z.literal(false).optional(),
  inputs: z.object({ stdin: z.string(), connection: z.looseObject({}).optional() }),
});

/** How long a machine may take to say how it is. */
const CHECK_SECONDS = 30;

type ClientCommand = z.infer<typeof commandSchema> & { name: string };

/** How Pulumi marks a secret in what `stack export --show-secrets` prints. */
const secretSchema = z.object({
  "4dabf18193072939515e22adb298388d": z.string(),
  plaintext: z.string(),
});

/** For `JSON.parse`: secrets, and those inside of them, as what they are. */
function revealed(_key: string, value: unknown): unknown {
  const { data: secret } = secretSchema.safeParse(value);
  return secret ? (JSON.parse(secret.plaintext, revealed) as unknown) : value;
}

/** The commands of the clients in what `pulumi stack export --show-secrets` prints. */
export function clientCommandsOf(exported: string): ClientCommand[] {
  const resources = stateSchema.parse(JSON.parse(exported, revealed)).deployment.resources ?? [];
  const commands = resources.flatMap((resource) => commandSchema.safeParse(resource).data ?? []);
  return clientsOf(exported)
    .flatMap(({ name, children }) =>
      commands.filter(({ urn }) => children.includes(urn)).map((command) => ({ ...command, name })),
    )
    .sort((one, other) => one.name.localeCompare(other.name));
}

/**
 * Runs the script of each client with `check` instead of `apply`: by Pulumi itself, in a stack of
 * its own that is thrown away, so that a machine is reached exactly as it is set up.
 */
export async function checkClients(context: Context, cli: PulumiCli): Promise<ClientCheck[]> {
  const commands = clientCommandsOf(await exportState(context, cli, "--show-secrets"));
  if (commands.length === 0) return [];
  const { heard, failures } = await runChecks(context, cli, commands);
  return commands.map(({ name, urn }) => {
    const said = heard.get(urn);
    const changed = [...(said ?? "").matchAll(/^changed: (.*)$/gm)].map(([, what = ""]) => what);
    if (said !== undefined) return { name, urn, changed };
    // The last line of what the machine, or the way to it, had to say.
    const failure = failures.get(nameOf(urn))?.trim().split("\n").at(-1) ?? "it did not answer";
    return { name, urn, changed, failure };
  });
}

/**
 * Has the next `up` set clients up again, in place: in the state, their commands are no longer the
 * ones that the program asks for. The provider cannot find that out by a refresh.
 *
 * @param exported What `pulumi stack export` prints.
 * @returns The same for `pulumi stack import`.
 */
export function withChanged(exported: string, checks: readonly ClientCheck[]): string {
  const state = stateSchema.parse(JSON.parse(exported));
  for (const resource of state.deployment.resources ?? []) {
    const check = checks.find(({ urn }) => urn === resource.urn && resource.delete !== true);
    if (check === undefined) continue;
    for (const recorded of [resource.inputs, resource.outputs]) {
      if (recorded) recorded["create"] = `changed since: ${check.changed.join(", ")}`;
    }
  }
  return JSON.stringify(state);
}

/**
 * What the machines said, by the URNs of their commands, and why others said nothing, by the names
 * that end these.
 *
 * @throws Problem if no machine could be asked
 */
async function runChecks(context: Context, cli: PulumiCli, commands: readonly ClientCommand[]) {
  // Both take long to load, and most runs have no clients.
  const [{ LocalWorkspace, PulumiCommand }, command, pulumi] = await Promise.all([
    import("@pulumi/pulumi/automation"),
    import("@pulumi/command"),
    import("@pulumi/pulumi"),
  ]);
  const heard = new Map<string, string>();
  const failures = new Map<string, string>();
  const tooLate = new Set<string>();
  const program = () => {
    for (const { urn, inputs } of commands) {
      const { stdin, connection } = inputs;
      const name = nameOf(urn);
      const check = { create: "sh -s -- check", stdin: pulumi.secret(stdin) };
      const asked = connection
        ? new command.remote.Command(name, {
            ...check,
            connection: pulumi.secret(once(connection)),
          })
        : new command.local.Command(name, check);
      // Each output of a failed resource ends this process, unless it is recovered.
      for (const key of Object.getOwnPropertyNames(asked)) {
        const output: unknown = Reflect.get(asked, key);
        if (pulumi.Output.isInstance(output)) pulumi.recover(output, () => undefined);
      }
      pulumi
        .recover<string | undefined>(asked.stdout, () => undefined)
        .apply((said) => {
          if (said !== undefined) heard.set(urn, said);
        });
    }
    return Promise.resolve();
  };
  const folder = await mkdtemp(join(tmpdir(), "private-registry-checks-"));
  try {
    await mkdir(join(folder, "state"));
    await mkdir(join(folder, "bin"));
    const pulumiProgram = join(folder, "bin/pulumi");
    await symlink(cli.program, pulumiProgram);
    const stack = await LocalWorkspace.createStack(
      { stackName: "checks", projectName: "private-registry-checks", program },
      {
        workDir: folder,
        pulumiCommand: await PulumiCommand.get({ root: folder }),
        envVars: {
          ...defined(pulumiEnvironment(context, cli)),
          PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
          PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
        },
      },
    );
    const operations = new Operations();
    // Those that do not answer are made to fail, as in an `up`.
    const timer = setInterval(() => {
      const silent = operations.overdue(() => CHECK_SECONDS * 1_000);
      if (silent.length === 0) return;
      const running = childrenOf(process.pid).filter(({ program }) => program === pulumiProgram);
      if (!running.some(({ pid }) => endCommandProvider(pid))) return;
      for (const { urn } of silent) tooLate.add(nameOf(urn));
    }, 1_000);
    const up = stack.up({
      continueOnError: true,
      onEvent: (event) => {
        operations.take(event);
        const told = event.diagnosticEvent;
        if (told?.severity === "error" && told.urn) failures.set(nameOf(told.urn), told.message);
      },
    });
    try {
      await up.catch((error: unknown) => {
        if (failures.size > 0) return;
        throw new Problem("clients: none could be checked", [String(error)]);
      });
    } finally {
      clearInterval(timer);
    }
    for (const name of tooLate) failures.set(name, `no answer within ${CHECK_SECONDS} s`);
  } finally {
    await rm(folder, { recursive: true });
  }
  return { heard, failures };
}

function defined(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** A look at a machine is worth less of a wait than its set-up. */
function once(connection: Record<string, unknown>) {
  return { ...connection, dialErrorLimit: 1, perDialTimeout: 5 } as unknown as { host: string };
}
