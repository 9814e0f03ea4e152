import * as pulumi from "@pulumi/pulumi";
import type { ClientArgs } from "./client-trust";
import type { UserArgs } from "./credentials";
import type { ImagesArgs } from "./registry-server";
import type { CertificateArgs, OwnCertificateArgs } from "./tls-identity";

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
   * Who may log in, by name.
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
