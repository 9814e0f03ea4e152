/** What names and addresses must look like. Each check says nothing about a value that is right. */
import { isIPv4, isIPv6 } from "node:net";
import { posix } from "node:path";
import { domainToASCII } from "node:url";
import type { Complaint } from "./schema";

/** A user of the registry: no colon (it ends the name in htpasswd), nothing a shell would read. */
export const userName = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

/** A client: it becomes part of resource names. */
export const clientName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** One part of a DNS name (RFC 1123, section 2.1). */
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** A DNS name in lower case, of at most 253 characters, that no program takes for an address. */
export function isDnsName(value: string): boolean {
  const labels = value.split(".");
  // URL parsers read a name that ends in a number as an IPv4 address.
  const endsInNumber = /^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "");
  return value.length <= 253 && !endsInNumber && labels.every((part) => label.test(part));
}

/** IPv4, or IPv6 without brackets and zone, in any of its spellings. */
export function isIpAddress(value: string): boolean {
  return isIPv4(value) || (isIPv6(value) && !value.includes("%"));
}

/** The one spelling of an IPv6 address that URLs and image names use (RFC 5952). */
function canonicalIpv6(value: string): string {
  return new URL(`http://[${value}]/`).hostname.slice(1, -1);
}

/** A name that clients can use: an image name has no room for anything else. */
function isDomain(value: string): boolean {
  if (isUnspecified(value)) {
    return false;
  }
  if (isIPv6(value)) {
    return isIpAddress(value) && canonicalIpv6(value) === value;
  }
  return isIPv4(value) || isDnsName(value);
}

/** `0.0.0.0` or `::`, which one can listen on but not connect to. */
function isUnspecified(value: string): boolean {
  return value === "0.0.0.0" || (isIpAddress(value) && /^[0:]+$/.test(value));
}

export function domain(value: string): Complaint | undefined {
  return isDomain(value) ? undefined : { instead: domainWithin(value) };
}

/** The domain in a URL, in `host:port`, in capitals, in Unicode, in brackets… if there is one. */
function domainWithin(value: string): string | undefined {
  const host = value
    .trim()
    .replace(/^[a-z]+:\/\//i, "")
    .replace(/[/?#].*$/s, "")
    .replace(/^.*@/s, "")
    .toLowerCase();
  const bare = isIPv6(host) ? host : host.replace(/:\d*$/, "").replace(/^\[(.*)\]$/s, "$1");
  const name = canonical(bare);
  return isDomain(name) ? name : undefined;
}

/** A lower-case name or address as image names spell it. */
function canonical(name: string): string {
  if (isIpAddress(name)) {
    return name.includes(":") ? canonicalIpv6(name) : name;
  }
  // domainToASCII drops line breaks, and would join what was never one name.
  return /\s/.test(name) ? name : domainToASCII(name.replace(/\.$/, ""));
}

export function ipAddress(value: string): Complaint | undefined {
  if (isIpAddress(value)) return undefined;
  return value === "localhost" ? { instead: "127.0.0.1" } : {};
}

/** An address that a machine can be reached at. */
export function reachableAddress(value: string): Complaint | undefined {
  return isIpAddress(value) && !isUnspecified(value) ? undefined : {};
}

/** What `ssh` can be given as a host. Capitals and underscores occur there, and do no harm. */
export function sshHost(value: string): Complaint | undefined {
  const name = value.toLowerCase().replaceAll("_", "-");
  const fits = isIpAddress(value) || isDnsName(name);
  return fits && !isUnspecified(value) ? undefined : { instead: domainWithin(value) };
}

/** A login name; a leading dash would be an option of `ssh` or `sudo`. */
export function loginName(value: string): Complaint | undefined {
  return /^[^\s\p{Cc}:@-][^\s\p{Cc}:@]*$/u.test(value) ? undefined : {};
}

const pathComponent = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const hostAndPort = "(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?";
/** github.com/distribution/reference, regexp.go. */
const reference = new RegExp(
  `^(?:${hostAndPort}/)?(${pathComponent}(?:/${pathComponent})*)` +
    "(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9+._-]+:[0-9a-fA-F]{32,})?$",
);
const digest = /@(?!sha256:[0-9a-f]{64}$|sha512:[0-9a-f]{128}$)/;

export function imageReference(value: string): Complaint | undefined {
  const repository = reference.exec(value)?.[1];
  return repository === undefined || repository.length > 255 || digest.test(value) ? {} : undefined;
}

/** What the docker provider and the `docker` command take as a host. */
export function dockerHost(value: string): Complaint | undefined {
  if (/^unix:\/\/\/[^\s\p{Cc}]+$/u.test(value) || /^npipe:\/\/\S+$/.test(value)) {
    return undefined;
  }
  const match =
    /^(ssh|tcp):\/\/(?:([^@/]*)@)?(\[[^\]]+\]|[^:/@[\]]+)(?::(\d+))?(\/[^?#\s]*)?$/.exec(value);
  const [, scheme, user, host = "", port] = match ?? [];
  const name = host.replace(/^\[(.*)\]$/, "$1");
  if (match === null || sshHost(name) !== undefined || (port !== undefined && !isPort(port))) {
    return {};
  }
  if (user !== undefined && (scheme === "tcp" || loginName(user) !== undefined)) {
    return { got: "a URL with a password or a malformed user" };
  }
  return undefined;
}

function isPort(value: string): boolean {
  return Number(value) >= 1 && Number(value) <= 65535;
}

/** What belongs to the system with all that is in it, or does not outlive a reboot. */
const systemFolders =
  /^\/(bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|run|sbin|sys|usr(?!\/local\/.)|snap|System|Library|var\/(run|lock|tmp|cache|log|spool|mail)|var\/lib\/(docker|containerd|containers|dpkg|apt|rpm|systemd|private-registry))(\/|$)/;

/** Homes, and folders that hold what programs keep: one in it may be the registry's, not all of it. */
const sharedFolders = /^\/(home(\/[^/]+)?|Users(\/[^/]+)?|root|var(\/lib)?|tmp|lost\+found)$/;

/** For an installation from the time when any folder was taken. */
const moved =
  " (if images are there already, move its folder docker to the new one first, with the registry stopped)";

/** A folder of its own on the Docker host, which is a Linux or Unix machine. */
export function dataPath(value: string): Complaint | undefined {
  const plain = posix.normalize(value.trim()).replace(/(.)\/$/, "$1");
  // Docker takes a colon for the end of a path.
  if (/[\p{Cc}:"]/u.test(value) || !posix.isAbsolute(plain) || plain === "/") {
    return {};
  }
  if (systemFolders.test(plain)) {
    return { expected: `a folder for the images alone, not one of the system's${moved}` };
  }
  if (sharedFolders.test(plain)) {
    const expected = `a folder for the images alone, not one that others have things in${moved}`;
    return { expected, instead: posix.join(plain, "registry") };
  }
  return plain === value || `${plain}/` === value ? undefined : { instead: plain };
}

/** As Docker's own rule for names. */
export function volumeName(value: string): Complaint | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{1,254}$/.test(value) ? undefined : {};
}

/** An id, or the name of an installation from the time before there were ids. */
export function installationId(value: string): Complaint | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(value) ? undefined : {};
}
