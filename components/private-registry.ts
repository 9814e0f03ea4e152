import { isIPv6 } from "node:net";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { advice } from "./advice";
import { type ClientArgs, ClientTrust, notSetUp, trustScript } from "./client-trust";
import { admitted, Credentials, defaultUsers, type UserArgs } from "./credentials";
import { type ImagesArgs, RegistryServer, type ValidationArgs } from "./registry-server";
import { type CertificateArgs, type OwnCertificateArgs, TlsIdentity } from "./tls-identity";
import { checkArgs, checkedLater } from "./validation";

/** What a {@link PrivateRegistry} is made of. Only `domains` is required. */
export interface PrivateRegistryArgs {
  /**
   * DNS names and IP addresses that clients use, without scheme or port. The first one names the
   * images (`<domain>[:port]/app:1.0`); all of them become SANs of the server certificate.
   *
   * @example ["registry.example.com", "10.0.0.5"]
   */
  domains: string[];
  /**
   * The one published port, 1 to 65535.
   *
   * @default 443
   */
  httpsPort?: number;
  /**
   * The IP address of the Docker host that the port is published on.
   *
   * @default "0.0.0.0"
   */
  bindAddress?: string;
  /**
   * Who may log in, by name: exactly these.
   *
   * @default { admin: {} } - one user `admin` who may push, with a generated password
   * @example { alice: {}, ci: { password: config.requireSecret("ci"), access: "pull" } }
   */
  users?: Record<string, UserArgs>;
  /**
   * Whether anybody may pull (and list) without logging in. Pushing always needs a user.
   *
   * @default false
   */
  anonymousPull?: boolean;
  /**
   * What the manifests that are pushed may refer to.
   *
   * @default - no layers that are kept elsewhere, and no index without all of its images
   */
  validation?: ValidationArgs;
  /**
   * The private CA and the server certificate that it signs. Excludes `ownCertificate`.
   *
   * @default - ECDSA P-256; CA for 10 years; server certificate for 365 days, renewed by the first
   * `pulumi up` in its last 30 days
   */
  certificate?: CertificateArgs;
  /**
   * A certificate of your own, such as Let's Encrypt's. No CA is made then, and clients are given
   * one only if `caPem` is set.
   *
   * @default - a private CA signs a server certificate
   */
  ownCertificate?: OwnCertificateArgs;
  /**
   * The images to run. One that the Docker host already has is used without a pull.
   *
   * @default { registry: "registry:3.1.2", nginx: "nginx:1.30" }
   */
  images?: ImagesArgs;
  /**
   * The Docker engine to deploy to.
   *
   * @default - the local engine (`DOCKER_HOST`, or the default socket)
   * @example "ssh://ops@registry.example.com"
   */
  dockerHost?: string;
  /**
   * An absolute folder on the Docker host that holds the images.
   *
   * @default - a named volume, `<project>-<stack>-<name>-data`
   */
  dataPath?: string;
  /**
   * The named volume that holds the images, instead of `dataPath`.
   *
   * @default "<project>-<stack>-<name>-data", which stays when the stack is renamed
   */
  dataVolume?: string;
  /**
   * The id of another installation on the Docker host, such as one whose state is lost: it is taken
   * away but for its images, which this one takes over.
   *
   * @default - another installation, and its images, are left as they are, and stop this one
   */
  replaces?: string;
  /**
   * Whether the images outlive `pulumi destroy`; a later `up` finds them again.
   *
   * @default true
   */
  keepData?: boolean;
  /**
   * The IP address that the clients' hosts entries give the domains.
   *
   * @default - no hosts entries are written
   */
  registryAddress?: pulumi.Input<string>;
  /**
   * Machines that are made to trust the registry over SSH, by name.
   *
   * @default - none
   * @example { web1: { host: "10.0.0.11", user: "ops", sudo: true } }
   */
  clients?: Record<string, ClientArgs>;
}

/**
 * A private container registry that other machines trust: a CA and a server certificate, users, the
 * registry behind nginx on a Docker host, and the client machines.
 *
 * @example The smallest one, with a user `admin` whose password is generated
 * ```ts
 * const hub = new PrivateRegistry("hub", { domains: ["registry.example.com"] });
 * export const url = hub.registryUrl;
 * ```
 *
 * @example With users, and a machine that can use it when `up` returns
 * ```ts
 * new PrivateRegistry("hub", {
 *   domains: ["registry.example.com"],
 *   registryAddress: "10.0.0.5",
 *   users: { ci: {}, web: { access: "pull" } },
 *   clients: { web1: { host: "10.0.0.11", hostKey: "ssh-ed25519 AAAAC3Nza…" } },
 * });
 * ```
 */
