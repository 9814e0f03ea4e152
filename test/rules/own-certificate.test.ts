import { afterEach, describe, expect, it, vi } from "vitest";
import {
  certificateKey,
  certificates,
  ownCertificateTogether,
  serverCertificate,
  uncovered,
} from "../../components/rules/own-certificate";
import { encrypted, issue } from "../support/certificates";

const root = issue({ subject: "Root", ca: true });
const intermediate = issue({ subject: "Intermediate", ca: true, issuer: root });
const leaf = issue({
  subject: "registry.example.com",
  issuer: intermediate,
  sans: "DNS:registry.example.com,DNS:*.apps.example.com,IP:10.0.0.5,IP:2001:db8::5",
});
const otherRoot = issue({ subject: "Other root", ca: true });
const selfSigned = issue({ subject: "self", sans: "DNS:localhost" });
const chain = leaf.certificatePem + intermediate.certificatePem;

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * 24 * 60 * 60 * 1000);
}

afterEach(() => {
  vi.useRealTimers();
});

describe("a server certificate", () => {
  it("may come alone, with its chain, with blank lines and with words around it", () => {
    for (const pem of [leaf.certificatePem, chain, `\n${chain}\n`, `subject=x\n${chain}`]) {
      expect(serverCertificate(pem)).toBeUndefined();
    }
  });

  it.each([
    ["text", "hunter2", {}],
    ["an empty block", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", {}],
    ["garbage in a block", chain.replace(/^MII/m, "AAA"), {}],
    ["a chain that is cut off", chain.slice(0, -40), {}],
    ["a request", chain.replaceAll("CERTIFICATE", "CERTIFICATE REQUEST"), {}],
    ["a path", "/etc/ssl/fullchain.pem", { got: "the path of a file" }],
    ["a file's name", "fullchain.pem", { got: "the path of a file" }],
    [
      "a certificate with its key",
      leaf.certificatePem + leaf.privateKeyPem,
      { got: "a private key, which belongs into privateKeyPem" },
    ],
  ])("is not %s", (_, pem, complaint) => {
    expect(serverCertificate(pem)).toEqual(complaint);
  });

  it("has not expired, and neither has what follows it", () => {
    vi.setSystemTime(daysFromNow(11));
    expect(serverCertificate(chain)).toMatchObject({
      expected: "a certificate that has not expired",
      got: expect.stringContaining("CN=registry.example.com") as unknown,
    });
    expect(certificates(root.certificatePem)?.expected).toContain("not expired");
  });

  it("is valid already", () => {
    vi.setSystemTime(daysFromNow(-1));
    expect(serverCertificate(chain)?.expected).toBe("a certificate that is valid already");
  });

  it("is for servers, if it is for anything in particular", () => {
    const sans = "DNS:localhost";
    const client = issue({ subject: "x", sans, usages: "clientAuth" });
    const server = issue({ subject: "x", sans, usages: "clientAuth,serverAuth" });
    const any = issue({ subject: "x", sans, usages: "anyExtendedKeyUsage" });
    expect(serverCertificate(client.certificatePem)?.expected).toContain("serverAuth");
    expect(serverCertificate(server.certificatePem)).toBeUndefined();
    expect(serverCertificate(any.certificatePem)).toBeUndefined();
  });
});

describe("the key of a certificate", () => {
  it("is an unencrypted private key", () => {
    expect(certificateKey(leaf.privateKeyPem)).toBeUndefined();
  });

  it.each([
    ["text", "hunter2", {}],
    ["a cut-off key", leaf.privateKeyPem.slice(0, 80), {}],
    ["a path", "~/privkey.pem", { got: "the path of a file" }],
    ["a certificate", leaf.certificatePem, { got: "a certificate" }],
  ])("is not %s", (_, pem, complaint) => {
    expect(certificateKey(pem)).toEqual(complaint);
  });

  it("is not encrypted, and the complaint tells how to decrypt it", () => {
    expect(certificateKey(encrypted(leaf.privateKeyPem))?.got).toContain("openssl pkey");
  });
});

describe("certificate, key and CA", () => {
  const own = { certificatePem: chain, privateKeyPem: leaf.privateKeyPem };

  it.each([
    ["no CA", own],
    ["the root", { ...own, caPem: root.certificatePem, certificatePem: chain }],
    ["the intermediate, which the chain has too", { ...own, caPem: intermediate.certificatePem }],
    ["a root that the chain has too", { ...own, certificatePem: chain + root.certificatePem }],
    ["several CAs", { ...own, caPem: otherRoot.certificatePem + root.certificatePem }],
    [
      "the issuer of a certificate without intermediates",
      { ...own, certificatePem: leaf.certificatePem, caPem: intermediate.certificatePem },
    ],
    [
      "a self-signed certificate as its own CA",
      { ...selfSigned, caPem: selfSigned.certificatePem },
    ],
    ["a self-signed certificate alone", selfSigned],
  ])("go together with %s", (_, value) => {
    expect(ownCertificateTogether(value)).toEqual([]);
  });

  it("do not if the key is another one's", () => {
    const findings = ownCertificateTogether({ ...own, privateKeyPem: root.privateKeyPem });
    expect(findings).toMatchObject([{ path: ["privateKeyPem"], got: "the key of another one" }]);
  });

  it("do not if the server certificate does not come first", () => {
    const certificatePem = intermediate.certificatePem + leaf.certificatePem;
    expect(ownCertificateTogether({ ...own, certificatePem })).toMatchObject([
      { path: ["certificatePem"], got: "the server certificate as number 2 of 2" },
    ]);
  });

  it("do not if the chain is out of order", () => {
    const certificatePem = leaf.certificatePem + root.certificatePem + intermediate.certificatePem;
    expect(ownCertificateTogether({ ...own, certificatePem })).toMatchObject([
      { path: ["certificatePem"], got: "CN=registry.example.com followed by CN=Root" },
    ]);
  });

  it("do not if the chain's issuer has the right name, but another key", () => {
    const namesake = issue({ subject: "Intermediate", ca: true, issuer: root });
    const certificatePem = leaf.certificatePem + namesake.certificatePem;
    expect(ownCertificateTogether({ ...own, certificatePem })).toMatchObject([
      { path: ["certificatePem"] },
    ]);
  });

  it("do not if the chain leads to another CA", () => {
    expect(ownCertificateTogether({ ...own, caPem: otherRoot.certificatePem })).toMatchObject([
      {
        path: ["caPem"],
        expected: "the CA that the chain leads to (CN=Root)",
        got: "CN=Other root",
      },
    ]);
  });

  it("do not if an intermediate is missing between the certificate and the CA", () => {
    const value = { ...own, certificatePem: leaf.certificatePem, caPem: root.certificatePem };
    expect(ownCertificateTogether(value)).toMatchObject([{ path: ["caPem"] }]);
  });

  it("do not if the CA may not issue certificates", () => {
    const caPem = selfSigned.certificatePem;
    expect(ownCertificateTogether({ ...own, caPem })).toMatchObject([
      { path: ["caPem"], expected: "the certificate of a CA" },
    ]);
  });

  it("are only compared as far as they can be read", () => {
    expect(ownCertificateTogether({})).toEqual([]);
    expect(ownCertificateTogether({ certificatePem: 5, privateKeyPem: "x", caPem: {} })).toEqual(
      [],
    );
    expect(ownCertificateTogether({ ...own, certificatePem: "x", caPem: "y" })).toEqual([]);
  });
});

describe("the domains of a certificate", () => {
  it.each(["registry.example.com", "a.apps.example.com", "10.0.0.5", "2001:db8::5"])(
    "include %s",
    (domain) => {
      expect(uncovered(chain, [domain])).toEqual([]);
    },
  );

  it.each([
    "example.com",
    "www.registry.example.com",
    "apps.example.com",
    "a.b.apps.example.com",
    "10.0.0.6",
    "2001:db8::6",
    "localhost",
  ])("do not include %s", (domain) => {
    expect(uncovered(chain, [domain])).toEqual([domain]);
  });

  it("are its SANs alone: clients ignore the CN", () => {
    const withoutSan = issue({ subject: "registry.example.com" });
    expect(uncovered(withoutSan.certificatePem, ["registry.example.com"])).toHaveLength(1);
  });

  it("are not looked at in what is no certificate", () => {
    expect(uncovered("x", ["localhost"])).toEqual([]);
    expect(uncovered(undefined, ["localhost"])).toEqual([]);
  });
});
