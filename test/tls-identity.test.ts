import { describe, expect, it } from "vitest";
import { TlsIdentity, type TlsIdentityArgs } from "../components/tls-identity";
import { caPem, record, type Registered, resolved, secretInput } from "./support/mocks";

// As `openssl x509 -noout -fingerprint -sha256` prints it.
const caFingerprint =
  "8E:AF:C3:5D:07:49:9D:29:E5:45:36:DE:EE:DF:4D:AD:F6:57:29:1F:7B:11:CC:76:F1:BE:B8:A3:B6:5E:3A:10";

async function identity(args: Partial<TlsIdentityArgs>) {
  const made: TlsIdentity[] = [];
  const resources = await record(() => {
    made.push(new TlsIdentity("t", { domains: ["hub.test"], commonName: "hub CA", ...args }));
  });
  const [tls] = made;
  if (!tls) throw new Error("the program made no TlsIdentity");
  const inputs = (name: string) => resources.find((resource) => resource.name === name)?.inputs;
  return { tls, resources, inputs };
}

const serverNames = ["t-server-key", "t-server-request", "t-server"];

/** The keys and certificates that were made. */
function tlsNames(resources: Registered[]): Set<string> {
  const own = resources.filter(({ type }) => type.startsWith("tls:"));
  return new Set(own.map(({ name }) => name));
}

