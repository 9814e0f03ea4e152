import { X509Certificate } from "node:crypto";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { UserArgs } from "./credentials";
import { EngineCommand } from "./engine-command";
import {
  type Installation,
  installationLabels,
  installationOf,
  installationVariables,
} from "./installation";
import { contentDigest, managedPath, ManagedFiles } from "./managed-files";
import {
  applyScript,
  awaitAuthScript,
  awaitLastRequestsScript,
  awaitRegistryScript,
  checkNginxFilesScript,
  deleteDataScript,
  engineFacts,
  firstPreflightScript,
  type Limits,
  nginxArguments,
  nginxHealthCommand,
  nginxTmpfsOptions,
  preflightScript,
  prepareVolumesScript,
  registryHealthCommand,
  releaseDataScript,
  restartPolicy,
} from "./render/engine-scripts";
import {
  dataFolder,
  drainSeconds,
  filesFolder,
  nginxFolder,
  nginxPort,
  socketFolder,
  uid,
} from "./render/layout";
import { authCommand, authHealthCommand } from "./render/auth-conf";
import { nobodyHtpasswd } from "./render/htpasswd";
import { nginxMebibytes, renderNginxConf } from "./render/nginx-conf";
import { proofImage } from "./render/proof-image";
import { renderRegistryConfig } from "./render/registry-config";

/** References by tag or digest. */
export interface ImagesArgs {
  /** @default "registry:3.1.2" */
  registry?: string;
  /** @default "nginx:1.30" */
  nginx?: string;
}

/** What the manifests that are pushed may refer to. */
export interface ValidationArgs {
  /**
   * Regular expressions (RE2), one of which each URL of a layer must match that is not in the
   * registry, as in older Windows images.
   *
   * @default - none: an image with such layers is refused
   * @example ["^https://mcr\\.microsoft\\.com/"]
   */
  foreignLayerUrls?: string[];
  /**
   * Whether all of the images that an index names must be there when it is pushed: `all`, or `none`.
   * The registry's third way, a list of platforms, is not offered, as a push of an index with an
   * entry without a platform makes it panic (3.1.2).
   *
   * @default "all"
   */
  indexPlatforms?: IndexPlatforms;
}

export const indexPlatforms = ["all", "none"] as const;

export type IndexPlatforms = (typeof indexPlatforms)[number];

export interface RegistryServerArgs {
  /**
   * Labels what is on the engine, and names what outlives it; unique on the Docker host. With
   * another one, what is there keeps the first.
   */
  installation: string;
  /** As in `PrivateRegistryArgs`, here and below. */
  domains: string[];
  httpsPort?: number | undefined;
  bindAddress?: string | undefined;
  users: Record<string, Pick<UserArgs, "access">>;
  anonymousPull?: boolean | undefined;
  validation?: ValidationArgs | undefined;
  images?: ImagesArgs | undefined;
  dockerHost?: string | undefined;
  dataPath?: string | undefined;
  dataVolume?: string | undefined;
  replaces?: string | undefined;
  keepData?: boolean | undefined;
  /** The server certificate with its intermediates, PEM. */
  certificatePem: pulumi.Input<string>;
  privateKeyPem: pulumi.Input<string>;
  /** Everybody in {@link users}, with bcrypt hashes. */
  htpasswd: pulumi.Input<string>;
}

/**
 * The registry behind nginx. nginx has the one published port, TLS and the users. The registry has
 * no network at all: it listens on a Unix socket in a volume that only nginx shares, so that on the
 * host only root, and whoever may use the engine, can bypass the users.
 *
 * Each registry container has a socket of its own. A new one is created beside the old one and must
 * answer before nginx is switched over to it; the old one goes when its last requests have ended. A new
 * nginx container is created beside the old one too, and takes the port over in a quiet moment.
 */
export class RegistryServer extends pulumi.ComponentResource {
  /** The nginx container, once it serves what was asked for. */
  public readonly ready: pulumi.Output<string>;

