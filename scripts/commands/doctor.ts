import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { readContext, type Context } from "../context";
import { isRemote } from "../engine/address";
import { EngineApi } from "../engine/api";
import { type Deployed, findTroubles, type Trouble } from "../engine/deployed";
import { connectFailure, engineMend, look, remedyFor } from "../engine/ensure";
import { freePort, portMend, portState } from "../engine/port";
import { findProgram } from "../find-program";
import { ownFolder } from "../paths";
import { images } from "../pins";
import { Problem } from "../problem";
import { findCli, type PulumiCli } from "../pulumi/cli";
import { checkClients, type ClientCheck } from "../pulumi/client-checks";
import { type KnownServer, knownServer } from "../pulumi/repair-server";
import { askPulumi } from "../pulumi/run";
import { passphraseFile } from "../pulumi/environment";
import { pluginStates } from "../pulumi/plugins";
import { hasClients } from "../pulumi/stack";
import type { Certificate } from "../registry/ask";
import { lookAtRegistry } from "../registry/look";
import { outputsSchema, type RegistryOutputs } from "../registry/outputs";
import { formatFindings, isHealthy, type Finding } from "./findings";

/** Builds of the engine and the images take this much at most, with Go's caches. */
const WANTED_DISK_GIB = 10;

/** `npm run doctor`: says what the machine has and lacks, and changes nothing. */
export async function doctor(): Promise<number> {
  const context = readContext();
  const api = new EngineApi(context.engine.host);
  const engine = await checkEngine(context, api);
  const findings = [
    checkNode(),
    engine,
    checkDockerCli(context),
    ...(engine.state === "ok" ? await checkImages(api, context) : [notAsked("images")]),
    await checkPort(context, engine.state === "ok" ? api : undefined),
    await checkCli(context),
    ...checkPlugins(context),
    checkBackend(context),
    ...(engine.state === "ok" ? await checkServer(context, api) : [notAsked("registry")]),
    ...(await checkClientMachines(context)),
    await checkDisk(context.store.cacheFolder),
  ];
  process.stdout.write(formatFindings(findings));
  return isHealthy(findings) ? 0 : 1;
}

/** Of something that only the engine could tell of. */
function notAsked(thing: string): Finding {
  return { thing, state: "unknown", detail: "not looked at: the Docker engine does not answer" };
}

function checkNode(): Finding {
  // The bootstrap has refused an older one, and installed the dependencies.
  return {
    thing: "Node",
    state: "ok",
    detail: `${process.versions.node}, npm dependencies installed`,
  };
}

async function checkEngine(context: Context, api: EngineApi): Promise<Finding> {
  const { engine } = context;
  const thing = "Docker engine";
  const failure = await connectFailure(api);
  if (failure === undefined) {
    return { thing, state: "ok", detail: `${await api.describe()}, at ${engine.host}` };
  }
  const situation = look(engine, failure);
  const remedy = remedyFor(situation);
  const detail = `${engine.host} does not answer: ${failure.message}`;
  if (remedy === "tell") {
    return { thing, state: "broken", detail, mend: engineMend(situation, engine) };
  }
  const does = remedy === "install" ? "installs and starts docker.io" : "starts dockerd";
  return { thing, state: "missing", detail, mend: [`npm run up ${does}.`] };
}

function checkDockerCli(context: Context): Finding {
  const thing = "docker command";
  const file = findProgram("docker", context.env["PATH"]);
  if (file !== undefined) return { thing, state: "ok", detail: file };
  return {
    thing,
    state: isRemote(context.engine.host) ? "broken" : "missing",
    detail: "not on PATH",
    mend: [
      "It comes with the engine. For an engine elsewhere: apt-get install docker.io or docker-cli.",
    ],
  };
}

async function checkImages(api: EngineApi, context: Context): Promise<Finding[]> {
  const wanted = [
    context.project.images.registry ?? images.registry,
    context.project.images.nginx ?? images.nginx,
  ];
  return Promise.all(
    wanted.map(async (reference): Promise<Finding> => {
      const thing = `image ${reference}`;
      if (await api.hasImage(reference)) return { thing, state: "ok", detail: "on the engine" };
      const mend = ["npm run up pulls it; the default ones it builds where no pull is possible."];
      return { thing, state: "missing", detail: "not on the engine", mend };
    }),
  );
}

