import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, expect, it } from "vitest";
import { record } from "./support/mocks";

const examples = resolve(__dirname, "../examples");
const certificateFolder = mkdtempSync(join(tmpdir(), "private-registry-example-"));

beforeAll(() => {
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-subj", "/CN=hub", "-addext", "subjectAltName=DNS:registry.example.com", "-days", "2"],
    ...["-keyout", join(certificateFolder, "privkey.pem")],
    ...["-out", join(certificateFolder, "fullchain.pem")],
  ]);
});

afterAll(() => rmSync(certificateFolder, { recursive: true }));

it.each(readdirSync(examples))("examples/%s is a program that runs", async (example) => {
  pulumi.runtime.setAllConfig({
    "project:ciPassword": "s3cret",
    "project:web1HostKey":
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDjLQ3zQy0BDqJ3mRYxSSwHVpXkKpPRrSbvkQmJqLpdI",
    "project:web2HostKey":
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDjLQ3zQy0BDqJ3mRYxSSwHVpXkKpPRrSbvkQmJqLpdI",
    "project:certificateFolder": certificateFolder,
  });
  const exported: Record<string, unknown>[] = [];
  const resources = await record(async () => {
    exported.push((await import(join(examples, example, "index.ts"))) as Record<string, unknown>);
  });
  expect(resources.some(({ type }) => type.startsWith("private-registry:index:"))).toBe(true);
  const values = Object.values(exported[0] ?? {});
  expect(values.length).toBeGreaterThan(0);
  for (const value of values) {
    expect(pulumi.Output.isInstance(value)).toBe(true);
  }
});