  constructor(name: string, args: RegistryServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("private-registry:index:RegistryServer", name, {}, opts);

    const { dockerHost, dataPath, dataVolume, replaces = "" } = args;
    const references = { ...defaultImages, ...args.images };
    const httpsPort = args.httpsPort ?? 443;
    const bindAddress = args.bindAddress ?? "0.0.0.0";
    const keepData = args.keepData ?? true;
    const dataName = dataPath ?? dataVolume ?? `${args.installation}-data`;

    const installation = installationOf(name, args.installation, { parent: this });
    const preflight = new EngineCommand(
      `${name}-preflight`,
      {
        firstScript: firstPreflightScript,
        script: preflightScript,
        environment: {
          REGISTRY_IMAGE: references.registry,
          NGINX_IMAGE: references.nginx,
          BIND_ADDRESS: bindAddress,
          HTTPS_PORT: String(httpsPort),
          // A stack that was renamed keeps the volume that it has.
          DATA: dataPath ?? dataVolume ?? pulumi.interpolate`${installation.name}-data`,
          REPLACES: replaces,
          ...installationVariables(installation),
        },
        dockerHost,
      },
      { parent: this },
    );
    const engine = preflight.stdout.apply(engineFacts);
    const limits = engine.limits;
    const child = { parent: this, dependsOn: preflight };
    // Labels that came later are not worth a replacement, which would interrupt the service.
    const lasting = { ...child, ignoreChanges: ["labels"] };

    const registryImage = new docker.RemoteImage(
      `${name}-registry-image`,
      { name: references.registry, keepLocally: true },
      child,
    );
    const nginxImage = new docker.RemoteImage(
      `${name}-nginx-image`,
      { name: references.nginx, keepLocally: true },
      child,
    );

    const labels = installationLabels(installation);
    const network = new docker.Network(
      `${name}-network`,
      // nginx answers; it has nobody to ask out there, and whoever takes it over has no way out.
      { labels, options: { "com.docker.network.bridge.enable_ip_masquerade": "false" } },
      // Another network would be another nginx container.
      { ...child, ignoreChanges: ["labels", "options"] },
    );
    // No tmpfs: an engine that starts again unmounts it, also if containers run on and use it.
    const sockets = new docker.Volume(`${name}-sockets`, { labels }, lasting);
    const data =
      dataPath ??
      new docker.Volume(
        `${name}-data`,
        { name: dataName },
        {
          ...child,
          // A volume that was named may hold other things.
          retainOnDelete: keepData || dataVolume !== undefined,
          // Without a name of its own it has the stack's: renaming that must not lose the images.
          ...(dataVolume === undefined && { ignoreChanges: ["name"] }),
        },
      ).name;
    const storage = {
      ...(dataPath === undefined ? { volumeName: data } : { hostPath: data }),
      containerPath: dataFolder,
    };
    const ownVolumes = new EngineCommand(
      `${name}-own-volumes`,
      {
        script: prepareVolumesScript,
        // A volume of its own goes as a whole; a place of the user's is emptied of what is the registry's.
        ...(keepData && { deleteScript: releaseDataScript }),
        ...(!keepData &&
          (dataPath ?? dataVolume) !== undefined && {
            deleteScript: deleteDataScript,
          }),
        environment: {
          DATA: data,
          SOCKETS: sockets.name,
          REPLACES: replaces,
          IMAGE: nginxImage.imageId,
          ...installationVariables(installation),
        },
        dockerHost,
      },
      child,
    );

    const httpSecret = new random.RandomPassword(
      `${name}-http-secret`,
      { length: 48, special: false },
      child,
    );
    const registryFiles = new ManagedFiles(
      `${name}-registry`,
      {
        installation,
        files: {
          "config.yml": httpSecret.result.apply((secret) =>
            renderRegistryConfig({ httpSecret: secret, drainSeconds, ...args.validation }),
          ),
        },
        image: nginxImage.imageId,
        dockerHost,
      },
      child,
    );
    const registry = new docker.Container(
      `${name}-registry`,
      registryContainer({
        installation,
        limits,
        image: registryImage.imageId,
        config: managedPath(registryFiles.generation, "config.yml"),
        volumes: [{ ...filesAt(registryFiles), readOnly: true }, storage, socketsAt(sockets)],
      }),
      { ...lasting, dependsOn: ownVolumes, deleteBeforeReplace: false },
    );
    const registryAnswers = new EngineCommand(
      `${name}-registry-answers`,
      { script: awaitRegistryScript, environment: { REGISTRY: registry.id }, dockerHost },
      { parent: this },
    );

    const registrySocket = pulumi
      .all([registry.id, registryAnswers.id])
      .apply(([id]) => `${socketFolder}/${id.slice(0, 12)}.sock`);
    // nginx reads these when it starts and at a reload, the users' files at every login.
    const loaded = {
      "nginx.conf": pulumi
        .all([registrySocket, engine.processors])
        .apply(([registrySocket, processors]) =>
          renderNginxConf({
            registrySocket,
            processors,
            anonymousPull: args.anonymousPull ?? false,
          }),
        ),
      "tls.crt": args.certificatePem,
      "tls.key": args.privateKeyPem,
    };
    const nginxFiles = new ManagedFiles(
      `${name}-nginx`,
      {
        installation,
        files: {
          ...loaded,
          "users.htpasswd": args.htpasswd,
          "nobody.htpasswd": nobodyHtpasswd,
          ...emptyFiles("users", Object.keys(args.users)),
          ...emptyFiles("pushers", pushers(args.users)),
          ...proofImage,
          // For the check, which compares them with those in force.
          "tls.names": args.domains.join("\n"),
          "tls.since": pulumi.output(args.certificatePem).apply(beginning),
        },
        marks: pulumi.output(args.htpasswd).apply((text) => loginMarks(text, args.users)),
        check: checkNginxFilesScript,
        image: nginxImage.imageId,
        dockerHost,
      },
      child,
    );
    const auth = new docker.Container(
      `${name}-auth`,
      authContainer({
        installation,
        limits,
        image: nginxImage.imageId,
        volumes: [{ ...filesAt(nginxFiles), readOnly: true }, socketsAt(sockets)],
      }),
      { ...lasting, dependsOn: [ownVolumes, nginxFiles], deleteBeforeReplace: false },
    );
    const authAnswers = new EngineCommand(
      `${name}-auth-answers`,
      { script: awaitAuthScript, environment: { AUTH: auth.id }, dockerHost },
      { parent: this },
    );
    const nginx = new docker.Container(
      `${name}-nginx`,
      nginxContainer({
        installation,
        limits,
        image: nginxImage.imageId,
        network: network.name,
        publish: { external: httpsPort, ip: bindAddress },
        volumes: [
          { ...filesAt(nginxFiles), readOnly: true },
          { ...storage, readOnly: true },
          socketsAt(sockets),
        ],
      }),
      { ...lasting, dependsOn: nginxFiles, deleteBeforeReplace: false },
    );
    const applied = new EngineCommand(
      `${name}-apply`,
      {
        script: applyScript,
        environment: {
          NGINX: nginx.id,
          NETWORK: network.name,
          VOLUME: nginxFiles.volumeName,
          LOADED: contentDigest(loaded),
          DOMAINS: args.domains.join(" "),
        },
        dockerHost,
      },
      { parent: this, dependsOn: [nginxFiles, authAnswers] },
    );

    // Pulumi deletes what was replaced at the very end.
    new EngineCommand(
      `${name}-last-requests`,
      {
        script: awaitLastRequestsScript,
        environment: { REGISTRY: registry.id, NGINX: nginx.id },
        dockerHost,
      },
      { parent: this, dependsOn: applied },
    );

    this.ready = pulumi.all([nginx.id, applied.id]).apply(([id]) => id);
    this.registerOutputs({ ready: this.ready });
  }
}

