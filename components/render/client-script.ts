import { isIP } from "node:net";
import { adopt } from "./client/adopt";
import { block } from "./client/block";
import { byHand } from "./client/by-hand";
import { containerd } from "./client/containerd";
import { credentials } from "./client/credentials";
import { docker } from "./client/docker";
import { hostKey } from "./client/host-key";
import { hostsFile } from "./client/hosts";
import { lock } from "./client/lock";
import { login as loginPart } from "./client/login";
import { main } from "./client/main";
import { manifest } from "./client/manifest";
import { podman } from "./client/podman";
import { proof } from "./client/proof";
import { pulls } from "./client/pulls";
import { rancher } from "./client/rancher";
import { services } from "./client/services";
import { systemStore } from "./client/system-store";
import { join, quote } from "./shell";

/** What one registry looks like from a client machine. */
export interface ClientScriptValues {
  /**
   * The id of the registry's installation, of letters, digits, `.`, `_` and `-`. It marks what the
   * script makes, so that registries of different names do not touch each other's.
   *
   * @example "private-registry-dev"
   */
  name: string;
  /** The DNS names and IP addresses of the registry; the first one names the images. */
  hosts: readonly string[];
  /** The port that the registry is published on. */
  httpsPort: number;
  /**
   * The CA to trust.
   *
   * @default - nothing is placed; the machine's own trust store is expected to know the issuer
   */
  caPem?: string | undefined;
  /**
   * The IP address that `/etc/hosts` gives the registry's DNS names.
   *
   * @default - no hosts entry
   */
  registryAddress?: string | undefined;
  /**
   * The runtimes to set up.
   *
   * @default - those that are found
   */
  runtimes?: readonly string[] | undefined;
  /**
   * Whether the machine's own trust store is given the CA too.
   *
   * @default false
   */
  systemTrust?: boolean | undefined;
  /**
   * Whom the machine is left logged in as. The script is as secret as the password then.
   *
   * @default - nobody
   */
  login?: Login | undefined;
  /**
   * What the set-up is signed with. A removal that is signed otherwise leaves it alone.
   *
   * @default - not signed: whoever removes it may
   */
  client?: string | undefined;
  /**
   * Whether the machine tells its host key, for {@link hostKeyOf}.
   *
   * @default false
   */
  tellHostKey?: boolean | undefined;
}

/** A user of the registry. */
export interface Login {
  user: string;
  password: string;
}

/**
 * A POSIX shell script that makes a machine trust the registry (`sh trust.sh`), or forget it again
 * (`sh trust.sh remove`), as root.
 *
 * It changes only what it made itself, which it remembers in `/var/lib/private-registry/<name>`;
 * running it again changes nothing. What it found, did and left alone, and how it proved the
 * result, is its standard output, the same from run to run; problems go to standard error, with
 * exit code 1.
 *
 * @throws if `name`, a host or the address has characters that such a thing cannot have
 */
export function renderClientScript(values: ClientScriptValues): string {
  const { name, hosts, registryAddress = "0.0.0.0", login } = values;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new Error(
      `name: expected letters, digits, ".", "_" and "-", got ${JSON.stringify(name)}`,
    );
  }
  for (const host of [...hosts, registryAddress]) {
    // These stand in lists of words, where nothing can be quoted.
    if (!/^[A-Za-z0-9._:-]+$/.test(host)) {
      throw new Error(`expected a DNS name or an IP address, got ${JSON.stringify(host)}`);
    }
  }
  if (login && !/^[A-Za-z0-9][A-Za-z0-9._@-]*$/.test(login.user)) {
    throw new Error(
      `login.user: expected a user of the registry, got ${JSON.stringify(login.user)}`,
    );
  }
  return [
    header(values),
    settings(values),
    lock,
    manifest,
    block,
    services,
    hostsFile,
    docker,
    podman,
    containerd,
    rancher,
    systemStore,
    proof,
    credentials,
    loginPart,
    pulls,
    hostKey,
    adopt,
    byHand,
    main,
    // Braces, so that a script cut short on its way does nothing.
    `{
  main "$@"
}
`,
  ].join("\n");
}

