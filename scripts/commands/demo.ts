import { pulumiEnvironment, readContext, type Context } from "../context";
import { engineAddress, isRemote } from "../engine/address";
import { Problem } from "../problem";
import { canInstallPackages } from "../setup/debian-packages";
import { ensurePrograms } from "../setup/programs";
import { setUp } from "../setup/set-up";

/** `npm run demo`: shows a push and a pull by a client machine, and leaves nothing of it behind. */
export async function demo(): Promise<number> {
  const context = demoContext();
  requireEngineHere(context);
  const cli = await setUp(context, { engine: true, images: true });
  // The demonstration's stack takes its state and passphrase from nobody.
  const { PATH, PULUMI_HOME } = pulumiEnvironment(context, cli);
  Object.assign(process.env, { PATH, PULUMI_HOME, DOCKER_HOST: context.engine.host });

  // Loaded here, as the other commands need none of it.
  const { hasMachineImage } = await import("../../test/support/machine-image");
  if (!(await hasMachineImage("docker"))) await requireDebootstrap();
  const { show } = await import("../demo/show");
  return show(context.progress);
}

/** Of a stack that has no settings: those of the user's own are not the demonstration's. */
function demoContext(): Context {
  const context = readContext(["--stack", "private-registry-demo"]);
  return { ...context, engine: engineAddress(context.env) };
}

function requireEngineHere({ engine }: Context): void {
  if (process.platform === "linux" && !isRemote(engine.host)) return;
  throw new Problem(
    `npm run demo: needs Linux and an engine of this machine, which reach the client machine; ` +
      `got ${process.platform} and ${engine.host} (from ${engine.from}).`,
    ["Unset DOCKER_HOST and DOCKER_CONTEXT, or go on with: npm run up"],
  );
}

/** What builds the client machine's image. */
async function requireDebootstrap(): Promise<void> {
  if (!canInstallPackages()) {
    throw new Problem(
      "npm run demo: the client machine's image is not built yet, which takes root on Debian or " +
        "Ubuntu.",
      ["Once: sudo npm run demo", "Or without a demonstration: npm run up"],
    );
  }
  await ensurePrograms("demo", ["debootstrap"]);
}
