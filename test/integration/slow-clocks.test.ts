import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment, type Settings } from "../support/deployment";
import { freePort } from "../support/engine";

// A machine whose clock is slow takes a new certificate for one that is not valid yet.

const slowSeconds = 40;
let deployment: Deployment;
let settings: Settings;

beforeAll(async () => {
  const environment = { PRIVATE_REGISTRY_SLOW_CLOCK_SECONDS: String(slowSeconds) };
  deployment = await Deployment.create(environment);
  settings = {
    domains: ["localhost"],
    httpsPort: await freePort(),
    bindAddress: "127.0.0.1",
    users: { admin: {} },
  };
  await deployment.up(settings);
});
afterAll(() => deployment.remove());

/** The certificate that is served. */
function served(): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { port: settings.httpsPort as number, servername: "localhost", rejectUnauthorized: false },
      () => {
        const certificate = socket.getPeerX509Certificate();
        socket.destroy();
        if (certificate) resolve(certificate);
        else reject(new Error("no certificate"));
      },
    );
    socket.on("error", reject);
  });
}

describe("a certificate that takes the place of one for the same names", () => {
  it("is put into service when clocks that are a little slow have reached it", async () => {
    const before = await served();
    let firstSeen = 0;
    const watching = setInterval(() => {
      void served().then(({ serialNumber }) => {
        if (serialNumber !== before.serialNumber) firstSeen ||= Date.now();
      });
    }, 500);
    const changed = { ...settings, certificate: { validityDays: 90, renewalDays: 10 } };
    const { output } = await deployment.up(changed).finally(() => clearInterval(watching));
    expect(output).toMatch(/The new certificate is put into service in \d+ s/);
    const after = await served();
    expect(after.serialNumber).not.toBe(before.serialNumber);
    const age = (firstSeen || Date.now()) - Date.parse(after.validFrom);
    expect(age).toBeGreaterThanOrEqual(slowSeconds * 1000 - 1000);
  });
});

describe("a certificate for another name", () => {
  it("is put into service at once, as there is none for that", async () => {
    const { output } = await deployment.up({ ...settings, domains: ["localhost", "127.0.0.1"] });
    expect(output).not.toContain("is put into service in");
    const { subjectAltName, validFrom } = await served();
    expect(subjectAltName).toContain("127.0.0.1");
    expect(Date.now() - Date.parse(validFrom)).toBeLessThan(slowSeconds * 1000);
  });
});
