import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { execa } from "execa";
import type { LimitFunction } from "p-limit";
import { withLock } from "../scripts/locks";
import type { Progress } from "../scripts/progress";

/** Something that the toolchain makes: a folder of binaries, or an image archive. */
export interface Part {
  /** The name of its folder in the cache. */
  name: string;
  /** What is said about it: "Pulumi CLI v3.256.0: building from Go modules". */
  title: string;
  /** How long it takes on two cores. */
  usually: string;
  /** The files and folders it is made from; a change in them makes it anew. */
  sources: readonly string[];
  /** Whatever else decides what is made, such as versions and build flags. */
  recipe: readonly string[];
  /** Other parts wait for it: it is made at once, however many are being made. */
  isPrerequisite?: boolean;
  /** It may well fail, and then something else is done: no failure is shown. */
  isAttempt?: boolean;
  /** Makes it. */
  build(work: PartBuild): Promise<void>;
}

/** Where a build writes. */
export interface PartBuild {
  /** An empty folder, which becomes the part when the build has succeeded. */
  folder: string;
  log: string;
  /** For the parts that this one needs. */
  store: PartStore;
}

/** Where parts are kept, and how their building is told. */
export interface PartStore {
  cacheFolder: string;
  logFolder: string;
  progress: Progress;
  /** How many parts are made at the same time. */
  limit: LimitFunction;
  /** The parts that this run has begun to make, by folder. */
  inHand: Map<string, Promise<void>>;
}

/**
 * Gives the folder of a part, and makes it when no run of any checkout has made it before. The
 * build writes beside and is renamed when it is complete, under a lock: what lies in the cache is
 * whole, and of runs at the same time one builds and the others wait.
 */
export async function obtain(part: Part, store: PartStore): Promise<string> {
  const folder = partFolder(part, store.cacheFolder);
  if (existsSync(folder)) return folder;
  await (store.inHand.get(folder) ?? begin(part, folder, store));
  return folder;
}

/** As {@link obtain}, but makes the part anew, of whatever the packages are by now. */
export async function renew(part: Part, store: PartStore): Promise<string> {
  const folder = partFolder(part, store.cacheFolder);
  await alone(part, folder, store, () => make(part, folder, store));
  return folder;
}

function begin(part: Part, folder: string, store: PartStore): Promise<void> {
  const work = () =>
    alone(part, folder, store, async () => {
      if (!existsSync(folder)) await make(part, folder, store);
    });
  const begun = part.isPrerequisite === true ? work() : store.limit(work);
  store.inHand.set(folder, begun);
  return begun;
}

/** While no other run, of any checkout, makes the part. */
function alone(
  part: Part,
  folder: string,
  store: PartStore,
  work: () => Promise<void>,
): Promise<void> {
  const onWait = () => store.progress.note(`• ${part.title}: another run is at it, waiting`);
  return withLock(folder, onWait, work);
}

async function make(part: Part, folder: string, store: PartStore): Promise<void> {
  const log = join(store.logFolder, `${part.name}.log`);
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const { title, usually, isAttempt = false } = part;
  await store.progress.step({ title, usually, log, isAttempt }, () =>
    part.build({ folder: partial, log, store }),
  );
  // Or a power cut would leave a whole part of empty files.
  await execa("sync", ["--file-system", partial], { reject: false });
  const before = `${folder}.before`;
  rmSync(before, { recursive: true, force: true });
  if (existsSync(folder)) renameSync(folder, before);
  renameSync(partial, folder);
  rmSync(before, { recursive: true, force: true });
}

/** Where a part is, or will be, in the cache. */
export function partFolder(part: Part, cacheFolder: string): string {
  return join(cacheFolder, part.name, hashOf(part));
}

/** The identity of a part's content: its sources, its recipe, and the kind of machine. */
export function hashOf(part: Pick<Part, "sources" | "recipe">): string {
  const hash = createHash("sha256");
  for (const source of part.sources) {
    for (const file of filesUnder(source)) {
      hash
        .update(`${relative(source, file)}\0`)
        .update(readFileSync(file))
        .update("\0");
    }
  }
  for (const line of [...part.recipe, process.platform, process.arch]) hash.update(`${line}\0`);
  return hash.digest("hex").slice(0, 16);
}

/** The files of a folder in a fixed order; Go tests decide nothing about what is built. */
function filesUnder(path: string): string[] {
  if (!existsSync(path)) return [];
  const entries = readdirSync(path, { withFileTypes: true });
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = join(path, entry.name);
      if (entry.isDirectory()) return entry.name === "testdata" ? [] : filesUnder(file);
      return entry.name.endsWith("_test.go") || entry.name.endsWith(".md") ? [] : [file];
    });
}
