import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { hostKey, isEncryptedKey, password, privateKey } from "../../components/rules/secrets";

describe("a password", () => {
  it.each(["x", "a:b c", "pässwörd", " ", "x".repeat(72), "ä".repeat(36)])("may be %j", (value) => {
    expect(password(value)).toBeUndefined();
  });

  it.each(["x".repeat(73), "ä".repeat(37)])("is at most 72 bytes of UTF-8, not %s", (value) => {
    expect(password(value)).toEqual({});
  });

  it.each(["a\nb", "a\r", "a\tb", "a\0b", "a\u0085b", "\u007f"])(
    "has no control characters: %j",
    (value) => {
      expect(password(value)).toEqual({
        got: "one with a line break or another control character",
      });
    },
  );
});

const publicLine = openSshPublicKey("ssh-ed25519");

/** A line of authorized_keys whose key has the right type in front, and is otherwise made up. */
function openSshPublicKey(type: string): string {
  return `${type} ${Buffer.concat([sshString(type), Buffer.alloc(36, 7)]).toString("base64")}`;
}

/** RFC 4251, section 5. */
function sshString(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, Buffer.from(text)]);
}

function pem(options: { passphrase?: string } = {}): string {
  return exported("pkcs8", options);
}

/** The format whose encryption is told by a header, `Proc-Type`. */
function traditional(options: { passphrase?: string } = {}): string {
  return exported("sec1", options);
}

function exported(type: "pkcs8" | "sec1", { passphrase }: { passphrase?: string }): string {
  const { privateKey: key } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const encryption = passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase };
  return key.export({ type, format: "pem", ...encryption }).toString();
}

/** A key in ssh-keygen's own format, as far as its header goes. */
function openSsh(cipher: string): string {
  const body = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    sshString(cipher),
    sshString(cipher === "none" ? "none" : "bcrypt"),
    Buffer.alloc(150, 7),
  ]);
  const lines = body.toString("base64").match(/.{1,70}/g) ?? [];
  const label = "OPENSSH PRIVATE KEY-----";
  return [`-----BEGIN ${label}`, ...lines, `-----END ${label}`, ""].join("\n");
}

describe("a private key", () => {
  it("may be PEM or OpenSSH, encrypted or not, with blank lines around it", () => {
    for (const key of [pem(), pem({ passphrase: "x" }), openSsh("none"), openSsh("aes256-ctr")]) {
      expect(privateKey(key)).toBeUndefined();
      expect(privateKey(`\n${key}\n`)).toBeUndefined();
      expect(privateKey(key.replaceAll("\n", "\r\n"))).toBeUndefined();
    }
  });

  it.each([
    ["a public key", publicLine],
    ["a public key", `${publicLine} ops@web1`],
    ["a public key", "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"],
    ["a public key", "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----"],
    ["the path of a file", "~/.ssh/id_ed25519"],
    ["the path of a file", "/root/.ssh/id_ed25519"],
    ["the path of a file", "./id_ed25519"],
    ["the path of a file", "../id_ed25519"],
    ["the path of a file", "C:\\Users\\ops\\id_ed25519"],
    ["one that is cut off or has lost its line breaks", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3"],
    ["one that is cut off or has lost its line breaks", "-----BEGIN PRIVATE KEY-----MIG"],
  ])("is not %s: %s", (got, value) => {
    expect(privateKey(value)).toEqual({ got });
  });

  it("is not PuTTY's, and the complaint tells how to convert that", () => {
    expect(privateKey("PuTTY-User-Key-File-3: ssh-ed25519\n")?.got).toContain("puttygen");
  });

  it("is not any other text", () => {
    expect(privateKey("hunter2")).toEqual({});
  });
});

describe("an encrypted private key", () => {
  it("is told from one that is not, in every format", () => {
    expect(isEncryptedKey(pem())).toBe(false);
    expect(isEncryptedKey(pem({ passphrase: "x" }))).toBe(true);
    expect(isEncryptedKey(openSsh("none"))).toBe(false);
    expect(isEncryptedKey(openSsh("aes256-ctr"))).toBe(true);
    expect(isEncryptedKey(traditional())).toBe(false);
    expect(isEncryptedKey(traditional({ passphrase: "x" }))).toBe(true);
  });
});

describe("a host key", () => {
  it.each([
    publicLine,
    `${publicLine} root@web1`,
    `${publicLine}\n`,
    openSshPublicKey("ecdsa-sha2-nistp256"),
  ])("may be %s", (value) => {
    expect(hostKey(value)).toBeUndefined();
  });

  it.each([`web1.lan ${publicLine}`, `[web1.lan]:2222 ${publicLine}`, `|1|a=|b= ${publicLine}`])(
    "is not the known_hosts line %s, but what follows its first word",
    (value) => {
      expect(hostKey(value)).toEqual({ got: "a line of known_hosts", instead: publicLine });
    },
  );

  it.each([
    "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8",
    "16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
  ])("is not the fingerprint %s", (value) => {
    expect(hostKey(value)).toEqual({ got: "a fingerprint" });
  });

  it("is no RSA key, for which the command provider asks sshd for SHA-1", () => {
    expect(hostKey(openSshPublicKey("ssh-rsa"))).toEqual({
      got: "an RSA key, which today's sshd does not prove to Pulumi; use the Ed25519 or ECDSA one",
    });
  });

  it("is a single key", () => {
    const value = `${publicLine}\n${openSshPublicKey("ssh-rsa")}`;
    expect(hostKey(value)).toEqual({ got: "several lines" });
  });

  it.each([
    "ssh-ed25519",
    "ssh-ed25519 AAAA",
    "ssh-ed25519 not/base64!",
    publicLine.replace("ssh-ed25519", "ssh-rsa"),
    publicLine.replace("ssh-ed25519", "ssh-dss"),
  ])("is not %s", (value) => {
    expect(hostKey(value)).toEqual({});
  });
});
