import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { z } from "zod";
import { asProblem, Problem } from "./problem";

/**
 * What to do about a file that cannot be read, in which it is found what a person or a crash has left
 * there: where it can be brought back from, or that it may be deleted.
 */
export type Mend = readonly string[];

/** The text of a file; undefined if there is none. Throws a Problem that says what is wrong with it. */
export function readText(file: string, mend: Mend): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    // Node does not say of every failure which file it was.
    const { message, mend: general } = asProblem(Object.assign(error as Error, { path: file }));
    throw new Problem(message, [...general, ...mend]);
  }
}

/** As {@link readText}, of a file with JSON in it. */
export function readJson<T>(file: string, schema: z.ZodType<T>, mend: Mend): T | undefined {
  const text = readText(file, mend);
  return text === undefined ? undefined : checked(parseJson(text, file, mend), schema, file, mend);
}

/** As {@link readText}, of a file with YAML in it. An empty one has the value null. */
export function readYaml<T>(file: string, schema: z.ZodType<T>, mend: Mend): T | undefined {
  const text = readText(file, mend);
  if (text === undefined) return undefined;
  const document = parseDocument(text, { logLevel: "silent" });
  const [error] = document.errors;
  if (error !== undefined) {
    // Further lines show the text around, which may be a secret.
    const [what = ""] = error.message.split("\n");
    throw new Problem(`${file}: is no YAML: ${what.replace(/:$/, "")}`, mend);
  }
  return checked(toValue(document, file, mend), schema, file, mend);
}

/**
 * Parses JSON that came from somewhere. Throws a Problem that quotes none of it: there may be secrets
 * in it.
 *
 * @param origin Where it came from, for the message.
 */
export function parseJson(text: string, origin: string, mend: Mend): unknown {
  if (text.trim() === "") throw new Problem(`${origin}: is empty.`, mend);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // Not every version of Node, and not of every failure, says where.
    const position = /at position (\d+)/.exec(String(error))?.[1];
    const line = text.slice(0, Number(position)).split("\n").length;
    const where = position === undefined ? "" : `, from line ${line} on`;
    throw new Problem(`${origin}: is no JSON${where}.`, mend);
  }
}

/** The map or list that a text is the JSON of, as `config set users '{"alice":{}}'` stores one. */
export function containerIn(text: unknown): object | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether an error of the file system says that there is no such file. */
function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function toValue(document: ReturnType<typeof parseDocument>, file: string, mend: Mend): unknown {
  try {
    return document.toJS() as unknown;
  } catch (error) {
    // Such as an alias of nothing, or aliases without an end.
    throw new Problem(`${file}: is no YAML: ${String(error)}`, mend);
  }
}

function checked<T>(value: unknown, schema: z.ZodType<T>, file: string, mend: Mend): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue?.path.join(".") ?? "";
  const what = (issue?.message ?? "not as expected")
    .replace(/^Invalid input: /, "")
    .replace(/expected (object|record)/, "expected keys and values")
    .replace(", received ", ", got ");
  throw new Problem(`${[file, place, what].filter((part) => part !== "").join(": ")}.`, mend);
}