/** When a certificate begins to be valid, in seconds since 1970. */
function beginning(pem: string): string {
  try {
    return String(Date.parse(new X509Certificate(pem).validFrom) / 1000);
  } catch {
    return "0"; // nginx refuses it, in the check
  }
}

function pushers(users: RegistryServerArgs["users"]): string[] {
  return Object.keys(users).filter((user) => users[user]?.access !== "pull");
}

/** Of each user, what a remembered login depends on: the password's hash and the rights. */
function loginMarks(htpasswd: string, users: RegistryServerArgs["users"]): Record<string, string> {
  const lines = htpasswd.split("\n").filter((line) => line !== "");
  const mark = (line: string) => {
    const [user = ""] = line.split(":");
    return [`logins/${user}`, `${line} ${users[user]?.access ?? "push"}`];
  };
  return Object.fromEntries(lines.map(mark)) as Record<string, string>;
}

function emptyFiles(folder: string, names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`${folder}/${name}`, ""]));
}

/** Those that the project is tested with. */
export const defaultImages = { registry: "registry:3.1.2", nginx: "nginx:1.30" };

type Volume = docker.types.input.ContainerVolume;

function filesAt(files: ManagedFiles): Volume {
  return { volumeName: files.volumeName, containerPath: filesFolder };
}