/** A port in use is fine when the registry of this project is what uses it. */
async function checkPort(context: Context, api: EngineApi | undefined): Promise<Finding> {
  const { bindAddress, httpsPort } = context.project;
  const thing = `port ${bindAddress}:${httpsPort}`;
  if (isRemote(context.engine.host)) {
    return { thing, state: "unknown", detail: `not looked at: it is on ${context.engine.host}` };
  }
  const state = await portState(httpsPort, bindAddress, api);
  switch (state.kind) {
    case "free":
      return { thing, state: "ok", detail: "free" };
    case "container":
      if (state.isRegistry) {
        return { thing, state: "ok", detail: `published by the container ${state.name}` };
      }
      return {
        thing,
        state: "broken",
        detail: `in use by the container ${state.name}`,
        mend: portMend(httpsPort, await freePort(bindAddress), context.npmRun),
      };
    case "in use":
      return {
        thing,
        state: "broken",
        detail: "in use by another program",
        mend: portMend(httpsPort, await freePort(bindAddress), context.npmRun),
      };
    case "unknown":
      // Only root may try a low port, but the engine may use it.
      if (state.reason === "EACCES") {
        return { thing, state: "unknown", detail: "not looked at: only root may try a low port" };
      }
      return {
        thing,
        state: "broken",
        detail: state.reason,
        mend: state.reason.startsWith("httpsPort")
          ? ["Set it to one: npm run pulumi -- config set httpsPort 5443"]
          : [
              "Set bindAddress to an address of this machine, or to 0.0.0.0 for all that it has:",
              "  npm run pulumi -- config set bindAddress 0.0.0.0",
            ],
      };
  }
}

async function checkCli(context: Context): Promise<Finding> {
  const { env, home, parts, pins, store } = context;
  const thing = "Pulumi CLI";
  const cli = await findCli({ env, home, version: pins.pulumi, parts, store });
  if (cli !== undefined) {
    return { thing, state: "ok", detail: `${cli.version}, ${cli.origin}, ${cli.program}` };
  }
  const mend = [
    "npm run up downloads it, or builds it from Go modules where that is not possible.",
  ];
  return { thing, state: "missing", detail: `not on PATH, not in ${store.cacheFolder}`, mend };
}

function checkPlugins(context: Context): Finding[] {
  return [...pluginStates(context)].map(([{ name, version }, state]): Finding => {
    const thing = `provider ${name} ${version}`;
    switch (state.kind) {
      case "on PATH":
        return { thing, state: "ok", detail: `on PATH, ${state.file}` };
      case "theirs":
        return { thing, state: "ok", detail: `Pulumi's own or put there by you, ${state.file}` };
      case "ours":
        return { thing, state: "ok", detail: `built here, ${state.file}` };
      case "outdated":
        return {
          thing,
          state: "missing",
          detail: "built here from sources that have changed since",
          mend: ["npm run up replaces it."],
        };
      case "missing":
        return {
          thing,
          state: "missing",
          detail: "not installed",
          mend: ["npm run up downloads it, or builds it from Go modules."],
        };
    }
  });
}

function checkBackend(context: Context): Finding {
  const { backend, stack } = context;
  if (backend.passphraseLost) {
    return {
      thing: "stack",
      state: "broken",
      detail: `${stack.name} is encrypted, and its passphrase is not here`,
      mend: [
        `Bring back ${passphraseFile(ownFolder)} from a backup, or set PULUMI_CONFIG_PASSPHRASE.`,
      ],
    };
  }
  const where = backend.env["PULUMI_BACKEND_URL"] ?? "your own backend";
  return { thing: "stack", state: "ok", detail: `${stack.name}, kept in ${where}` };
}

/** Asks every client machine whether it still is as the last `up` left it. */
async function checkClientMachines(context: Context): Promise<Finding[]> {
  const { backend, env, home, parts, pins, project, stack, store } = context;
  if (backend.backend === "ours" && !hasClients(ownFolder, project.name, stack.name)) return [];
  const cli = await findCli({ env, home, version: pins.pulumi, parts, store });
  if (cli === undefined) {
    return [{ thing: "clients", state: "unknown", detail: "not looked at: no Pulumi CLI here" }];
  }
  try {
    return (await checkClients(context, cli)).map((check) => clientFinding(check, context));
  } catch (error) {
    return [notLookedAt("clients", error)];
  }
}

/** Of what Pulumi could not say, such as one whose backend has no such stack. */
function notLookedAt(thing: string, error: unknown): Finding {
  if (!(error instanceof Problem)) throw error;
  const reason = error.mend.at(-1) ?? error.message;
  return { thing, state: "unknown", detail: `not looked at: ${reason}` };
}

/** Looks at what is deployed, and asks the registry what its clients ask. */
async function checkServer(context: Context, api: EngineApi): Promise<Finding[]> {
  const { env, home, parts, pins, store } = context;
  const cli = await findCli({ env, home, version: pins.pulumi, parts, store });
  try {
    const server = await knownServer(context, cli);
    if (server === undefined) return [];
    const objects = server.objects.filter(({ kind }) => kind !== "image");
    const troubles = await findTroubles(api, objects);
    const asked = server.outputs && (await askRegistry(context, api, cli, server, server.outputs));
    return [
      ...(troubles.length === 0 ? [allThere(objects)] : troubles.map(troubleFinding)),
      ...(await ages(api, server.objects)),
      ...(asked ?? [notPutOut]),
    ];
  } catch (error) {
    return [notLookedAt("registry", error)];
  }
}

/** A failed `up` leaves a stack without outputs. */
const notPutOut: Finding = {
  thing: "registry",
  state: "unknown",
  detail: "not asked: the stack has no output registryUrl, as after an up that failed",
};

