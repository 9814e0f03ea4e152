import { rmSync } from "node:fs";
import { join } from "node:path";
import { makeDebianRoot } from "../debian";
import type { PartBuild } from "../part";
import { writeImageArchive } from "./archive";

/** Left out of the image, as in the official one. */
const EXCLUDED = [
  "/usr/share/man/*",
  "/usr/share/doc/*",
  "/usr/share/locale/*",
  "/usr/share/info/*",
];

/** Makes `image.tar` with nginx from Debian, as the official image has it. */
export async function buildNginxImage(
  work: PartBuild & { toolchain: string; tag: string },
): Promise<void> {
  const { folder, log } = work;
  const version = work.tag.split(":")[1] ?? "";
  const layer = join(folder, "layer.tar");
  await makeDebianRoot({
    variant: "essential",
    format: "tar",
    include: [`nginx=${version}.*`, "curl", "ca-certificates"],
    exclude: EXCLUDED,
    finish: join(work.toolchain, "images", "nginx", "finish.sh"),
    into: layer,
    log,
  });
  await writeImageArchive(
    layer,
    work.tag,
    {
      Entrypoint: ["/docker-entrypoint.sh"],
      Cmd: ["nginx", "-g", "daemon off;"],
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      ExposedPorts: { "80/tcp": {} },
      // Lets requests end before the workers do.
      StopSignal: "SIGQUIT",
    },
    join(folder, "image.tar"),
  );
  rmSync(layer);
}
