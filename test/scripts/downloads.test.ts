import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pLimit from "p-limit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { proxyFor } from "../../scripts/download";
import { images, readPins } from "../../scripts/pins";
import { checkout } from "../../scripts/paths";
import { Progress } from "../../scripts/progress";
import { ensureCli, type CliRequest } from "../../scripts/pulumi/cli";
import { checksumOf } from "../../scripts/pulumi/downloads";
import type { Part } from "../../toolchain/part";
import { describeParts } from "../../toolchain/parts";
import { packCli, serveReleases, type ReleaseSite } from "../support/release-site";

const version = "3.256.0";
let folder: string;
let files: Map<string, string>;
let sites: ReleaseSite[];
let said: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "downloads-test-"));
  sites = [];
  said = "";
  files = await packCli(folder, version, programs("release", "downloaded"));
});
afterEach(async () => {
  for (const site of sites) await site.close();
  rmSync(folder, { recursive: true });
});

/** A folder with programs that say their version, as a CLI and its language host. */
function programs(name: string, word: string): string {
  const own = join(folder, name);
  mkdirSync(own, { recursive: true });
  for (const program of ["pulumi", "pulumi-language-nodejs"]) {
    writeFileSync(join(own, program), `#!/bin/sh\necho v${version} # ${word}\n`, { mode: 0o755 });
  }
  return own;
}

/** The file of the archive on the site. */
const archive = () => [...files.values()][0] ?? "";
const checksums = () => [...files.values()][1] ?? "";

async function serve(...[instead]: [Parameters<typeof serveReleases>[1]?]): Promise<ReleaseSite> {
  const site = await serveReleases(files, instead);
  sites.push(site);
  return site;
}

/** On a machine that has no CLI; what would be built is made by a copy. */
function request(site: { address: string }, env: NodeJS.ProcessEnv = {}): CliRequest {
  const built = (part: Part): Part => ({
    ...part,
    build: (work) => {
      for (const name of ["pulumi", "pulumi-language-nodejs"]) {
        writeFileSync(join(work.folder, name), `#!/bin/sh\necho v${version} # built\n`);
        chmodSync(join(work.folder, name), 0o755);
      }
      return Promise.resolve();
    },
  });
  const parts = describeParts(join(checkout, "toolchain"), readPins(checkout), images);
  return {
    env: { PATH: "/nowhere", PRIVATE_REGISTRY_PULUMI_SITE: site.address, ...env },
    home: join(folder, "home"),
    version,
    parts: {
      ...parts,
      pulumiCli: built(parts.pulumiCli),
      languageHost: built(parts.languageHost),
    },
    store: {
      cacheFolder: join(folder, "cache"),
      logFolder: join(folder, "logs"),
      progress: new Progress({ write: (text: string) => (said += text) }),
      limit: pLimit(2),
      inHand: new Map(),
    },
  };
}

