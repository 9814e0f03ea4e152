import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

/** Key types that every client of a registry understands. */
export const keyAlgorithms = ["ECDSA-P256", "ECDSA-P384", "RSA-2048", "RSA-4096"] as const;

export type KeyAlgorithm = (typeof keyAlgorithms)[number];

/** The private CA and the server certificate that it signs. */
export interface CertificateArgs {
  /**
   * The type of both keys. nginx signs about 200 times as many handshakes with P-256 as with
   * RSA-4096.
   *
   * @default "ECDSA-P256"
   */
  keyAlgorithm?: KeyAlgorithm;
  /**
   * How long clients can trust the CA, in days.
   *
   * @default 3650
   */
  caValidityDays?: number;
  /**
   * How long the server certificate is good for, in days, at most 398: Apple's clients refuse more.
   *
   * @default 365
   */
  validityDays?: number;
  /**
   * How many days before its end `pulumi up` renews the server certificate; less than
   * `validityDays`.
   *
   * @default 30
   */
  renewalDays?: number;
}

/** A certificate that was issued elsewhere. All values are PEM. */
export interface OwnCertificateArgs {
  /** The server certificate, followed by its intermediates if there are any. */
  certificatePem: pulumi.Input<string>;
  /** The unencrypted private key of the certificate. */
  privateKeyPem: pulumi.Input<string>;
  /**
   * The CA to give to clients.
   *
   * @default - clients' own trust stores are expected to know the issuer
   */
  caPem?: pulumi.Input<string>;
}

export interface TlsIdentityArgs {
  /** As in `PrivateRegistryArgs`. */
  domains: string[];
  /** Names the CA towards whoever looks at a trust store. */
  commonName: string;
  /** As in `PrivateRegistryArgs`. */
  certificate?: CertificateArgs | undefined;
  /** As in `PrivateRegistryArgs`. */
  ownCertificate?: OwnCertificateArgs | undefined;
}

/**
 * What the registry proves its name with: a server certificate signed by a private CA, or a
 * certificate that was issued elsewhere. A CA, and not a self-signed server certificate, because
 * clients then trust once, while the server's certificate is renewed and domains come and go.
 */
export class TlsIdentity extends pulumi.ComponentResource {
  /** The server certificate with its intermediates, PEM. */
  public readonly certificatePem: pulumi.Output<string>;
  /** Secret. */
  public readonly privateKeyPem: pulumi.Output<string>;
  /** What clients have to trust, PEM; undefined if they do already. */
  public readonly caPem: pulumi.Output<string> | undefined;
  /** SHA-256 over the CA certificate, as openssl prints it. */
  public readonly caFingerprint: pulumi.Output<string> | undefined;

  constructor(name: string, args: TlsIdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    super("private-registry:index:TlsIdentity", name, {}, opts);

    const issued = args.ownCertificate
      ? ownIdentity(args.ownCertificate)
      : this.issue(name, args.domains, args.commonName, args.certificate ?? {});
    this.certificatePem = issued.certificatePem;
    this.privateKeyPem = pulumi.secret(issued.privateKeyPem);
    this.caPem = issued.caPem;
    this.caFingerprint = this.caPem?.apply((pem) => new X509Certificate(pem).fingerprint256);
    this.registerOutputs({
      certificatePem: this.certificatePem,
      privateKeyPem: this.privateKeyPem,
      caPem: this.caPem,
      caFingerprint: this.caFingerprint,
    });
  }

  private issue(
    name: string,
    domains: string[],
    commonName: string,
    certificate: CertificateArgs,
  ): Identity {
    const key = keyArgs[certificate.keyAlgorithm ?? "ECDSA-P256"];
    const validityDays = certificate.validityDays ?? 365;

    const caKey = new tls.PrivateKey(`${name}-ca-key`, key, { parent: this });
    const ca = new tls.SelfSignedCert(
      `${name}-ca`,
      {
        privateKeyPem: caKey.privateKeyPem,
        isCaCertificate: true,
        subject: { commonName },
        validityPeriodHours: (certificate.caValidityDays ?? 3650) * 24,
        // Early enough for every certificate that it signs to end before it does.
        earlyRenewalHours: validityDays * 24,
        allowedUses: ["cert_signing", "crl_signing"],
        setSubjectKeyId: true,
      },
      // The name comes from the stack: renaming the stack must not cost all clients their trust.
      { parent: this, ignoreChanges: ["subject"] },
    );
    const serverKey = new tls.PrivateKey(`${name}-server-key`, key, { parent: this });
    const request = new tls.CertRequest(
      `${name}-server-request`,
      {
        privateKeyPem: serverKey.privateKeyPem,
        // Clients look at SANs only; a common name may have 64 characters at most (RFC 5280).
        subject: { commonName: (domains[0] ?? "").slice(0, 64) },
        dnsNames: domains.filter((domain) => !isIP(domain)),
        ipAddresses: domains.filter((domain) => isIP(domain)),
      },
      { parent: this },
    );
    const server = new tls.LocallySignedCert(
      `${name}-server`,
      {
        certRequestPem: request.certRequestPem,
        caPrivateKeyPem: caKey.privateKeyPem,
        caCertPem: ca.certPem,
        validityPeriodHours: validityDays * 24,
        earlyRenewalHours: (certificate.renewalDays ?? 30) * 24,
        allowedUses: ["digital_signature", "key_encipherment", "server_auth"],
        setSubjectKeyId: true,
      },
      { parent: this },
    );
    return {
      certificatePem: server.certPem,
      privateKeyPem: serverKey.privateKeyPem,
      caPem: ca.certPem,
    };
  }
}

interface Identity {
  certificatePem: pulumi.Output<string>;
  privateKeyPem: pulumi.Output<string>;
  caPem: pulumi.Output<string> | undefined;
}

const keyArgs: Record<KeyAlgorithm, tls.PrivateKeyArgs> = {
  "ECDSA-P256": { algorithm: "ECDSA", ecdsaCurve: "P256" },
  "ECDSA-P384": { algorithm: "ECDSA", ecdsaCurve: "P384" },
  "RSA-2048": { algorithm: "RSA", rsaBits: 2048 },
  "RSA-4096": { algorithm: "RSA", rsaBits: 4096 },
};

function ownIdentity(own: OwnCertificateArgs): Identity {
  return {
    certificatePem: pulumi.output(own.certificatePem),
    privateKeyPem: pulumi.output(own.privateKeyPem),
    caPem: own.caPem === undefined ? undefined : pulumi.output(own.caPem),
  };
}
