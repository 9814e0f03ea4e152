/** A stand-in for Pulumi's download site, with its paths, on this machine. */
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { execa } from "execa";
import { pluginFolder, type PluginName } from "../../scripts/pulumi/plugins";

export interface ReleaseSite {
  /** For `PRIVATE_REGISTRY_PULUMI_SITE`. */
  address: string;
  /** What was asked for: "HEAD /releases/sdk/…". */
  asked: string[];
  close: () => Promise<void>;
}

/** Serves files by their paths; `instead` answers before them. */
export async function serveReleases(
  files: ReadonlyMap<string, string>,
  instead: (...args: Parameters<RequestListener>) => boolean = () => false,
): Promise<ReleaseSite> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { method, url = "" } = request;
    asked.push(`${method} ${url}`);
    if (instead(request, response)) return;
    const file = files.get(url);
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    // Without a length, Pulumi refuses a plugin.
    response.writeHead(200, { "content-length": statSync(file).size });
    if (method === "HEAD") response.end();
    else createReadStream(file).pipe(response);
  });
  const port = await listen(server);
  return {
    address: `http://127.0.0.1:${port}`,
    asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * Packs a release of the CLI into `folder`: an archive of a folder `pulumi`, as Pulumi publishes it,
 * and the list of checksums.
 *
 * @param programs The folder with `pulumi` and its language host.
 * @returns The files by their paths on the site.
 */
export async function packCli(
  folder: string,
  version: string,
  programs: string,
): Promise<Map<string, string>> {
  const name = `pulumi-v${version}-${process.platform}-${process.arch}.tar.gz`;
  const archive = join(folder, name);
  const options = ["--dereference", "--transform", "s,^\\.,pulumi,"];
  await execa("tar", ["-I", "gzip -1", "-cf", archive, "-C", programs, ...options, "."]);
  const checksums = join(folder, `pulumi-${version}-checksums.txt`);
  const hash = createHash("sha256").update(readFileSync(archive)).digest("hex");
  writeFileSync(checksums, `${"0".repeat(64)}  another.zip\n${hash}  ${name}\n`);
  return new Map([archive, checksums].map((file) => [`/releases/sdk/${basename(file)}`, file]));
}

/** Packs a provider plugin into `folder`: an archive of its program, as Pulumi publishes it. */
export async function packPlugin(
  folder: string,
  { name, version }: PluginName,
  home: string,
): Promise<[string, string]> {
  // Pulumi calls processors as Go does.
  const machine = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
  const archive = join(folder, `pulumi-resource-${name}-v${version}-${machine}.tar.gz`);
  const from = pluginFolder({ name, version }, home);
  await execa("tar", ["-I", "gzip -1", "-cf", archive, "-C", from, `pulumi-resource-${name}`]);
  return [`/releases/plugins/${basename(archive)}`, archive];
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
