import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { PrivateRegistryArgs } from "../components";
import { advice } from "../components/advice";
import { caPem } from "./support/mocks";

const now = new Date("2026-11-22T00:00:00Z");
const sound: PrivateRegistryArgs = {
  domains: ["hub.test", "localhost"],
  clients: { web1: { host: "10.0.0.11" } },
};

describe("advice", () => {
  it("has none for settings that fit together", () => {
    expect(advice(sound, now)).toEqual([]);
  });

  it.each(["127.0.0.1", "127.8.8.8", "::1"])("finds clients that cannot reach %s", (address) => {
    expect(advice({ ...sound, bindAddress: address }, now)).toEqual([
      expect.stringContaining(`bindAddress is ${address}, which no other machine reaches`),
    ]);
    expect(advice({ domains: ["hub.test"], bindAddress: address }, now)).toEqual([]);
  });

  it("finds clients that would look for the registry on themselves", () => {
    expect(advice({ ...sound, domains: ["localhost", "127.0.0.1"] }, now)).toEqual([
      expect.stringContaining("domains has only localhost, 127.0.0.1, which every machine takes"),
    ]);
  });

  it("finds that nobody may push", () => {
    const users = { web: { access: "pull" }, old: { access: "none" } } as const;
    expect(advice({ ...sound, users }, now)).toEqual([
      "no user may push: give one the access push.",
    ]);
    expect(advice({ ...sound, users: { ...users, ci: {} } }, now)).toEqual([]);
  });

  it("finds an own certificate that ends within 30 days", () => {
    const ends = new Date(new X509Certificate(caPem).validTo);
    const args = { ...sound, ownCertificate: { certificatePem: caPem, privateKeyPem: "key" } };
    const daysBefore = (days: number) => new Date(ends.getTime() - days * 24 * 60 * 60 * 1000);
    expect(advice(args, daysBefore(31))).toEqual([]);
    expect(advice(args, daysBefore(29))).toEqual([
      expect.stringContaining(`ownCertificate ends on ${ends.toISOString().slice(0, 10)}`),
    ]);
  });
});
