import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment, type Settings } from "../support/deployment";
import { docker, freePort } from "../support/engine";
import {
  basic,
  describeBlob,
  imageManifest,
  manifestType,
  RegistryClient,
  type Reply,
} from "../support/registry-client";

// What manifests may refer to, and what is said to requests without TLS.

const alice = ["alice", "Pushes-1 thing"] as const;
const elsewhere = "https://mcr.microsoft.com/v2/windows/servercore/blobs/sha256:1";

let deployment: Deployment;
let settings: Settings;
let client: RegistryClient;

beforeAll(async () => {
  deployment = await Deployment.create();
  settings = {
    domains: ["localhost"],
    httpsPort: await freePort(),
    bindAddress: "127.0.0.1",
    users: { alice: { password: alice[1] } },
  };
  await deployment.up(settings);
  const caPem = deployment.output("caCertificate");
  client = new RegistryClient({ port: settings.httpsPort as number, host: "localhost", caPem });
});

afterAll(async () => {
  await deployment.remove();
});

async function push(mediaType: string, manifest: unknown): Promise<Reply> {
  return client.request("PUT", "/v2/windows/app/manifests/1", {
    user: alice,
    headers: { "Content-Type": mediaType },
    body: JSON.stringify(manifest),
  });
}

/** An image with a layer that is not in the registry, as Docker pushes older images of Windows. */
async function pushForeign(url: string): Promise<Reply> {
  const config = await client.pushBlob("windows/app", Buffer.from("{}"), alice);
  const mediaType = "application/vnd.docker.distribution.manifest.v2+json";
  return push(mediaType, {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: "application/vnd.docker.container.image.v1+json", ...config },
    layers: [
      {
        mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ...describeBlob(Buffer.from("not here")),
        urls: [url],
      },
    ],
  });
}

/** An index of two images, of which only one is there. */
async function pushIndex(): Promise<Reply> {
  const { manifest: there } = await client.push("windows/app", "amd64", alice);
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const size = 100;
  const missing = describeBlob(Buffer.from("missing")).digest;
  return push(mediaType, {
    schemaVersion: 2,
    mediaType,
    manifests: [
      {
        mediaType: manifestType,
        digest: there,
        size,
        platform: { os: "linux", architecture: "amd64" },
      },
      { mediaType: manifestType, digest: missing, size },
    ],
  });
}

describe("without settings", () => {
  it("refuses layers that are kept elsewhere, and an index that is not complete", async () => {
    expect((await pushForeign(elsewhere)).status).toBe(500);
    expect((await pushIndex()).status).toBe(400);
  });
});

describe("a request without TLS", () => {
  const plain = (
    method: string,
    headers: Record<string, string> = {},
    path = "/v2/a/tags/list?n=1",
  ) =>
    new Promise<{ status: number | undefined; location: string | undefined; body: string }>(
      (resolve, reject) => {
        const port = settings.httpsPort as number;
        const sent = request({ host: "127.0.0.1", port, method, path, headers }, (reply) => {
          let body = "";
          reply.on("data", (chunk: Buffer) => (body += chunk.toString()));
          reply.on("end", () => {
            resolve({ status: reply.statusCode, location: reply.headers.location, body });
          });
        });
        sent.on("error", reject);
        sent.end();
      },
    );

  it.each(["GET", "HEAD"])("is led on to the same place: %s", async (method) => {
    const host = `registry.test:${settings.httpsPort as number}`;
    const { status, location } = await plain(method, { Host: host });
    expect({ status, location }).toEqual({
      status: 307,
      location: `https://${host}/v2/a/tags/list?n=1`,
    });
  });

  it.each([
    ["with a password", "GET", { Authorization: basic(...alice) }],
    ["that writes", "POST", {}],
    ["that deletes", "DELETE", {}],
  ] as const)("%s is told so, in the registry's words", async (_, method, headers) => {
    const { status, body } = await plain(method, headers);
    expect(status).toBe(400);
    expect(JSON.parse(body)).toEqual({
      errors: [
        {
          code: "UNSUPPORTED",
          message: "this port speaks HTTPS only: use https://",
          detail: {},
        },
      ],
    });
  });
});

describe("with validation set", () => {
  let before: string;

  const registryContainer = async () =>
    (await docker("ps", "--quiet", "--filter", `label=private-registry=${deployment.installation}`))
      .split("\n")
      .sort()
      .join();

  beforeAll(async () => {
    before = await registryContainer();
    await deployment.up({
      ...settings,
      validation: { foreignLayerUrls: ["^https://mcr\\.microsoft\\.com/"], indexPlatforms: "none" },
    });
  });

  it("takes layers that are kept at the places that are named, and no others", async () => {
    expect((await pushForeign(elsewhere)).status).toBe(201);
    expect((await pushForeign("https://evil.example.com/mcr.microsoft.com/")).status).toBe(500);
  });

  it("takes an index that is not complete, also with an entry that names no platform", async () => {
    expect((await pushIndex()).status).toBe(201);
  });

  it("still refuses an image without its layer", async () => {
    const config = await client.pushBlob("windows/app", Buffer.from("{}"), alice);
    const manifest = imageManifest(config, describeBlob(Buffer.from("not here")));
    expect((await push(manifestType, JSON.parse(manifest) as unknown)).status).toBe(400);
  });

  it("replaces the registry's container, and setting the defaults goes back", async () => {
    expect(await registryContainer()).not.toBe(before);
    await deployment.up({ ...settings, validation: { indexPlatforms: "all" } });
    expect((await pushIndex()).status).toBe(400);
    const { changes } = await deployment.up(settings);
    expect(changes).toEqual({ same: expect.any(Number) as number });
  });
});