/** What the script printed, without what the machine's shell had to say before it. */
export function reportOf(name: string, stdout: string): string {
  const line = heading(name);
  return stdout
    .slice(Math.max(0, stdout.lastIndexOf(line)))
    .replace(line, "")
    .trim();
}

/** The first line of what the script prints. */
function heading(name: string): string {
  return `--- private-registry ${name} ---`;
}

/** The host key that the machine told, in authorized_keys form, if it told one. */
export function hostKeyOf(stdout: string): string | undefined {
  return /^host key: (\S+ \S+)$/m.exec(stdout)?.[1];
}

function header({ name, hosts, login }: ClientScriptValues): string {
  return `#!/bin/sh
# Makes this machine trust the container registry ${hosts[0] ?? name}, or forget it again:
#
#   sudo sh trust.sh           set it up, or bring it up to date
#   sudo sh trust.sh check     tell what has changed since, and change nothing
#   sudo sh trust.sh remove    take all of it away
#   sh trust.sh --help         the options --system-trust and --login USER
#
# Made by Pulumi for the registry "${name}". ${login ? "It holds a password." : "It holds no secret."}
`;
}

function settings(values: ClientScriptValues): string {
  const { name, hosts, httpsPort, caPem, registryAddress, runtimes, systemTrust } = values;
  const { user = "", password = "" } = values.login ?? {};
  return `set -euf
umask 022
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
export LC_ALL PATH

name=${quote(name)}
heading=${quote(heading(name))}
# The registry's hosts, those of them that mean whichever machine asks, and the port.
hosts=${quote(join(hosts))}
own_hosts=${quote(join(hosts.filter(isLoopback)))}
port=${httpsPort}
# What image names may begin with; runtimes look a registry's CA up by exactly that.
registries=${quote(hosts.flatMap((host) => imagePrefixes(host, httpsPort)).join(" "))}
# The address that /etc/hosts gives these names; none if empty.
address=${quote(registryAddress ?? "")}
address_names=${quote(join(hosts.filter((host) => isIP(host) === 0 && !isLoopback(host))))}
# The runtimes to set up; those that are found if empty.
runtimes=${quote((runtimes ?? []).join(" "))}
# Whether the machine's own trust store is given the CA as well: yes or no.
system_trust=${systemTrust ? "yes" : "no"}
ca_pem=${quote(caPem?.trim() ?? "")}
# Made anew, or programs would be handed what the session's environment has by such a name; or told
# of credentials or runtimes elsewhere.
unset login_password login_basic DOCKER_CONFIG DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY \\
  DOCKER_CONTENT_TRUST DOCKER_DEFAULT_PLATFORM REGISTRY_AUTH_FILE CONTAINER_HOST
# The user of the registry that this machine is left logged in as; nobody if empty.
login_user=${quote(user)}
login_password=${quote(password)}
login_basic=${values.login ? Buffer.from(`${user}:${password}`).toString("base64") : ""}
# Whose set-up this is, and whether to tell this machine's host key: yes or no.
client=${quote(values.client ?? "")}
tell_host_key=${values.tellHostKey ? "yes" : "no"}
`;
}

/**
 * `host` with and without the port, as it may stand before an image's name. Port 443 may be left
 * out there, and then runtimes look for a folder without it.
 */
function imagePrefixes(host: string, port: number): string[] {
  const bracketed = isIP(host) === 6 ? `[${host}]` : host;
  return [...(port === 443 ? [bracketed] : []), `${bracketed}:${port}`];
}

/** Whether `host` means whichever machine asks, so that no other machine is reached by it. */
function isLoopback(host: string): boolean {
  return (
    host === "localhost" ||
    host.endsWith(".localhost") ||
    host === "::1" ||
    (isIP(host) === 4 && host.startsWith("127."))
  );
}
