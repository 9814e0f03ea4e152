/** What a certificate of the user's own must be, so that clients accept it once nginx shows it. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { isIpAddress } from "./names";
import type { Complaint, Finding } from "./schema";

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM text in their order; undefined if one of them does not parse. */
export function parseCertificates(pem: string): X509Certificate[] | undefined {
  const blocks = pem.match(pemCertificate) ?? [];
  if (blocks.length !== pem.split("-----BEGIN").length - 1) {
    return undefined;
  }
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return undefined;
  }
}

/** The key of a PEM text; undefined if it is none, or needs a passphrase. */
export function parsePrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    // The error's words are OpenSSL's and may quote the input.
    return undefined;
  }
}

/** PEM certificates, all of them valid today. */
export function certificates(pem: string): Complaint | undefined {
  if (pem.includes("PRIVATE KEY-----")) {
    return { got: "a private key, which belongs into privateKeyPem" };
  }
  const parsed = parseCertificates(pem);
  if (parsed === undefined || parsed.length === 0) {
    return { got: looksLikePath(pem) ? "the path of a file" : undefined };
  }
  return parsed.map(outOfDate).find((complaint) => complaint !== undefined);
}

/** A server certificate and its intermediates, all of them valid today. */
export function serverCertificate(pem: string): Complaint | undefined {
  return certificates(pem) ?? notForServers(parseCertificates(pem)?.[0]);
}

export function certificateKey(pem: string): Complaint | undefined {
  if (parsePrivateKey(pem) !== undefined) {
    return undefined;
  }
  if (/ENCRYPTED/.test(pem)) {
    return {
      got: "an encrypted one (openssl pkey -in encrypted.pem -out privkey.pem takes the passphrase off)",
    };
  }
  if (pem.includes("-----BEGIN CERTIFICATE-----")) {
    return { got: "a certificate" };
  }
  return { got: looksLikePath(pem) ? "the path of a file" : undefined };
}

function looksLikePath(value: string): boolean {
  return /^[^\n]{1,255}\.(pem|crt|cer|key)$|^(~|\.{0,2}\/)[^\n]*$/.test(value.trim());
}

function outOfDate(certificate: X509Certificate): Complaint | undefined {
  const name = subjectOf(certificate);
  const now = Date.now();
  if (now > Date.parse(certificate.validTo)) {
    return {
      expected: "a certificate that has not expired",
      got: `one (${name}) whose last moment was ${certificate.validTo}`,
    };
  }
  if (now < Date.parse(certificate.validFrom)) {
    return {
      expected: "a certificate that is valid already",
      got: `one (${name}) whose first moment is ${certificate.validFrom}`,
    };
  }
  return undefined;
}

/** Extended key usages that let a server show the certificate: serverAuth, any (RFC 5280). */
const serverUsages = ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"];

function notForServers(leaf: X509Certificate | undefined): Complaint | undefined {
  // Node calls the extended usages `keyUsage`, and leaves it undefined where there are none.
  const usages = leaf?.keyUsage;
  if (usages === undefined || usages.some((usage) => serverUsages.includes(usage))) {
    return undefined;
  }
  return {
    expected: "a certificate for servers (extended key usage serverAuth)",
    got: `one for ${usages.join(", ")}`,
  };
}

function subjectOf(certificate: X509Certificate): string {
  return certificate.subject.split("\n").join(", ") || "without a subject";
}

/** Whether key, chain and CA belong together. Looks only at what parses: the rest is told already. */
export function ownCertificateTogether(own: Readonly<Record<string, unknown>>): Finding[] {
  const chain = certificatesAt(own.certificatePem);
  const key =
    typeof own.privateKeyPem === "string" ? parsePrivateKey(own.privateKeyPem) : undefined;
  const cas = certificatesAt(own.caPem);
  const order = misordered(chain, key);
  if (order !== undefined) {
    return [order];
  }
  return [...keyMismatch(chain, key), ...brokenChain(chain), ...unusableCa(chain, cas)];
}

function certificatesAt(value: unknown): X509Certificate[] {
  return typeof value === "string" ? (parseCertificates(value) ?? []) : [];
}

/** nginx shows the first certificate as the server's own. */
function misordered(chain: X509Certificate[], key: KeyObject | undefined): Finding | undefined {
  if (key === undefined) {
    return undefined;
  }
  const position = chain.findIndex((certificate) => certificate.checkPrivateKey(key));
  if (position <= 0) {
    return undefined;
  }
  return {
    path: ["certificatePem"],
    expected: "the server certificate first, followed by its intermediates",
    got: `the server certificate as number ${position + 1} of ${chain.length}`,
  };
}

function keyMismatch([leaf]: X509Certificate[], key: KeyObject | undefined): Finding[] {
  if (leaf === undefined || key === undefined || leaf.checkPrivateKey(key)) {
    return [];
  }
  return [
    {
      path: ["privateKeyPem"],
      expected: `the private key of the first certificate (${subjectOf(leaf)})`,
      got: "the key of another one",
    },
  ];
}

function brokenChain(chain: X509Certificate[]): Finding[] {
  const broken = chain.findIndex((certificate, index) => {
    const issuer = chain[index + 1];
    return issuer !== undefined && !isIssuedBy(certificate, issuer);
  });
  const [child, issuer] = chain.slice(broken === -1 ? chain.length : broken);
  if (child === undefined || issuer === undefined) {
    return [];
  }
  return [
    {
      path: ["certificatePem"],
      expected: "each certificate to be followed by the one that issued it",
      got: `${subjectOf(child)} followed by ${subjectOf(issuer)}`,
    },
  ];
}

function isIssuedBy(child: X509Certificate, issuer: X509Certificate): boolean {
  return child.checkIssued(issuer) && child.verify(issuer.publicKey);
}

function unusableCa(chain: X509Certificate[], cas: X509Certificate[]): Finding[] {
  const leaf = chain[0];
  // A self-signed server certificate is its own anchor, whether it may issue others or not.
  const noCa = cas.find((ca) => !ca.ca && ca.fingerprint256 !== leaf?.fingerprint256);
  if (noCa !== undefined) {
    return [
      {
        path: ["caPem"],
        expected: "the certificate of a CA",
        got: `one that may not issue others (${subjectOf(noCa)})`,
      },
    ];
  }
  const leads = chain.some((certificate) =>
    cas.some(
      (ca) => ca.fingerprint256 === certificate.fingerprint256 || isIssuedBy(certificate, ca),
    ),
  );
  const last = chain.at(-1);
  if (cas.length === 0 || last === undefined || leads) {
    return [];
  }
  return [
    {
      path: ["caPem"],
      expected: `the CA that the chain leads to (${issuerOf(last)})`,
      got: cas.map(subjectOf).join("; "),
    },
  ];
}

function issuerOf(certificate: X509Certificate): string {
  return certificate.issuer.split("\n").join(", ");
}

/** The domains that a certificate is not good for; clients look at the SANs alone. */
export function uncovered(certificatePem: unknown, domains: readonly string[]): string[] {
  const [leaf] = certificatesAt(certificatePem);
  return leaf === undefined ? [] : domains.filter((domain) => !covers(leaf, domain));
}

function covers(leaf: X509Certificate, domain: string): boolean {
  if (isIpAddress(domain)) {
    return leaf.checkIP(domain) !== undefined;
  }
  return leaf.checkHost(domain, { subject: "never", partialWildcards: false }) !== undefined;
}

/** The SANs of a certificate as text. */
export function namesOf(certificatePem: unknown): string {
  const [leaf] = certificatesAt(certificatePem);
  return leaf?.subjectAltName ?? "no SAN at all (the CN does not count)";
}
