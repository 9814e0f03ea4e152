import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { knownHostKey } from "./known-hosts";
import { asRoot } from "./render/client/as-root";
import { hostKeyOf, renderClientScript, reportOf } from "./render/client-script";

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
   * @default - the one that known_hosts has for the machine, yours or the system's; without one,
   * whatever key the machine shows is accepted, with a warning
   * @example "ssh-ed25519 AAAAC3Nza…"
   */
  hostKey?: pulumi.Input<string>;
}

/** One client machine: one to reach over SSH, or the one that runs Pulumi. */
export interface ClientArgs extends Partial<SshArgs> {
  /**
   * Whether the client is the machine that runs Pulumi. Then there is nothing to reach, and of
   * {@link SshArgs} it takes `password` only, for sudo.
   *
   * @default false - `host` is required
   */
  local?: boolean;
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
  /**
   * The user of the registry that the machine is left logged in as, which a pull from there proves.
   * Docker and podman are logged in for the user of the SSH connection (root if Docker is not theirs
   * to use), containerd and k3s for the whole machine.
   *
   * @default - the machine is not logged in
   * @example "ci"
   */
  login?: string;
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
   * The CA to trust, PEM; or several.
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
export interface ClientTrustArgs extends Omit<ClientArgs, "login">, TrustArgs {
  /**
   * As in {@link ClientArgs}, with the password.
   *
   * @default - the machine is not logged in
   */
  login?: LoginArgs;
}

/** A user of the registry. */
export interface LoginArgs {
  user: string;
  password: pulumi.Input<string>;
}

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
 *   caPem: identity.trustedCaPem,
 *   registryAddress: "10.0.0.5",
 * });
 * ```
 */
export class ClientTrust extends pulumi.ComponentResource {
  /** What was found on the machine, what was set up there, and how it was proved. */
  public readonly report: pulumi.Output<string>;

  /** @throws RunError if neither `host` nor `local` says which machine it is */
  constructor(name: string, args: ClientTrustArgs, opts?: pulumi.ComponentResourceOptions) {
    const { host, local = false } = args;
    if (host === undefined && !local) {
      throw new pulumi.RunError(`ClientTrust ${name}: expected host or local, got neither`);
    }
    super("private-registry:index:ClientTrust", name, {}, opts);

    const child = { parent: this, dependsOn: opts?.dependsOn };
    const said =
      host === undefined || local
        ? setUpHere(name, args, child)
        : setUpOverSsh(name, { ...args, host }, child);
    // A connection or password makes all outputs secret; the report holds nothing of them.
    this.report = pulumi.unsecret(
      said.apply((text) => (text === undefined ? notSetUp : reportOf(args.installation, text))),
    );
    this.registerOutputs({ report: this.report });
  }
}

/** The report of a machine whose set-up has failed. */
export const notSetUp = "not set up: it failed, see its error in the output of up";

/**
 * The script that does on a machine what {@link ClientTrust} does there over SSH: `sudo sh trust.sh`,
 * and `sudo sh trust.sh remove`. It takes `--system-trust` and `--login USER`, and keeps what a
 * {@link ClientTrust} has chosen for the machine.
 */
export function trustScript(args: TrustArgs): pulumi.Output<string> {
  return renderedScript(args, {});
}

function setUpHere(
  name: string,
  args: ClientTrustArgs,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<string | undefined> {
  const script = renderedScript(args, { client: `${name}, where Pulumi runs` });
  const { sudo = true, password } = args;
  const setUp = new command.local.Command(
    `${name}-trust`,
    { ...scriptCommand(script, sudo, password), triggers: [args.installation] },
    opts,
  );
  return unlessFailed(setUp);
}

function setUpOverSsh(
  name: string,
  args: ClientTrustArgs & SshArgs,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<string | undefined> {
  const { host, port = 22, user = "root", sudo = user !== "root", password, proxy } = args;
  const hostKey = pinnedHostKey(args);
  const script = renderedScript(args, {
    client: pulumi.interpolate`${name} at ${host}:${port}`,
    tellHostKey: hostKey.apply((key) => key === undefined),
  });
  const proxyHostKey = proxy && pinnedHostKey(proxy);
  const setUp = new command.remote.Command(
    `${name}-trust`,
    {
      ...scriptCommand(script, sudo, password),
      connection: {
        ...connection(args, hostKey),
        ...(proxy && proxyHostKey && { proxy: connection(proxy, proxyHostKey) }),
      },
      // Another machine or mark is another set-up. The old one is taken away afterwards, which the
      // script leaves alone on a machine that is the same after all.
      triggers: [host, port, args.installation],
    },
    opts,
  );
  const said = unlessFailed(setUp);
  const told = pulumi.runtime.isDryRun() ? "" : said.apply((text) => text ?? "");
  warnIfNotPinned(`${name}: no hostKey`, { host, port, hostKey, told }, opts.parent);
  if (proxy && proxyHostKey) {
    const bastion = { ...proxy, hostKey: proxyHostKey, told: "" };
    warnIfNotPinned(`${name}: no proxy.hostKey`, bastion, opts.parent);
  }
  return said;
}

/**
 * What a machine said; undefined if its set-up failed. The program goes on then: there may be others
 * to set up yet, and some to clean that are no longer wanted.
 */
function unlessFailed(
  setUp: command.local.Command | command.remote.Command,
): pulumi.Output<string | undefined> {
  // Each output of a failed resource ends the program, unless it is recovered.
  for (const name of Object.getOwnPropertyNames(setUp)) {
    const output: unknown = Reflect.get(setUp, name);
    if (pulumi.Output.isInstance(output)) pulumi.recover(output, () => undefined);
  }
  return pulumi.recover<string | undefined>(setUp.stdout, () => undefined);
}

/** What local and remote commands have in common. */
function scriptCommand(
  script: pulumi.Output<string>,
  sudo: boolean,
  password: pulumi.Input<string> | undefined,
) {
  return {
    // Plain words, which any login shell understands; the script says what needs a shell.
    create: "sh -s -- apply",
    delete: "sh -s -- remove",
    stdin: sudo ? scriptAsRoot(script, password) : script,
    // What the script prints is in the output already.
    logging: "stderr",
    // sshd refuses most variables.
    addPreviousOutputInEnv: false,
  } as const;
}

/** Secret with a password in it. */
function renderedScript(
  args: TrustArgs & Pick<ClientTrustArgs, "runtimes" | "systemTrust" | "hostsEntry" | "login">,
  run: { client?: pulumi.Input<string>; tellHostKey?: pulumi.Input<boolean> },
): pulumi.Output<string> {
  const { installation, hosts, httpsPort, hostsEntry = true, runtimes, systemTrust } = args;
  const { caPem, registryAddress } = args;
  const login = args.login && { ...args.login, password: pulumi.secret(args.login.password) };
  return pulumi
    .all([caPem, registryAddress, login, run])
    .apply(([caPem, registryAddress, login, run]) =>
      renderClientScript({
        name: installation,
        hosts,
        httpsPort,
        caPem,
        registryAddress: hostsEntry ? registryAddress : undefined,
        runtimes,
        systemTrust,
        login,
        ...run,
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

/** The host key that is set, or else known. */
function pinnedHostKey({ host, port = 22, hostKey }: SshArgs): pulumi.Output<string | undefined> {
  return pulumi
    .all([host, hostKey])
    .apply(([host, hostKey]) => hostKey ?? knownHostKey(host, port));
}

function connection(
  { host, port = 22, user = "root", ...args }: SshArgs,
  hostKey: pulumi.Output<string | undefined>,
) {
  return {
    host,
    port,
    user,
    // None is left out when Pulumi hands the connection on.
    hostKey: hostKey as pulumi.Output<string>,
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

/** @param machine With what its set-up has `told`, its host key among that; nothing before it. */
function warnIfNotPinned(
  what: string,
  machine: {
    host: pulumi.Input<string>;
    port?: number;
    hostKey: pulumi.Output<string | undefined>;
    told: pulumi.Input<string>;
  },
  resource: pulumi.Resource | undefined,
): void {
  const { port = 22 } = machine;
  pulumi.all([machine.host, machine.hostKey, machine.told]).apply(([host, hostKey, told]) => {
    if (hostKey !== undefined) return;
    const shown = hostKeyOf(told);
    void pulumi.log.warn(
      `${what} is set, and known_hosts has none, so whatever machine answers at ${host} is ` +
        "taken for the client. " +
        (shown === undefined
          ? "Compare and pin what this prints: " +
            `ssh-keyscan -t ed25519 -p ${port} ${host} | cut -d ' ' -f 2-`
          : `It has the key "${shown}": compare that with what its console shows, and pin it`),
      resource,
    );
  });
}