function socketsAt(volume: docker.Volume): Volume {
  return { volumeName: volume.name, containerPath: socketFolder };
}

interface ContainerParts {
  installation: Installation;
  /** Those that the engine can hold. */
  limits: pulumi.Output<Limits>;
  image: pulumi.Input<string>;
  volumes: Volume[];
}

function registryContainer(
  parts: ContainerParts & { config: pulumi.Input<string> },
): docker.ContainerArgs {
  return {
    ...hardened(parts),
    entrypoints: ["/bin/sh", "-c"],
    command: [
      pulumi.interpolate`export REGISTRY_HTTP_ADDR=${socketFolder}/$HOSTNAME.sock; exec registry serve ${parts.config}`,
    ],
    envs: ["OTEL_TRACES_EXPORTER=none"],
    networkMode: "none",
    ...memory(1024, parts.limits),
    healthcheck: healthcheck(registryHealthCommand),
    stopTimeout: drainSeconds + 5,
    destroyGraceSeconds: drainSeconds + 5,
  };
}

function authContainer(parts: ContainerParts): docker.ContainerArgs {
  return {
    ...hardened(parts),
    entrypoints: authCommand,
    ...runsNginx,
    networkMode: "none",
    // An eighth of what others have when there is not enough for all.
    cpuShares: parts.limits.apply(({ shares }) => (shares ? 128 : undefined) as number),
    ...memory(64, parts.limits),
    healthcheck: healthcheck(authHealthCommand),
  };
}

function nginxContainer(
  parts: ContainerParts & {
    network: pulumi.Input<string>;
    publish: { external: number; ip: string };
  },
): docker.ContainerArgs {
  return {
    ...hardened(parts),
    entrypoints: ["nginx"],
    command: nginxArguments,
    networksAdvanced: [{ name: parts.network }],
    ports: [{ internal: nginxPort, ...parts.publish }],
    ...runsNginx,
    // applyScript starts it, beside the one that has the port.
    start: false,
    mustRun: false,
    ...memory(nginxMebibytes, parts.limits),
    healthcheck: healthcheck(nginxHealthCommand),
  };
}

/** Lets requests end before nginx does. */
const runsNginx = {
  tmpfs: { [nginxFolder]: nginxTmpfsOptions },
  stopSignal: "SIGQUIT",
  stopTimeout: drainSeconds,
  destroyGraceSeconds: drainSeconds,
};

/** What holds for all containers. */
function hardened({ installation, image, volumes }: ContainerParts) {
  return {
    image,
    volumes,
    user: `${uid}:${uid}`,
    readOnly: true,
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true"],
    restart: restartPolicy,
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
    labels: installationLabels(installation),
  };
}

/** A limit without swap: nginx's scratch space holds credentials, which must not reach a disk. */
function memory(mebibytes: number, limits: ContainerParts["limits"]) {
  const limit = (can: boolean) => (can ? mebibytes : undefined) as number;
  return {
    memory: limits.apply(({ memory }) => limit(memory)),
    memorySwap: limits.apply(({ swap }) => limit(swap)),
  };
}

function healthcheck(command: string): docker.types.input.ContainerHealthcheck {
  return { tests: ["CMD-SHELL", command], interval: "30s", timeout: "10s", retries: 3 };
}
