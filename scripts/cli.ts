import { Command } from "commander";
import { bench } from "./commands/bench";
import { demo } from "./commands/demo";
import { doctor } from "./commands/doctor";
import { down } from "./commands/down";
import { forget } from "./commands/forget";
import { pulumi } from "./commands/pulumi";
import { test } from "./commands/test";
import { up } from "./commands/up";
import { update } from "./commands/update";
import { adopt, ownEnvironment } from "./environment";
import { describeFailure } from "./problem";

/** A command of package.json's scripts. */
type Run = (args: readonly string[]) => Promise<number>;

const program = new Command("npm run").description("A private container registry with Pulumi");

/** Adds a command whose arguments all go to the Pulumi CLI, `--help` too. */
function addPulumiCommand(name: string, description: string, run: Run): void {
  program
    .command(name)
    .description(description)
    .argument("[args...]", "arguments for Pulumi")
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action((args: string[]) => finish(run(args)));
}

/** Ends the process, and with it whatever a failed command has left running. */
async function finish(run: Promise<number>): Promise<void> {
  process.exit(await run);
}

program.enablePositionalOptions();
addPulumiCommand("up", "set up what is missing and deploy", up);
addPulumiCommand("update", "get the newest images, and deploy", update);
addPulumiCommand("down", "take the deployment away", down);
addPulumiCommand("pulumi", "the Pulumi CLI with the same backend and stack", pulumi);
program
  .command("demo")
  .description("show a push and a pull by a client machine, and leave nothing behind")
  .action(() => finish(demo()));
program
  .command("doctor")
  .description("say what this machine has and lacks")
  .action(() => finish(doctor()));
program
  .command("forget")
  .description("take a client that is gone for good out of the state")
  .argument("<client>", "its name among the settings")
  .action((client: string) => finish(forget(client)));
program
  .command("test")
  .description("run all checks and tests")
  .option("--unit", "only those that need no Docker and no Pulumi")
  .action((options: { unit?: boolean }) => finish(test({ unitOnly: options.unit === true })));
program
  .command("bench")
  .description("measure the project beside what people would use instead")
  .option("--quick", "under two minutes, for figures that are less sure")
  .action((options: { quick?: boolean }) => finish(bench({ quick: options.quick === true })));

function fail(error: unknown): never {
  // Whoever reads the output has had enough of it: `npm run doctor | head`.
  if ((error as NodeJS.ErrnoException).code === "EPIPE") process.exit(1);
  process.stderr.write(`${describeFailure(error)}\n`);
  process.exit(1);
}

process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
adopt(ownEnvironment(process.env));
program.parseAsync(process.argv).catch(fail);