export class PrivateRegistry extends pulumi.ComponentResource {
  /** `https://host[:port]`, of the first domain. */
  public readonly registryUrl: pulumi.Output<string>;
  /** `host[:port]`, the prefix of image names. */
  public readonly registryHost: pulumi.Output<string>;
  /**
   * The CA that signed the server certificate, PEM; undefined with an own certificate that came
   * without one.
   */
  public readonly caCertificate: pulumi.Output<string> | undefined;
  /** SHA-256 of the CA certificate, as `openssl x509 -fingerprint -sha256` prints it. */
  public readonly caFingerprint: pulumi.Output<string> | undefined;
  /** User name to password, secret. */
  public readonly passwords: pulumi.Output<Record<string, string>>;
  /** What the first user types to log in; asks for the password. */
  public readonly loginCommand: pulumi.Output<string>;
  /** Client name to what was set up there, and how it was proved. */
  public readonly clients: pulumi.Output<Record<string, string>>;
  /** A script that does a client's set-up on a machine that cannot be reached over SSH. */
  public readonly trustScript: pulumi.Output<string>;

  /** @throws RunError with everything that is wrong with `given`, before any resource is made. */
  constructor(name: string, given: PrivateRegistryArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArgs(name, given);
    super("private-registry:index:PrivateRegistry", name, {}, opts);

    const args = checkedLater(name, given);
    for (const sentence of advice(args, new Date())) {
      void pulumi.log.warn(sentence, this);
    }

    const { domains, httpsPort = 443 } = args;
    const users = admitted(args.users ?? defaultUsers);
    const installation = `${pulumi.getProject()}-${pulumi.getStack()}-${name}`;
    const child = { parent: this };

    const identity = new TlsIdentity(
      `${name}-tls`,
      {
        domains,
        commonName: `${installation} CA`,
        certificate: args.certificate,
        ownCertificate: args.ownCertificate,
      },
      child,
    );
    const credentials = new Credentials(`${name}-credentials`, { users }, child);
    const server = new RegistryServer(
      `${name}-server`,
      {
        installation,
        domains,
        httpsPort,
        bindAddress: args.bindAddress,
        anonymousPull: args.anonymousPull,
        validation: args.validation,
        images: args.images,
        dockerHost: args.dockerHost,
        dataPath: args.dataPath,
        dataVolume: args.dataVolume,
        replaces: args.replaces,
        keepData: args.keepData,
        certificatePem: identity.certificatePem,
        privateKeyPem: identity.privateKeyPem,
        users,
        htpasswd: credentials.htpasswd,
      },
      {
        ...child,
        ...(args.dockerHost && {
          provider: new docker.Provider(`${name}-engine`, { host: args.dockerHost }, child),
        }),
      },
    );

    const trust = {
      installation,
      hosts: domains,
      httpsPort,
      caPem: identity.trustedCaPem,
      registryAddress: args.registryAddress,
    };
    const clients: Record<string, pulumi.Output<string>> = {};
    for (const [client, { login: user, ...machine }] of Object.entries(args.clients ?? {})) {
      const login = user !== undefined && { user, password: credentials.passwordOf(user) };
      clients[client] = new ClientTrust(
        `${name}-${client}`,
        { ...machine, ...trust, ...(login && { login }) },
        { ...child, dependsOn: server },
      ).report;
    }

    const host = registryHost(domains, httpsPort);
    // Known once the registry serves: whoever waits for the URL can use it.
    const ready = <T>(value: T) => server.ready.apply(() => value);
    this.registryHost = ready(host);
    this.registryUrl = ready(`https://${host}`);
    this.caCertificate = identity.caPem;
    this.caFingerprint = identity.caFingerprint;
    this.passwords = credentials.passwords;
    this.loginCommand = ready(loginCommand(host, Object.keys(users)));
    this.clients = pulumi.all(clients);
    tellProgress(Object.values(clients), this);
    this.trustScript = trustScript(trust);
    this.registerOutputs({
      registryUrl: this.registryUrl,
      registryHost: this.registryHost,
      caCertificate: this.caCertificate,
      caFingerprint: this.caFingerprint,
      passwords: this.passwords,
      loginCommand: this.loginCommand,
      clients: this.clients,
      trustScript: this.trustScript,
    });
  }
}

/** The first domain as image names begin with it. */
function registryHost([domain = ""]: string[], httpsPort: number): string {
  const host = isIPv6(domain) ? `[${domain}]` : domain;
  return httpsPort === 443 ? host : `${host}:${httpsPort}`;
}

function loginCommand(host: string, [user]: string[]): string {
  return user === undefined ? `docker login ${host}` : `docker login ${host} --username ${user}`;
}

/**
 * Tells once a second how many clients are done. Where nothing changes, all are done before the
 * first second is over. One that failed is not done.
 */
function tellProgress(reports: pulumi.Output<string>[], resource: pulumi.Resource): void {
  if (reports.length === 0 || pulumi.runtime.isDryRun()) return;
  let left = reports.length;
  let done = 0;
  let told = 0;
  const tell = () => {
    if (done === told) return;
    told = done;
    void pulumi.log.info(`${done} of ${reports.length} clients done`, resource, undefined, true);
  };
  const timer = setInterval(tell, 1_000).unref();
  for (const report of reports) {
    report.apply((text) => {
      left -= 1;
      if (text !== notSetUp) done += 1;
      if (left > 0) return;
      clearInterval(timer);
      if (told > 0) tell();
    });
  }
}
