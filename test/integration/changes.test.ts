import { randomBytes, X509Certificate } from "node:crypto";
import { Agent } from "node:https";
import { createServer } from "node:net";
import { setTimeout } from "node:timers/promises";
import { connect } from "node:tls";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment, type Settings } from "../support/deployment";
import {
  createNetwork,
  derivedImage,
  docker,
  freePort,
  runningNginx,
  serving,
} from "../support/engine";
import { digest, RegistryClient, type RegistryClientOptions } from "../support/registry-client";
import { startTraffic } from "../support/traffic";
import { startDownload, startUpload } from "../support/transfers";

// What `pulumi up` does to a registry that is in use.

const alice = ["alice", "Pushes-1 thing"] as const;
const image = "team/app";
const path = `/v2/${image}/tags/list`;

let deployment: Deployment;
let settings: Settings;
let port: number;
let options: RegistryClientOptions;
const derived: string[] = [];

beforeAll(async () => {
  deployment = await Deployment.create();
  port = await freePort();
  settings = {
    domains: ["localhost"],
    httpsPort: port,
    bindAddress: "127.0.0.1",
    users: { alice: { password: alice[1] } },
  };
  await deployment.up(settings);
  options = { port, host: "localhost", caPem: deployment.output("caCertificate") };
  await new RegistryClient(options).push(image, "1", alice);
});

afterAll(async () => {
  await deployment.remove();
  if (derived.length > 0) {
    await docker("image", "rm", ...derived);
  }
});

const derive = async (base: string, shell?: string) => {
  const made = await derivedImage(base, shell);
  derived.push(made);
  return made;
};

const ids = async () => {
  const { nginx, registry } = await serving(deployment.installation);
  return { nginx: nginx.Id, registry: registry.Id };
};

const expectServed = async () => {
  const reply = await new RegistryClient(options).request("GET", path, { user: alice });
  expect(reply.status).toBe(200);
  expect(JSON.parse(reply.body)).toEqual({ name: image, tags: ["1"] });
};

describe("an added domain", () => {
  it("is in the certificate that is served once up returns, and replaces no container", async () => {
    const before = await ids();
    const fingerprint = deployment.output("caFingerprint");
    expect((await servedCertificate()).subjectAltName).toBe("DNS:localhost");

    settings = { ...settings, domains: ["localhost", "added.registry.test", "127.0.0.1"] };
    await deployment.up(settings);

    expect((await servedCertificate()).subjectAltName).toBe(
      "DNS:localhost, DNS:added.registry.test, IP Address:127.0.0.1",
    );
    for (const host of ["added.registry.test", "127.0.0.1", "localhost"]) {
      const client = new RegistryClient({ ...options, host });
      expect((await client.request("GET", path, { user: alice })).status, host).toBe(200);
    }
    expect(await ids()).toEqual(before);
    expect(deployment.output("caFingerprint")).toBe(fingerprint);
  });
});

describe("a new registry image", () => {
  it("runs when up returns, in a new container, and no request is lost on the way", async () => {
    const before = await ids();
    const labelled = await derive("registry:3.1.2");
    settings = { ...settings, images: { registry: labelled } };

    // Busy connections, and one that is kept but idle all the while, as dockerd's are.
    const traffic = startTraffic(options, path, alice);
    const idle = new RegistryClient({ ...options, agent: new Agent({ keepAlive: true }) });
    expect((await idle.request("GET", path, { user: alice })).status).toBe(200);
    await deployment.up(settings);
    expect((await idle.request("GET", path, { user: alice })).status).toBe(200);
    const { answered, failures } = await traffic.stop();

    const { nginx, registry } = await serving(deployment.installation);
    expect(registry.Id).not.toBe(before.registry);
    expect(registry.Image).toBe(await imageId(labelled));
    expect(nginx.Id).toBe(before.nginx);
    expect(answered).toBeGreaterThan(100);
    expect(failures).toEqual([]);
    await expectServed();
  });

  it("that does not start fails up with its last words, and the old one serves on", async () => {
    const before = await ids();
    const broken = await derive(
      "registry:3.1.2",
      `program=$(command -v registry); printf '#!/bin/sh\\necho no such luck >&2\\nexit 3\\n' >"$program"`,
    );
    const traffic = startTraffic(options, path, alice);
    const failure = await deployment.failingUp({ ...settings, images: { registry: broken } });
    expect(failure).toContain("The registry does not start");
    expect(failure).toContain("no such luck");

    // And the next one that is good takes over, still without a loss.
    const labelled = await derive("registry:3.1.2");
    settings = { ...settings, images: { registry: labelled } };
    await deployment.up(settings);
    const { failures } = await traffic.stop();
    expect(failures).toEqual([]);
    const { nginx, registry } = await serving(deployment.installation);
    expect(registry.Image).toBe(await imageId(labelled));
    expect(nginx.Id).toBe(before.nginx);
    await expectServed();
  });
});

