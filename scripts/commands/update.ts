import { readContext } from "../context";
import { EngineApi } from "../engine/api";
import { updateImage } from "../engine/images";
import { images } from "../pins";
import { setUp } from "../setup/set-up";
import { up } from "./up";

/**
 * `npm run update`: gets the newest images of the versions that are set, pulled or built anew from
 * packages, and deploys; what runs of older ones is replaced as by any change.
 *
 * @param args The arguments for `pulumi up`.
 */
export async function update(args: readonly string[]): Promise<number> {
  const context = readContext(args);
  const { engine, parts, progress, project, store } = context;
  await setUp(context, { engine: true, images: false });
  const api = new EngineApi(engine.host);
  for (const name of ["registry", "nginx"] as const) {
    const reference = project.images[name] ?? images[name];
    if (reference.includes("@")) {
      progress.note(`• image ${reference}: it is named by its digest, so there is no newer one`);
      continue;
    }
    const part = name === "registry" ? parts.registryImage : parts.nginxImage;
    const before = await api.image(reference);
    await updateImage(api, reference, reference === images[name] ? part : undefined, store);
    const now = await api.image(reference);
    const date = now?.created.toISOString().slice(0, 10) ?? "unknown";
    const news = now?.id === before?.id ? "is the newest" : "is newer than what was here";
    progress.note(`• image ${reference}: of ${date}, ${news}`);
  }
  return up(args);
}
