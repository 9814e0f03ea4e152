/** What passwords and SSH keys must look like. No complaint here repeats any part of a value. */
import type { Complaint } from "./schema";

/** bcrypt reads no more, and what it does not read would not be needed to log in. */
const maxPasswordBytes = 72;

export function password(value: string): Complaint | undefined {
  const bytes = Buffer.byteLength(value);
  if (bytes > maxPasswordBytes) {
    return {};
  }
  if (/\p{Cc}/u.test(value)) {
    return { got: "one with a line break or another control character" };
  }
  return undefined;
}

const sshKeyTypes = [
  "ssh-ed25519",
  "ssh-rsa",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "sk-ssh-ed25519@openssh.com",
  "sk-ecdsa-sha2-nistp256@openssh.com",
];

const privatePem =
  /^-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----\s[^]*-----END ([A-Z0-9]+ )*PRIVATE KEY-----$/;

export function privateKey(value: string): Complaint | undefined {
  const trimmed = value.trim();
  if (privatePem.test(trimmed)) {
    return undefined;
  }
  if (
    sshKeyTypes.some((type) => trimmed.startsWith(`${type} `)) ||
    /^-+ ?BEGIN .*PUBLIC/.test(trimmed)
  ) {
    return { got: "a public key" };
  }
  if (trimmed.startsWith("PuTTY-User-Key-File")) {
    return { got: "a PuTTY key (puttygen key.ppk -O private-openssh -o key converts it)" };
  }
  if (/^(~|\.{0,2}\/|[A-Za-z]:\\)[^\n]*$/.test(trimmed)) {
    return { got: "the path of a file" };
  }
  if (trimmed.includes("PRIVATE KEY-----")) {
    return { got: "one that is cut off or has lost its line breaks" };
  }
  return {};
}

/** Whether a key that looks right can only be read with its passphrase. */
export function isEncryptedKey(value: string): boolean {
  if (/^Proc-Type: 4,ENCRYPTED|-----BEGIN ENCRYPTED /m.test(value)) {
    return true;
  }
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([^-]*)/.exec(value)?.[1];
  if (body === undefined) {
    return false;
  }
  // openssh-key-v1: the magic, then the name of the cipher with its length before it.
  const magic = "openssh-key-v1\0";
  const bytes = Buffer.from(body, "base64");
  return (
    bytes.toString("latin1", 0, magic.length) === magic && sshString(bytes, magic.length) !== "none"
  );
}

/** An authorized_keys line: the type, the key in base64 (which begins with the type), a comment. */
export function hostKey(value: string): Complaint | undefined {
  const trimmed = value.trim();
  const words = trimmed.split(/\s+/);
  if (!trimmed.includes("\n") && isPublicKey(words)) {
    // The command provider (1.2.1) asks for the algorithm ssh-rsa, SHA-1, which OpenSSH has refused
    // since 8.8.
    return words[0] === "ssh-rsa"
      ? {
          got: "an RSA key, which today's sshd does not prove to Pulumi; use the Ed25519 or ECDSA one",
        }
      : undefined;
  }
  if (/^(SHA256|MD5):/.test(trimmed) || /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/.test(trimmed)) {
    return { got: "a fingerprint" };
  }
  if (!trimmed.includes("\n") && isPublicKey(words.slice(1))) {
    return { got: "a line of known_hosts", instead: words.slice(1).join(" ") };
  }
  return trimmed.includes("\n") ? { got: "several lines" } : {};
}

function isPublicKey([type, key]: readonly string[]): boolean {
  if (type === undefined || key === undefined || !sshKeyTypes.includes(type)) {
    return false;
  }
  return /^[A-Za-z0-9+/]+=*$/.test(key) && sshString(Buffer.from(key, "base64"), 0) === type;
}

/** The string at `offset` of SSH's wire format (RFC 4251, section 5), empty if there is none. */
function sshString(bytes: Buffer, offset: number): string {
  if (bytes.length < offset + 4) {
    return "";
  }
  return bytes.toString("latin1", offset + 4, offset + 4 + bytes.readUInt32BE(offset));
}