/** An image whose nginx dies with some words if its arguments match a pattern of the shell. */
const dyingNginx = (pattern: string) =>
  derive(
    "nginx:1.30",
    `program=$(command -v nginx); mv "$program" "$program.real"
printf '#!/bin/sh\\ncase $* in ${pattern}) echo no such luck >&2; exit 3 ;; esac\\nexec nginx.real "$@"\\n' >"$program"
chmod +x "$program"`,
  );

describe("a new nginx image", () => {
  it("that cannot serve the configuration fails up with its words, and the old one serves", async () => {
    const before = await ids();
    const broken = await dyingNginx("*");
    const images = { ...(settings.images as object), nginx: broken };
    const failure = await deployment.failingUp({ ...settings, images });
    expect(failure).toContain("no such luck");
    expect((await ids()).nginx).toBe(before.nginx);
    await expectServed();
  });

  it("that passes the check and then dies fails up with its words, and no request is lost", async () => {
    const before = await ids();
    const broken = await dyingNginx("*current/nginx.conf*");
    const images = { ...(settings.images as object), nginx: broken };
    const traffic = startTraffic(options, path, alice);
    const failure = await deployment.failingUp({ ...settings, images });
    const { failures } = await traffic.stop();
    expect(failure).toContain("nginx does not start");
    expect(failure).toContain("no such luck");
    expect(failures).toEqual([]);
    expect(await ids()).toEqual(before);
  });

  it("in which no password can be checked fails up with its words, and logins go on", async () => {
    const before = await ids();
    const broken = await dyingNginx("*auth.conf*");
    const images = { ...(settings.images as object), nginx: broken };
    const failure = await deployment.failingUp({ ...settings, images });
    expect(failure).toContain("The container that checks passwords does not start");
    expect(failure).toContain("no such luck");
    expect(await ids()).toEqual(before);
    const wrong = { user: ["alice", "not hers"] as const };
    expect((await new RegistryClient(options).request("GET", path, wrong)).status).toBe(401);
    await expectServed();
  });
});

describe("an address that nginx cannot have", () => {
  it("fails up before anything is touched, if it is not the Docker host's", async () => {
    const before = await ids();
    const failure = await deployment.failingUp({ ...settings, bindAddress: "192.0.2.1" });
    expect(failure).toContain(`httpsPort: cannot publish 192.0.2.1:${port}`);
    expect(failure).toContain("bindAddress must be an address of the Docker host");
    expect(await ids()).toEqual(before);
    await expectServed();
  });

  it("fails up if another program has it, and the old nginx serves again", async () => {
    const before = await ids();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.2", resolve));
    try {
      const failure = await deployment.failingUp({ ...settings, bindAddress: "0.0.0.0" });
      expect(failure).toContain("nginx cannot have the port");
      expect(failure).toContain("The previous one serves again.");
      expect(await ids()).toEqual(before);
      await expectServed();
    } finally {
      server.close();
    }
    const { nginx } = await serving(deployment.installation);
    expect(nginx.HostConfig.RestartPolicy.Name).toBe("always");
  });

  it("is taken by the next up that can have it", async () => {
    settings = { ...settings, bindAddress: "0.0.0.0" };
    await deployment.up(settings);
    const { nginx } = await serving(deployment.installation);
    expect(Object.values(nginx.NetworkSettings.Ports)).toContainEqual([
      { HostIp: "0.0.0.0", HostPort: String(port) },
    ]);
    await expectServed();
  });
});

