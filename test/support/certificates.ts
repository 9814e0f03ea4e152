import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate with its key, both PEM. */
export interface Issued {
  certificatePem: string;
  privateKeyPem: string;
}

/** What a certificate is to say. */
export interface Request {
  subject: string;
  /** @default - signed with its own key */
  issuer?: Issued;
  /** @default false */
  ca?: boolean;
  /** As openssl writes them: `DNS:a.example.com,IP:10.0.0.5`. */
  sans?: string;
  /** Extended key usages as openssl names them. */
  usages?: string;
  /** @default - a new one */
  privateKeyPem?: string;
}

/** A real certificate, good for ten days, made by the `openssl` command. */
export function issue(request: Request): Issued {
  const folder = mkdtempSync(join(tmpdir(), "certificates-"));
  try {
    return issueIn(folder, request);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function issueIn(folder: string, { subject, issuer, ca, sans, usages, ...own }: Request): Issued {
  const file = (name: string, content?: string) => {
    const path = join(folder, name);
    if (content !== undefined) {
      writeFileSync(path, content, { mode: 0o600 });
    }
    return path;
  };
  const privateKeyPem =
    own.privateKeyPem ??
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256");
  const key = file("key.pem", privateKeyPem);
  const extensions = [
    `basicConstraints=critical,CA:${ca === true ? "TRUE" : "FALSE"}`,
    ...(sans === undefined ? [] : [`subjectAltName=${sans}`]),
    // So that who issued whom is told by names and signatures alone.
    "subjectKeyIdentifier=none",
    "authorityKeyIdentifier=none",
    ...(usages === undefined ? [] : [`extendedKeyUsage=${usages}`]),
  ];
  const signer =
    issuer === undefined
      ? ["-signkey", key]
      : [
          ...["-CA", file("ca.pem", issuer.certificatePem)],
          ...["-CAkey", file("ca-key.pem", issuer.privateKeyPem), "-CAcreateserial"],
        ];
  openssl("req", "-new", "-key", key, "-subj", `/CN=${subject}`, "-out", file("request.pem"));
  openssl(
    ...["x509", "-req", "-in", file("request.pem"), "-days", "10", ...signer],
    ...["-extfile", file("extensions", extensions.join("\n")), "-out", file("certificate.pem")],
  );
  return { certificatePem: readFileSync(file("certificate.pem"), "utf8"), privateKeyPem };
}

/** The private key, encrypted with a passphrase. */
export function encrypted(privateKeyPem: string): string {
  return execFileSync("openssl", ["pkey", "-aes256", "-passout", "pass:secret"], {
    input: privateKeyPem,
    encoding: "utf8",
  });
}

function openssl(...words: string[]): string {
  return execFileSync("openssl", words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
