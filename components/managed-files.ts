import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as tar from "tar-stream";
import { EngineCommand } from "./engine-command";
import { type Installation, installationLabels, installationVariables } from "./installation";
import { publishFilesScript } from "./render/engine-scripts";
import { filesFolder, uid } from "./render/layout";

export interface ManagedFilesArgs {
  /** Labels the volume, and the containers that fill it. */
  installation: Installation;
  /** The files' contents by path. Owned by the containers' user, with mode 0400. */
  files: Record<string, pulumi.Input<string>>;
  /**
   * Links by path. Each leads to an empty folder that is the same one as long as the value here is,
   * in all generations: what somebody remembers under the link's real path outlives a change of the
   * files, and no change of the value.
   *
   * @default - none
   */
  marks?: pulumi.Input<Record<string, string>>;
  /** An image with `sh`, `base64`, `sha256sum`, `tar` and what `check` needs. */
  image: pulumi.Input<string>;
  /**
   * A shell command, run in the folder of the new files before they take effect; they don't if it
   * fails.
   *
   * @default - no check
   */
  check?: string;
  /** As in `PrivateRegistryArgs`. */
  dockerHost?: string | undefined;
}

/**
 * A volume with files that change in place. Every set of files is a folder of its own, a generation
 * named after its contents, and the link `current` names the one in force: it changes for all files
 * at once, containers that mount the volume see it at once, and none of them is replaced. The
 * generation before stays, for those who still read it.
 */
export class ManagedFiles extends pulumi.ComponentResource {
  public readonly volumeName: pulumi.Output<string>;
  /** The generation in force, known once its files are in place. */
  public readonly generation: pulumi.Output<string>;

  constructor(name: string, args: ManagedFilesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("private-registry:index:ManagedFiles", name, {}, opts);

    const { installation } = args;
    const labels = installationLabels(installation);
    const volume = new docker.Volume(
      `${name}-files`,
      { labels },
      // Labels that came later are not worth a new volume.
      { parent: this, ignoreChanges: ["labels"] },
    );
    const archive = pulumi.secret(
      pulumi
        .all([pulumi.all(args.files), args.marks ?? {}])
        .apply(([files, marks]) => pack(files, marks)),
    );
    const generation = pulumi.unsecret(archive.apply(digest));
    const publish = new EngineCommand(
      `${name}-publish`,
      {
        script: publishFilesScript,
        environment: {
          VOLUME: volume.name,
          IMAGE: args.image,
          ...installationVariables(installation),
          GENERATION: generation,
          CHECK: args.check ?? "",
        },
        stdin: archive,
        dockerHost: args.dockerHost,
      },
      { parent: this },
    );

    this.volumeName = volume.name;
    this.generation = pulumi.all([generation, publish.id]).apply(([published]) => published);
    this.registerOutputs({ volumeName: this.volumeName, generation: this.generation });
  }
}

/** Where a container that mounts the volume at {@link filesFolder} finds one generation's file. */
export function managedPath(generation: pulumi.Input<string>, file: string): pulumi.Output<string> {
  return pulumi.interpolate`${filesFolder}/${generation}/${file}`;
}

/**
 * What changes whenever one of the files does. It is not secret: it tells nothing of keys and salted
 * hashes, which have entropy enough.
 */
export function contentDigest(files: ManagedFilesArgs["files"]): pulumi.Output<string> {
  return pulumi.unsecret(
    pulumi
      .all(files)
      .apply((files) => pack(files))
      .apply(digest),
  );
}

/** The files as a tar in base64, the same bytes for the same files; `.marks` names the folders of all marks. */
async function pack(
  files: Readonly<Record<string, string>>,
  marks: Readonly<Record<string, string>> = {},
): Promise<string> {
  const archive = tar.pack();
  const about = { uid, gid: uid, mtime: new Date(0) };
  const folders = Object.entries(marks).map(([link, value]) => ({ link, folder: digest(value) }));
  const list = folders.map(({ folder }) => `${folder}\n`).sort();
  const all = { ...files, ...(list.length > 0 && { ".marks": list.join("") }) };
  for (const [name, content] of Object.entries(all).sort()) {
    archive.entry({ name, mode: 0o400, ...about }, content);
  }
  for (const { link, folder } of folders) {
    const linkname = `${"../".repeat(link.split("/").length)}marks/${folder}`;
    archive.entry({ name: link, type: "symlink", linkname, ...about });
  }
  archive.finalize();
  return (await buffer(archive)).toString("base64");
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