describe("TlsIdentity", () => {
  it("makes a CA that signs certificates and nothing else", async () => {
    const { inputs } = await identity({});
    expect(inputs("t-ca")).toEqual({
      privateKeyPem: secretInput("PEM of t-ca-key"),
      isCaCertificate: true,
      subject: { commonName: "hub CA" },
      validityPeriodHours: 3650 * 24,
      earlyRenewalHours: 365 * 24,
      allowedUses: ["cert_signing", "crl_signing"],
      maxPathLength: 1,
      setSubjectKeyId: true,
    });
  });

  it("makes every domain a SAN, names and addresses apart", async () => {
    const { inputs } = await identity({
      domains: ["hub.test", "10.0.0.5", "fd00::5", "hub2.test"],
    });
    expect(inputs("t-server-request")).toMatchObject({
      dnsNames: ["hub.test", "hub2.test"],
      ipAddresses: ["10.0.0.5", "fd00::5"],
    });
  });

  it("cuts the common name, which nobody reads, to the 64 characters that it may have", async () => {
    const { inputs } = await identity({ domains: [`${"a".repeat(63)}.test`] });
    expect(inputs("t-server-request")).toMatchObject({
      subject: { commonName: `${"a".repeat(63)}.` },
    });
  });

  it("lets the CA sign the server certificate, to be renewed 30 days before its end", async () => {
    const { inputs } = await identity({});
    expect(inputs("t-server")).toEqual({
      certRequestPem: "PEM of t-server-request",
      caPrivateKeyPem: secretInput("PEM of t-ca-key"),
      caCertPem: caPem,
      validityPeriodHours: 365 * 24,
      earlyRenewalHours: 30 * 24,
      allowedUses: ["digital_signature", "server_auth"],
      setSubjectKeyId: true,
    });
    const rsa = await identity({ certificate: { keyAlgorithm: "RSA-2048" } });
    expect(rsa.inputs("t-server")).toMatchObject({
      allowedUses: ["digital_signature", "key_encipherment", "server_auth"],
    });
  });

  it("renews the CA while it still outlives what it signs", async () => {
    const { inputs } = await identity({
      certificate: { caValidityDays: 700, validityDays: 90, renewalDays: 10 },
    });
    expect(inputs("t-ca")).toMatchObject({
      validityPeriodHours: 700 * 24,
      earlyRenewalHours: 90 * 24,
    });
    expect(inputs("t-server")).toMatchObject({
      validityPeriodHours: 90 * 24,
      earlyRenewalHours: 10 * 24,
    });
  });

  it("has one CA at first, which clients trust and nginx does not show", async () => {
    const { tls, resources } = await identity({});
    expect(tlsNames(resources)).toEqual(new Set(["t-ca-key", "t-ca", ...serverNames]));
    expect((await resolved(tls.certificatePem)).value).toBe("PEM of t-server");
    expect(tls.trustedCaPem && (await resolved(tls.trustedCaPem)).value).toBe(caPem);
  });

  it("lets a second CA sign the server certificate, and the first one the second", async () => {
    const { tls, resources, inputs } = await identity({ certificate: { caGeneration: 2 } });
    const second = ["t-ca-2-key", "t-ca-2", "t-ca-2-cross-request", "t-ca-2-cross"];
    expect(tlsNames(resources)).toEqual(new Set(["t-ca-key", "t-ca", ...second, ...serverNames]));
    const secondCa = `PEM of t-ca-2\n${caPem}`;
    expect(inputs("t-ca-2")).toEqual({
      ...inputs("t-ca"),
      privateKeyPem: secretInput("PEM of t-ca-2-key"),
      subject: { commonName: "hub CA 2" },
    });
    expect(inputs("t-server")).toMatchObject({
      caPrivateKeyPem: secretInput("PEM of t-ca-2-key"),
      caCertPem: secondCa,
    });
    expect(inputs("t-ca-2-cross-request")).toEqual({
      privateKeyPem: secretInput("PEM of t-ca-2-key"),
      subject: { commonName: "hub CA 2" },
    });
    expect(inputs("t-ca-2-cross")).toEqual({
      certRequestPem: "PEM of t-ca-2-cross-request",
      caPrivateKeyPem: secretInput("PEM of t-ca-key"),
      caCertPem: caPem,
      isCaCertificate: true,
      maxPathLength: 0,
      validityPeriodHours: 365 * 24,
      earlyRenewalHours: 30 * 24,
      allowedUses: ["cert_signing", "crl_signing"],
      setSubjectKeyId: true,
    });
    expect(await resolved(tls.certificatePem)).toEqual({
      value: "PEM of t-serverPEM of t-ca-2-cross",
      secret: false,
    });
    expect(tls.caPem && (await resolved(tls.caPem)).value).toBe(secondCa);
    expect(tls.trustedCaPem && (await resolved(tls.trustedCaPem)).value).toBe(caPem + secondCa);
  });

  it("does so again with the next one, and forgets the retired one", async () => {
    const { resources, inputs } = await identity({
      certificate: { caGeneration: 3, retiredCaGeneration: 1 },
    });
    const third = ["t-ca-3-key", "t-ca-3", "t-ca-3-cross-request", "t-ca-3-cross"];
    expect(tlsNames(resources)).toEqual(
      new Set(["t-ca-2-key", "t-ca-2", ...third, ...serverNames]),
    );
    expect(inputs("t-ca-3-cross")).toMatchObject({
      caPrivateKeyPem: secretInput("PEM of t-ca-2-key"),
    });
  });

  it("has one CA again once the first one is retired", async () => {
    const { tls, resources } = await identity({
      certificate: { caGeneration: 2, retiredCaGeneration: 1 },
    });
    expect(tlsNames(resources)).toEqual(new Set(["t-ca-2-key", "t-ca-2", ...serverNames]));
    expect((await resolved(tls.certificatePem)).value).toBe("PEM of t-server");
    expect(tls.trustedCaPem && (await resolved(tls.trustedCaPem)).value).toBe(
      `PEM of t-ca-2\n${caPem}`,
    );
  });

  it.each([
    [undefined, { algorithm: "ECDSA", ecdsaCurve: "P256" }],
    ["ECDSA-P256", { algorithm: "ECDSA", ecdsaCurve: "P256" }],
    ["ECDSA-P384", { algorithm: "ECDSA", ecdsaCurve: "P384" }],
    ["RSA-2048", { algorithm: "RSA", rsaBits: 2048 }],
    ["RSA-4096", { algorithm: "RSA", rsaBits: 4096 }],
  ] as const)("makes both keys of type %s", async (keyAlgorithm, expected) => {
    const { inputs } = await identity(keyAlgorithm ? { certificate: { keyAlgorithm } } : {});
    expect(inputs("t-ca-key")).toEqual(expected);
    expect(inputs("t-server-key")).toEqual(expected);
  });

  it("gives the CA's fingerprint as openssl does", async () => {
    const { tls } = await identity({});
    if (!tls.caFingerprint) throw new Error("no fingerprint");
    expect((await resolved(tls.caFingerprint)).value).toBe(caFingerprint);
  });

  it("keeps the server's key secret", async () => {
    const { tls } = await identity({});
    expect(await resolved(tls.privateKeyPem)).toEqual({
      value: "PEM of t-server-key",
      secret: true,
    });
  });

  it("uses an own certificate as it is, and makes no key or CA", async () => {
    const { tls, resources } = await identity({
      ownCertificate: { certificatePem: "chain", privateKeyPem: "key", caPem },
    });
    expect(resources.map(({ type }) => type).filter((type) => type.startsWith("tls:"))).toEqual([]);
    expect((await resolved(tls.certificatePem)).value).toBe("chain");
    expect(await resolved(tls.privateKeyPem)).toEqual({ value: "key", secret: true });
    expect(tls.caPem && (await resolved(tls.caPem)).value).toBe(caPem);
    expect(tls.trustedCaPem).toBe(tls.caPem);
  });

  it("gives clients no CA if the own certificate comes without one", async () => {
    const { tls } = await identity({
      ownCertificate: { certificatePem: "chain", privateKeyPem: "key" },
    });
    expect(tls.caPem).toBeUndefined();
    expect(tls.trustedCaPem).toBeUndefined();
    expect(tls.caFingerprint).toBeUndefined();
  });
});