describe("a new configuration of the registry", () => {
  it("lets the registry of before be until what is in flight there has ended", async () => {
    const before = await ids();
    settings = { ...settings, validation: { indexPlatforms: "none" } };
    const upload = await startUpload(options, image, alice, randomBytes(1000));

    const up = deployment.up(settings);
    const words = "Requests that still go to the registry container of before";
    await expect.poll(() => deployment.log, { timeout: 60_000 }).toContain(words);
    // Longer than it takes Pulumi to go on, if it did.
    await setTimeout(5_000);
    const socket = `/run/registry/${before.registry.slice(0, 12)}.sock`;
    // One that has been told to stop has removed it.
    await docker("exec", before.registry, "test", "-S", socket);
    await expectServed();
    upload.finish();

    expect(await upload.status).toBe(202);
    await up;
    const after = await ids();
    expect(after.nginx).toBe(before.nginx);
    expect(after.registry).not.toBe(before.registry);
    expect(await exists(before.registry)).toBe(false);
  });
});

describe("a new nginx image that is good", () => {
  it("waits for what is in flight, while the old one serves, and then takes the port", async () => {
    const network = await createNetwork();
    const { fingerprint256 } = await servedCertificate();
    const labelled = await derive("nginx:1.30");
    settings = { ...settings, images: { ...(settings.images as object), nginx: labelled } };
    // Not through Docker's proxy on the loopback, which has buffers of its own.
    const direct = { ...options, address: network.gateway };
    const content = randomBytes(8 << 20);
    await new RegistryClient(direct).pushBlob(image, content, alice);
    const upload = await startUpload(direct, image, alice, randomBytes(1000));
    const blob = `/v2/${image}/blobs/${digest(content)}`;
    const download = await startDownload(direct, blob, alice);

    const up = deployment.up(settings);
    const traffic = startTraffic(options, path, alice);
    await newNginxRuns();
    await setTimeout(1000); // Long enough to take the port, if it did not wait.
    const { answered, failures } = await traffic.stop();
    upload.finish();
    download.goOn();

    expect(await upload.status).toBe(202);
    expect(digest(await download.content)).toBe(digest(content));
    await up;
    expect(answered).toBeGreaterThan(100);
    expect(failures).toEqual([]);
    const { nginx } = await serving(deployment.installation);
    expect(nginx.Image).toBe(await imageId(labelled));
    expect((await servedCertificate()).fingerprint256).toBe(fingerprint256);
    await expectServed();
    await network.remove();
  });
});

describe("a port that something else uses", () => {
  it("fails up before anything is touched, and the registry serves on at the old one", async () => {
    const before = await ids();
    const server = createServer();
    const taken = await new Promise<number>((resolve) => {
      server.listen(0, "0.0.0.0", () => {
        resolve((server.address() as { port: number }).port);
      });
    });
    try {
      const failure = await deployment.failingUp({ ...settings, httpsPort: taken });
      expect(failure).toContain(`httpsPort: cannot publish 0.0.0.0:${taken}`);
      expect(failure).toContain(
        "choose another port: pulumi config set private-registry:httpsPort",
      );
    } finally {
      server.close();
    }
    expect(await ids()).toEqual(before);
    await expectServed();
  });
});

describe("keepData switched off", () => {
  it("replaces no container, and then destroy takes the images too", async () => {
    const before = await ids();
    await deployment.up({ ...settings, keepData: false });
    expect(await ids()).toEqual(before);
    await expectServed();
    await deployment.destroy();
    const volume = await execa("docker", ["volume", "inspect", deployment.dataVolume], {
      reject: false,
    });
    expect(volume.exitCode).toBe(1);
  });
});

async function exists(container: string): Promise<boolean> {
  const { exitCode } = await execa("docker", ["inspect", container], { reject: false });
  return exitCode === 0;
}

function imageId(reference: string): Promise<string> {
  return docker("image", "inspect", "--format", "{{.Id}}", reference);
}

/** Waits until a second nginx container runs, which cannot have the port yet. */
async function newNginxRuns(): Promise<void> {
  await expect
    .poll(async () => (await runningNginx(deployment.installation)).length, { timeout: 60_000 })
    .toBe(2);
}

function servedCertificate(): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, ca: options.caPem, servername: "localhost" });
    socket.on("error", reject);
    socket.on("secureConnect", () => {
      const { raw } = socket.getPeerCertificate();
      socket.end();
      resolve(new X509Certificate(raw));
    });
  });
}
