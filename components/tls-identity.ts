import * as pulumi from "@pulumi/pulumi";

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
