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
   * The type of the server's key, and of the keys of CAs that are still to be made: a CA keeps the
   * one that it has. nginx signs about 200 times as many handshakes with P-256 as with RSA-4096.
   *
   * @default "ECDSA-P256"
   */
  keyAlgorithm?: KeyAlgorithm;
  /**
   * Which CA signs the server certificate, 1 or more; raise it by one to change the CA. The one
   * before is trusted beside it until `retiredCaGeneration` names it, so it does not matter which
   * client changes over when.
   *
   * @default 1
   */
  caGeneration?: number;
  /**
   * The last CA that is trusted no more: one less than `caGeneration`, or two less while the CA
   * before is still trusted. A retired CA is gone for good, and its key too.
   *
   * @default 0 - none
   */
  retiredCaGeneration?: number;
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
  /** The CA that signed the server certificate, PEM; undefined if clients know it already. */
  public readonly caPem: pulumi.Output<string> | undefined;
  /** What to give to clients, PEM: the CA, behind the one before if that is not retired. */
  public readonly trustedCaPem: pulumi.Output<string> | undefined;
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
    this.trustedCaPem = issued.trustedCaPem;
    this.caFingerprint = this.caPem?.apply((pem) => new X509Certificate(pem).fingerprint256);
    this.registerOutputs({
      certificatePem: this.certificatePem,
      privateKeyPem: this.privateKeyPem,
      caPem: this.caPem,
      trustedCaPem: this.trustedCaPem,
      caFingerprint: this.caFingerprint,
    });
  }

  private issue(
    name: string,
    domains: string[],
    commonName: string,
    certificate: CertificateArgs,
  ): Identity {
    const { caGeneration = 1, retiredCaGeneration = 0 } = certificate;
    const lifetime = {
      validityPeriodHours: validityDays(certificate) * 24,
      earlyRenewalHours: (certificate.renewalDays ?? 30) * 24,
    };

    const authority = (generation: number) =>
      this.authority(name, commonName, generation, certificate);
    const ca = authority(caGeneration);
    const before = caGeneration - 1 > retiredCaGeneration ? authority(caGeneration - 1) : undefined;
    const cross = before && this.crossCertificate(ca, before, lifetime);

    const serverKey = new tls.PrivateKey(`${name}-server-key`, keyType(certificate), {
      parent: this,
    });
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
        caPrivateKeyPem: ca.key.privateKeyPem,
        caCertPem: ca.certificate.certPem,
        ...lifetime,
        // RFC 8813: no key is encrypted with an ECDSA key.
        allowedUses:
          keyType(certificate).algorithm === "RSA"
            ? ["digital_signature", "key_encipherment", "server_auth"]
            : ["digital_signature", "server_auth"],
        setSubjectKeyId: true,
      },
      { parent: this },
    );
    return {
      certificatePem: bundle([server, cross]),
      privateKeyPem: serverKey.privateKeyPem,
      caPem: ca.certificate.certPem,
      trustedCaPem: bundle([before?.certificate, ca.certificate]),
    };
  }

  private authority(
    name: string,
    commonName: string,
    generation: number,
    certificate: CertificateArgs,
  ): Authority {
    const id = generation === 1 ? `${name}-ca` : `${name}-ca-${generation}`;
    const key = new tls.PrivateKey(`${id}-key`, keyType(certificate), {
      parent: this,
      // Another key is another CA, and that is what a generation is for.
      ignoreChanges: ["algorithm", "ecdsaCurve", "rsaBits"],
    });
    const self = new tls.SelfSignedCert(
      id,
      {
        privateKeyPem: key.privateKeyPem,
        isCaCertificate: true,
        // Each has a name of its own: by that clients tell who issued a certificate.
        subject: { commonName: generation === 1 ? commonName : `${commonName} ${generation}` },
        validityPeriodHours: (certificate.caValidityDays ?? 3650) * 24,
        // Early enough for every certificate that it signs to end before it does.
        earlyRenewalHours: validityDays(certificate) * 24,
        // One CA below it: the next one, which it certifies when the CA is changed.
        maxPathLength: 1,
        allowedUses: ["cert_signing", "crl_signing"],
        setSubjectKeyId: true,
      },
      // The name comes from the stack: renaming the stack must not cost all clients their trust. Nor is
      // a limit worth that which CAs of the first version do not have.
      { parent: this, ignoreChanges: ["subject", "maxPathLength"] },
    );
    return { id, key, certificate: self };
  }

  /** `ca` as certified by the one before: it leads clients that trust only that one to `ca`. */
  private crossCertificate(
    ca: Authority,
    before: Authority,
    lifetime: Pick<tls.LocallySignedCertArgs, "validityPeriodHours" | "earlyRenewalHours">,
  ): tls.LocallySignedCert {
    const request = new tls.CertRequest(
      `${ca.id}-cross-request`,
      { privateKeyPem: ca.key.privateKeyPem, subject: ca.certificate.subject },
      { parent: this },
    );
    return new tls.LocallySignedCert(
      `${ca.id}-cross`,
      {
        certRequestPem: request.certRequestPem,
        caPrivateKeyPem: before.key.privateKeyPem,
        caCertPem: before.certificate.certPem,
        isCaCertificate: true,
        maxPathLength: 0,
        ...lifetime,
        allowedUses: ["cert_signing", "crl_signing"],
        setSubjectKeyId: true,
      },
      { parent: this },
    );
  }
}

/** A CA of one generation. */
interface Authority {
  /** Begins the names of its resources. */
  id: string;
  key: tls.PrivateKey;
  certificate: tls.SelfSignedCert;
}

interface Identity {
  certificatePem: pulumi.Output<string>;
  privateKeyPem: pulumi.Output<string>;
  caPem: pulumi.Output<string> | undefined;
  trustedCaPem: pulumi.Output<string> | undefined;
}

const keyTypes: Record<KeyAlgorithm, tls.PrivateKeyArgs> = {
  "ECDSA-P256": { algorithm: "ECDSA", ecdsaCurve: "P256" },
  "ECDSA-P384": { algorithm: "ECDSA", ecdsaCurve: "P384" },
  "RSA-2048": { algorithm: "RSA", rsaBits: 2048 },
  "RSA-4096": { algorithm: "RSA", rsaBits: 4096 },
};

function keyType({ keyAlgorithm = "ECDSA-P256" }: CertificateArgs): tls.PrivateKeyArgs {
  return keyTypes[keyAlgorithm];
}

function validityDays(certificate: CertificateArgs): number {
  return certificate.validityDays ?? 365;
}

function bundle(
  certificates: ({ certPem: pulumi.Output<string> } | undefined)[],
): pulumi.Output<string> {
  const pems = certificates.flatMap((certificate) => certificate?.certPem ?? []);
  return pulumi.all(pems).apply((pems) => pems.join(""));
}

function ownIdentity(own: OwnCertificateArgs): Identity {
  const caPem = own.caPem === undefined ? undefined : pulumi.output(own.caPem);
  return {
    certificatePem: pulumi.output(own.certificatePem),
    privateKeyPem: pulumi.output(own.privateKeyPem),
    caPem,
    trustedCaPem: caPem,
  };
}
