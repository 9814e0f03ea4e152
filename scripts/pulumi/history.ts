import { copyFileSync, existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../context";
import { ownFolder } from "../paths";
import { stateFile } from "./stack";

/**
 * Deletes the states of before, in the local backend of this checkout, once a command has come to its
 * end: Pulumi keeps one of each run, and the keys of a retired CA or of a removed client would stay in
 * them for ever. The last entry of the history stays, and one copy of the state.
 */
export function forgetEarlierStates({ backend, project, stack }: Context): void {
  if (backend.backend !== "ours") return;
  forgetIn(ownFolder, project.name, stack.name);
}

/** As {@link forgetEarlierStates}, of a stack in `ownFolder`. */
export function forgetIn(ownFolder: string, project: string, stack: string): void {
  const file = stateFile(ownFolder, project, stack);
  if (!existsSync(file)) return;
  copyFileSync(file, `${file}.new`);
  renameSync(`${file}.new`, `${file}.bak`);
  const folder = (kind: string) => join(ownFolder, "state", ".pulumi", kind, project, stack);
  rmSync(folder("backups"), { recursive: true, force: true });
  // Their names hold the time: `<stack>-<nanoseconds>.checkpoint.json` and `….history.json`.
  const history = existsSync(folder("history")) ? readdirSync(folder("history")).sort() : [];
  const last = history.at(-1)?.replace(/\.\w+\.json$/, ".");
  for (const name of history) {
    if (last === undefined || !name.startsWith(last)) rmSync(join(folder("history"), name));
  }
}
