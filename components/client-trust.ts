import * as pulumi from "@pulumi/pulumi";

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
  /** The user's password. */
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
   * Whether to become root with `sudo -n`.
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