function allThere(objects: readonly Deployed[]): Finding {
  const count = (kind: Deployed["kind"]) => {
    const number = objects.filter((one) => one.kind === kind).length;
    return `${number} ${kind}${number === 1 ? "" : "s"}`;
  };
  const detail = `${count("container")} running, ${count("network")}, ${count("volume")}`;
  return { thing: "deployed", state: "ok", detail };
}

/** After so many days, a newer image of the same version is likely. */
const OLD_DAYS = 60;

/** How old the images are of which something runs. */
async function ages(api: EngineApi, objects: readonly Deployed[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { id, name } of objects.filter(({ kind }) => kind === "image")) {
    const image = await api.image(id);
    if (image === undefined) continue;
    const days = Math.floor((Date.now() - image.created.getTime()) / 86_400_000);
    const date = image.created.toISOString().slice(0, 10);
    const advice = days > OLD_DAYS ? "; npm run update looks for a newer one" : "";
    const age = `runs, made on ${date}, ${days} ${days === 1 ? "day" : "days"} ago${advice}`;
    findings.push({ thing: `image ${name}`, state: "ok", detail: age });
  }
  return findings;
}

function troubleFinding({ deployed, detail }: Trouble): Finding {
  const thing = `${deployed.kind} ${deployed.name.slice(0, 40)}`;
  return { thing, state: "missing", detail, mend: ["npm run up repairs it."] };
}

async function askRegistry(
  context: Context,
  api: EngineApi,
  cli: PulumiCli | undefined,
  { renewsCertificate }: KnownServer,
  known: RegistryOutputs,
): Promise<Finding[]> {
  const { project, stack } = context;
  const passwords = cli && (await passwordsOf(context, cli));
  const outputs = { ...known, ...(passwords && { passwords }) };
  const look = await lookAtRegistry(api, project.bindAddress, outputs);
  const { address, certificate, login, read, unreachable, user } = look;
  const thing = `registry ${outputs.registryUrl}`;
  if (unreachable !== undefined) {
    const detail = `nothing answers at ${address}: ${unreachable}`;
    if (look.isElsewhere) return [{ thing, state: "unknown", detail }];
    const mend = [`npm run up repairs what is stopped or gone in stack ${stack.name}.`];
    return [{ thing, state: "missing", detail, mend }];
  }
  const step = (what: string, { problem }: { problem?: string }): Finding =>
    problem === undefined
      ? { thing: what, state: "ok", detail: `as ${user ?? "nobody"}, at ${address}` }
      : { thing: what, state: "missing", detail: problem, mend: ["npm run up applies it again."] };
  return [
    { thing, state: "ok", detail: `answers at ${address}` },
    ...(certificate ? [certificateFinding(certificate, renewsCertificate)] : []),
    ...(login
      ? [step("login", login)]
      : [{ thing: "login", state: "unknown" as const, detail: "not tried" }]),
    ...(read ? [step("read", read)] : []),
  ];
}

async function passwordsOf(context: Context, cli: PulumiCli): Promise<Record<string, string>> {
  const asked = ["stack", "output", "--json", "--show-secrets", "--stack", context.stack.name];
  const outputs: unknown = JSON.parse(await askPulumi(context, cli, asked));
  return outputsSchema.safeParse(outputs).data?.passwords ?? {};
}

function certificateFinding({ problem, daysLeft }: Certificate, isRenewed: boolean): Finding {
  const thing = "certificate";
  if (problem === undefined) {
    return { thing, state: "ok", detail: `good for another ${daysLeft} days` };
  }
  const detail = `clients refuse it: ${problem}`;
  return isRenewed
    ? { thing, state: "missing", detail, mend: ["npm run up renews it and applies it again."] }
    : { thing, state: "broken", detail, mend: ["Set a good one as ownCertificate."] };
}

function clientFinding({ name, changed, failure }: ClientCheck, { npmRun }: Context): Finding {
  const thing = `client ${name}`;
  if (failure !== undefined) {
    const mend = [`Fix that; or, if the machine is gone for good: ${npmRun} forget -- ${name}`];
    return { thing, state: "broken", detail: failure, mend };
  }
  if (changed.length === 0) return { thing, state: "ok", detail: "as it was set up" };
  const detail = `changed since: ${changed.join(", ")}`;
  return { thing, state: "missing", detail, mend: ["npm run up sets it up again."] };
}

async function checkDisk(cacheFolder: string): Promise<Finding> {
  let folder = cacheFolder;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = await statfs(folder);
  const free = (bavail * bsize) / 2 ** 30;
  const detail = `${free.toFixed(1)} GiB free in ${folder}`;
  if (free >= WANTED_DISK_GIB) return { thing: "disk", state: "ok", detail };
  const mend = [
    `A first build takes up to ${WANTED_DISK_GIB} GiB; the images that are pushed come on top.`,
  ];
  return { thing: "disk", state: free < 1 ? "broken" : "missing", detail, mend };
}
