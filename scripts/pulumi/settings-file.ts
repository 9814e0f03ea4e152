import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { parse, parseDocument } from "yaml";
import { containerIn } from "../files";
import { defaultStack } from "./stack";

/**
 * Pulumi writes a salt into a stack's settings file, and numbers as strings, although nobody has
 * changed a setting. In a file that git tracks, `git status` would show that for ever. While it is
 * the only change, git is told to leave the file alone; a changed setting is shown as any other. That
 * is for the default stack's file, which no new version of this project changes: a pull that changes
 * a file which git leaves alone would fail.
 *
 * @param checkout The folder of Pulumi.yaml; nothing happens where git does not track the file.
 */
export async function hideRewriting(checkout: string, stack: string): Promise<void> {
  if (stack !== defaultStack) return;
  const name = `Pulumi.${stack}.yaml`;
  const git = async (...args: string[]) => {
    const { failed, stdout } = await execa("git", args, { cwd: checkout, reject: false });
    return failed ? "" : stdout;
  };
  // "H name" for a tracked file, "S name" for one that is to be left alone.
  const [mark] = await git("ls-files", "-v", "--", name);
  if (mark !== "H" && mark !== "S") return;
  const file = join(checkout, name);
  const isHidden = mark === "S";
  const shouldBe =
    existsSync(file) &&
    isOnlyRewritten(await git("show", `:./${name}`), readFileSync(file, "utf8"));
  if (shouldBe === isHidden) return;
  await git("update-index", shouldBe ? "--skip-worktree" : "--no-skip-worktree", "--", name);
}

/**
 * Writes a setting that is one JSON text (`config set users '{"alice":{}}'`) as the map or list that
 * it stands for. Pulumi reads both alike, but a `config set --path` would put its value in the place
 * of the whole text: all other users would be lost without a word.
 *
 * @param file The stack's settings, which need not be there.
 * @param key With its namespace.
 * @returns Whether it was one.
 */
export function unpackJsonText(file: string, key: string): boolean {
  if (!existsSync(file)) return false;
  const document = parseDocument(readFileSync(file, "utf8"), { logLevel: "silent" });
  if (document.errors.length > 0) return false;
  const text = document.getIn(["config", key]);
  const value = containerIn(text);
  // In a map, `secure` would stand for a value that Pulumi has encrypted.
  if (value === undefined || String(text).includes('"secure"')) return false;
  document.setIn(["config", key], document.createNode(value));
  writeFileSync(`${file}.new`, document.toString());
  renameSync(`${file}.new`, file);
  return true;
}

/** Whether `stored` has a salt and otherwise the same settings as `committed`, which has none. */
export function isOnlyRewritten(committed: string, stored: string): boolean {
  try {
    const before = withScalarsAsText(parse(committed));
    const { encryptionsalt, ...after } = withScalarsAsText(parse(stored)) as Record<
      string,
      unknown
    >;
    return encryptionsalt !== undefined && JSON.stringify(before) === JSON.stringify(after);
  } catch {
    return false; // no YAML, or an empty file
  }
}

/** 5443 and "5443" are the same setting. */
function withScalarsAsText(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withScalarsAsText);
  if (typeof value !== "object" || value === null) return String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, member]) => [key, withScalarsAsText(member)]));
}