describe("where Pulumi's site can be reached", () => {
  test("the CLI is downloaded, and is found again", async () => {
    const site = await serve();
    const cli = await ensureCli(request(site));
    expect(cli.origin).toBe("downloaded from Pulumi");
    expect(readFileSync(cli.program, "utf8")).toContain("# downloaded");
    expect(said).toContain(`▸ Pulumi CLI v${version}: downloading`);
    expect(await ensureCli(request({ address: "http://127.0.0.1:65001" }))).toEqual(cli);
  });

  test("a CLI that a power cut has emptied is downloaded again", async () => {
    const site = await serve();
    const { program } = await ensureCli(request(site));
    truncateSync(program);
    const again = await ensureCli(request(site));
    expect(again.program).toBe(program);
    expect(statSync(program).size).toBeGreaterThan(0);
    expect(said).toContain("damaged, so it is made anew");
  });

  test("it is reached through the proxy that the environment names", async () => {
    const connected: string[] = [];
    const proxy = createServer();
    proxy.on("connect", ({ url = "" }, socket) => {
      connected.push(url);
      const [host = "", port] = url.split(":");
      const through = connect(Number(port), host === "get.test" ? "127.0.0.1" : host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        through.pipe(socket).pipe(through);
      });
      through.on("error", () => socket.destroy());
      socket.on("error", () => through.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = new URL((await serve()).address);
      const http_proxy = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const cli = await ensureCli(request({ address: `http://get.test:${port}` }, { http_proxy }));
      expect(cli.origin).toBe("downloaded from Pulumi");
      expect(new Set(connected)).toEqual(new Set([`get.test:${port}`]));
    } finally {
      proxy.close();
    }
  });
});

describe("where a download fails, the CLI is built and the reason is said:", () => {
  const failures: [string, RegExp, () => Promise<{ address: string }>][] = [
    [
      "nobody there",
      /downloads are not reachable from here.*ECONNREFUSED/,
      () => Promise.resolve({ address: "http://127.0.0.1:65001" }),
    ],
    ["no address at all", /Invalid URL/, () => Promise.resolve({ address: "get.pulumi" })],
    [
      "a site in trouble",
      /the answer is 500/,
      () =>
        serve((_, response) => {
          response.writeHead(500).end();
          return true;
        }),
    ],
    [
      "a version that is not there",
      /the answer is 404/,
      () => {
        files.clear();
        return serve();
      },
    ],
    ["a site that never answers", /no answer in time/, () => serve(() => true)],
    [
      "no checksums",
      /checksums\.txt: the answer is 404/,
      () => {
        files.delete(`/releases/sdk/pulumi-${version}-checksums.txt`);
        return serve();
      },
    ],
    [
      "a checksum of other files",
      /has no checksum of pulumi-v/,
      () => {
        writeFileSync(checksums(), `${"0".repeat(64)}  another.zip\n`);
        return serve();
      },
    ],
    [
      "another checksum",
      /expected the SHA-256 [0-9a-f]{64}, got/,
      () => {
        writeFileSync(archive(), "something else");
        return serve();
      },
    ],
    [
      "a connection that breaks off",
      /not downloaded, so it is built/,
      () =>
        serve(({ method, url = "" }, response) => {
          if (method !== "GET" || !url.endsWith(".tar.gz")) return false;
          response.writeHead(200, { "content-length": "1000000" });
          response.write("half");
          setTimeout(() => response.destroy(), 50);
          return true;
        }),
    ],
    [
      "programs for another machine",
      /pulumi version: .*; its last words/,
      async () => {
        const other = programs("other", "other");
        writeFileSync(join(other, "pulumi"), "#!/no/such/interpreter\n");
        files = await packCli(folder, version, other);
        return serve();
      },
    ],
  ];

  test.each(failures)("%s", async (_, reason, prepare) => {
    const cli = await ensureCli(request(await prepare()));
    expect(cli.origin).toBe("built from Go modules");
    expect(readFileSync(cli.program, "utf8")).toContain("# built");
    expect(said).toMatch(reason);
    expect(said).toContain("built from Go modules");
    expect(said).not.toMatch(/^ +at /m);
  });
});

test("a built CLI that a power cut has emptied is put together again", async () => {
  const nowhere = { address: "http://127.0.0.1:65001" };
  const { program } = await ensureCli(request(nowhere));
  rmSync(program);
  writeFileSync(program, "", { mode: 0o755 });
  const again = await ensureCli(request(nowhere));
  expect(readFileSync(again.program, "utf8")).toContain("# built");
});

test("a checksum is found by the whole name", () => {
  const hash = "a".repeat(64);
  expect(checksumOf("a.tar.gz", `${"b".repeat(64)}  x-a.tar.gz\n${hash}  a.tar.gz\n`)).toBe(hash);
  expect(checksumOf("a.tar.gz", `${hash.toUpperCase()} *a.tar.gz`)).toBe(hash);
  expect(checksumOf("a.tar.gz", "<html>a.tar.gz</html>")).toBeUndefined();
});

test("a proxy is chosen as curl and Go choose it", () => {
  const site = new URL("https://get.pulumi.com/x");
  const https_proxy = "http://proxy:3128";
  expect(proxyFor(site, {})).toBeUndefined();
  expect(proxyFor(site, { https_proxy: "" })).toBeUndefined();
  expect(proxyFor(site, { HTTPS_PROXY: "proxy:3128" })).toBe("http://proxy:3128");
  expect(proxyFor(site, { all_proxy: "http://proxy" })).toBe("http://proxy");
  expect(proxyFor(new URL("http://a"), { https_proxy })).toBeUndefined();
  for (const no_proxy of [
    "*",
    "pulumi.com",
    ".pulumi.com",
    "a, get.pulumi.com:443",
    "*.PULUMI.com",
  ]) {
    expect(proxyFor(site, { https_proxy, no_proxy }), no_proxy).toBeUndefined();
  }
  for (const no_proxy of ["", "lumi.com", "com:8443", "::1", "[::1]:443"]) {
    expect(proxyFor(site, { https_proxy, no_proxy }), no_proxy).toBe(https_proxy);
  }
  expect(proxyFor(new URL("https://[::1]/"), { https_proxy, no_proxy: "::1" })).toBeUndefined();
});
