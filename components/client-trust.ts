import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { asRoot } from "./render/client/as-root";
import { renderClientScript, reportOf } from "./render/client-script";

/** Container runtimes that a client can be set up for. */
export const runtimes = ["docker", "containerd", "podman"] as const;

export type Runtime = (typeof runtimes)[number];

/** How to reach a machine over SSH. */
export interface SshArgs {
  /** Host name or IP address. */
  host: pulumi.Input<string>;
  /** @default 22 */
  port?: number;
  /** @default "root" */
  user?: string;
  /**
   * The private key, PEM or OpenSSH.
   *
   * @default - the SSH agent (`SSH_AUTH_SOCK`), then `password`
   */
  privateKey?: pulumi.Input<string>;
  /** The passphrase of `privateKey`. */
  privateKeyPassword?: pulumi.Input<string>;
  /** The user's password, to log in with, and for sudo on a client where that asks for one. */
  password?: pulumi.Input<string>;
  /**
   * The machine's public host key in authorized_keys form; `ssh-keyscan <host>` prints it.
   *
   * @default - whatever key the machine shows is accepted, with a warning
   * @example "ssh-ed25519 AAAAC3Nza…"
   */
  hostKey?: pulumi.Input<string>;
}

/** One client machine. */
export interface ClientArgs extends SshArgs {
  /**
   * A bastion to go through.
   *
   * @default - a direct connection
   */
  proxy?: SshArgs;
  /**
   * Whether to become root with sudo: without a password, or with `password` if sudo asks for one.
   *
   * @default true for every user but `root`
   */
  sudo?: boolean;
  /**
   * The runtimes to set up.
   *
   * @default - those that are found
   */
  runtimes?: Runtime[];
  /**
   * Whether the machine's own trust store is given the CA too, for `curl` and other programs.
   *
   * @default false
   */
  systemTrust?: boolean;
  /**
   * Whether `/etc/hosts` gives the domains the registry's address.
   *
   * @default true if `registryAddress` is set
   */
  hostsEntry?: boolean;
}

/** The registry that a machine is to trust. */
export interface TrustArgs {
  /**
   * The id of the registry's installation: letters, digits, `.`, `_` and `-`. It marks what is made
   * on the machine.
   *
   * @example "private-registry-dev-hub"
   */
  installation: string;
  /** The DNS names and IP addresses that clients use; the first one names the images. */
  hosts: string[];
  /** The port that the registry is published on, 1 to 65535. */
  httpsPort: number;
  /**
   * The CA to trust, PEM.
   *
   * @default - none is placed; the machine is expected to know the issuer
   */
  caPem?: pulumi.Input<string>;
  /**
   * The IP address that the machine's hosts entry gives the registry's DNS names.
   *
   * @default - no hosts entry is written
   */
  registryAddress?: pulumi.Input<string>;
}

/** A client machine, and the registry that it is to trust. */
export interface ClientTrustArgs extends ClientArgs, TrustArgs {}

/**
 * One machine that trusts the registry: its container runtimes have the CA, its `/etc/hosts` knows
 * the registry's names, and a request from there to each of them has proved it. Destroying it takes
 * all of that away from the machine again.
 *
 * @example
 * ```ts
 * new ClientTrust("web1", {
 *   host: "10.0.0.11",
 *   privateKey: config.requireSecret("sshKey"),
 *   installation: "hub",
 *   hosts: ["registry.example.com"],
 *   httpsPort: 443,
 *   caPem: identity.caPem,
 *   registryAddress: "10.0.0.5",
 * });
 * ```
 */
export class ClientTrust extends pulumi.ComponentResource {
  /** What was found on the machine, what was set up there, and how it was proved. */
  public readonly report: pulumi.Output<string>;

