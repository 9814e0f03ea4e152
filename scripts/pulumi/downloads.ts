import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { downloadFile, downloadText, requireOffer } from "../download";
import { nonEmpty } from "../paths";
import { Problem } from "../problem";
import type { Progress } from "../progress";
import { runLogged } from "../run";

const OFFICIAL_SITE = "https://get.pulumi.com";

/** Where Pulumi's releases are downloaded, with the paths that its own site has. */
export interface ReleaseSite {
  address: string;
  /** Somebody has named another than Pulumi's, such as a mirror. */
  isMirror: boolean;
}

/** The site that `PRIVATE_REGISTRY_PULUMI_SITE` names, or Pulumi's own. */
export function releaseSite(env: NodeJS.ProcessEnv): ReleaseSite {
  const mirror = nonEmpty(env["PRIVATE_REGISTRY_PULUMI_SITE"])?.replace(/\/+$/, "");
  return { address: mirror ?? OFFICIAL_SITE, isMirror: mirror !== undefined };
}

/** The addresses of a release of the CLI and of the checksums of its archives. */
export function cliRelease(
  site: ReleaseSite,
  version: string,
): { name: string; archive: string; checksums: string } {
  const name = `pulumi-v${version}-${process.platform}-${process.arch}.tar.gz`;
  const folder = `${site.address}/releases/sdk`;
  // The list's name has no "v".
  return {
    name,
    archive: `${folder}/${name}`,
    checksums: `${folder}/pulumi-${version}-checksums.txt`,
  };
}

/** Arguments with which the CLI finds plugins on the site. */
export function pluginServer(site: ReleaseSite): string[] {
  // By itself it looks at GitHub first, then at Pulumi's own site.
  return site.isMirror ? ["--server", `${site.address}/releases/plugins`] : [];
}

const answers = new Map<string, Promise<boolean>>();

/** Whether a release of the CLI, and so its plugins, can be downloaded. Asked once in a run. */
export function canDownload(
  env: NodeJS.ProcessEnv,
  version: string,
  progress: Progress,
): Promise<boolean> {
  const { archive } = cliRelease(releaseSite(env), version);
  const answer = answers.get(archive) ?? ask(archive, env, progress);
  answers.set(archive, answer);
  return answer;
}

async function ask(address: string, env: NodeJS.ProcessEnv, progress: Progress): Promise<boolean> {
  try {
    await requireOffer(address, env);
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    progress.note(
      `• Pulumi's downloads are not reachable from here, so its engine is built from Go modules ` +
        `(${error.message})`,
    );
    return false;
  }
}

/** Unpacks a release of the CLI into `bin` in `folder`. Throws a Problem with the reason. */
export async function downloadCli(
  version: string,
  env: NodeJS.ProcessEnv,
  { folder, log }: { folder: string; log: string },
): Promise<void> {
  const release = cliRelease(releaseSite(env), version);
  const expected = checksumOf(release.name, await downloadText(release.checksums, env));
  if (expected === undefined) {
    throw new Problem(`${release.checksums}: has no checksum of ${release.name}`);
  }
  const file = join(folder, release.name);
  const got = await downloadFile(release.archive, env, file);
  if (got !== expected) {
    throw new Problem(`${release.archive}: expected the SHA-256 ${expected}, got ${got}`);
  }
  const programs = join(folder, "bin");
  mkdirSync(programs);
  const args = ["-xzf", file, "-C", programs, "--strip-components=1"];
  await runLogged({ file: "tar", args, log });
  rmSync(file);
  // Such as on another libc, or in a folder whose programs may not be run.
  await runLogged({ file: join(programs, "pulumi"), args: ["version"], log, timeoutSeconds: 60 });
}

/** Finds a file's hash in what `sha256sum` prints. */
export function checksumOf(name: string, list: string): string | undefined {
  for (const line of list.split("\n")) {
    const [, hash, file] = /^([0-9a-f]{64}) [ *](.+)$/i.exec(line.trim()) ?? [];
    if (file === name) return hash?.toLowerCase();
  }
  return undefined;
}