  constructor(name: string, args: ClientTrustArgs, opts?: pulumi.ComponentResourceOptions) {
    super("private-registry:index:ClientTrust", name, {}, opts);
    warnOfUnpinnedHostKeys(name, args, this);

    const { host, port = 22, user = "root", sudo = user !== "root", installation } = args;
    const script = renderedScript(args, args);
    const trust = new command.remote.Command(
      `${name}-trust`,
      {
        connection: { ...connection(args), ...(args.proxy && { proxy: connection(args.proxy) }) },
        // Plain words, which any login shell understands; the script says what needs a shell.
        create: "sh -s -- apply",
        delete: "sh -s -- remove",
        stdin: sudo ? scriptAsRoot(script, args.password) : script,
        // Another machine or mark is another set-up: the old one is taken away.
        triggers: [host, port, installation],
        // What the script prints is in the output already.
        logging: command.types.enums.remote.Logging.Stderr,
        // sshd refuses most variables.
        addPreviousOutputInEnv: false,
      },
      // The old address may be the same machine's.
      { parent: this, deleteBeforeReplace: true, dependsOn: opts?.dependsOn },
    );
    // The connection makes all outputs secret; the report holds nothing of it.
    this.report = pulumi.unsecret(trust.stdout.apply((stdout) => reportOf(installation, stdout)));
    this.registerOutputs({ report: this.report });
  }
}

/**
 * The script that does on a machine what {@link ClientTrust} does there over SSH: `sudo sh trust.sh`,
 * and `sudo sh trust.sh remove`.
 */
export function trustScript(args: TrustArgs): pulumi.Output<string> {
  return renderedScript(args, {});
}

function renderedScript(
  { installation, hosts, httpsPort, caPem, registryAddress }: TrustArgs,
  {
    runtimes,
    systemTrust,
    hostsEntry = true,
  }: Pick<ClientArgs, "runtimes" | "systemTrust" | "hostsEntry">,
): pulumi.Output<string> {
  return pulumi.all([caPem, registryAddress]).apply(([caPem, registryAddress]) =>
    renderClientScript({
      name: installation,
      hosts,
      httpsPort,
      caPem,
      registryAddress: hostsEntry ? registryAddress : undefined,
      runtimes,
      systemTrust,
    }),
  );
}

/** Secret with a password in it. */
function scriptAsRoot(
  script: pulumi.Input<string>,
  password: pulumi.Input<string> | undefined,
): pulumi.Output<string> {
  return pulumi
    .all([script, password === undefined ? undefined : pulumi.secret(password)])
    .apply(([script, password]) => asRoot(script, password));
}

function connection({ host, port = 22, user = "root", ...args }: SshArgs) {
  return {
    host,
    port,
    user,
    ...(args.hostKey !== undefined && { hostKey: args.hostKey }),
    ...(args.privateKey !== undefined && { privateKey: pulumi.secret(args.privateKey) }),
    ...(args.privateKeyPassword !== undefined && {
      privateKeyPassword: pulumi.secret(args.privateKeyPassword),
    }),
    ...(args.password !== undefined && { password: pulumi.secret(args.password) }),
    // Four tries of 15 s: a machine that is not there is an error within about a minute.
    dialErrorLimit: 3,
    perDialTimeout: 15,
  };
}

function warnOfUnpinnedHostKeys(name: string, args: ClientArgs, resource: pulumi.Resource): void {
  const machines = [
    { ssh: args, key: "hostKey" },
    ...(args.proxy ? [{ ssh: args.proxy, key: "proxy.hostKey" }] : []),
  ];
  for (const { ssh, key } of machines) {
    if (ssh.hostKey === undefined) {
      pulumi
        .output(ssh.host)
        .apply((host) =>
          pulumi.log.warn(
            `${name}: no ${key} is set, so whatever machine answers at ${host} is taken for the ` +
              `client; compare and pin what this prints: ` +
              `ssh-keyscan -t ed25519 -p ${ssh.port ?? 22} ${host} | cut -d ' ' -f 2-`,
            resource,
          ),
        );
    }
  }
}
