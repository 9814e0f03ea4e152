/** Finds every problem of the settings at once, and tells each with its mend. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { PrivateRegistryArgs } from "./private-registry";
import { join, quote } from "./render/shell";
import { registryRules } from "./rules/registry";
import {
  childOf,
  type Complaint,
  type Container,
  containers,
  type Finding,
  isDeferred,
  isMap,
  type Leaf,
  leaves,
  nearest,
  type Path,
  schemaAt,
  unwrapped,
} from "./rules/schema";

/** Where settings come from, which decides how a problem is mended. */
export interface Source {
  /** Completes "N problems in …". */
  where: string;
  /** The configuration's namespace; without one the settings are arguments in a program. */
  namespace?: string;
  /** Whether the user stored a top-level key as a secret. */
  isSecret?: (key: string) => boolean;
}

/**
 * Refuses arguments of a `PrivateRegistry` that cannot work.
 *
 * `Output`s and promises are passed over where an `Input` is accepted: their values are only known
 * during the deployment.
 *
 * @param name The component's name, for the error.
 * @throws pulumi.RunError with every problem: path, what was expected, what was got, and a mend.
 */
export function checkArgs(name: string, args: PrivateRegistryArgs): void {
  refuse(args, registryRules, {
    where: `the arguments of PrivateRegistry ${JSON.stringify(name)}`,
  });
}

/**
 * Throws if `value` breaks any of the rules.
 *
 * @throws pulumi.RunError, whose message names no secret
 */
export function refuse(value: unknown, rules: z.ZodType, source: Source): void {
  const problems = findProblems(value, rules, source);
  if (problems.length > 0) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const lines = problems.map((problem) => `  - ${problem}`);
    throw new pulumi.RunError(
      [`${count} in ${source.where}; nothing was touched:`, ...lines].join("\n"),
    );
  }
}

/** Every problem of `value`, one line each, in the order of the settings table. */
export function findProblems(value: unknown, rules: z.ZodType, source: Source): string[] {
  const found = z.safeParse(rules, value, { reportInput: false });
  const issues = found.success ? [] : found.error.issues;
  const single = issues.flatMap((issue) => fromIssue(issue, rules, value, source));
  const together = withinContainers(rules, value).map((finding) =>
    told(finding, rules, value, source),
  );
  const all = [...single, ...together].map((problem) => ({
    ...problem,
    position: positionOf(problem.path, rules, value),
  }));
  all.sort((a, b) => compare(a.position, b.position));
  return all.map(({ line }) => line);
}

interface Problem {
  path: Path;
  line: string;
}

/** A path within the settings as `pulumi config set --path` takes it. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") {
      return `${text}[${step}]`;
    }
    const name = masked(step);
    if (/^[A-Za-z0-9_@-]+$/.test(name)) {
      return text === "" ? name : `${text}.${name}`;
    }
    return `${text}[${JSON.stringify(name)}]`;
  }, "");
}

/** `name:password`, as a line of htpasswd has it, without the password; long names are cut. */
function masked(name: string): string {
  const short = name.length > 80 ? `${name.slice(0, 80)}…` : name;
  return short.replace(/:.*$/s, ":…");
}

// From zod's issues, and from the rules about several values, to problems.

function fromIssue(
  issue: z.core.$ZodIssue,
  rules: z.ZodType,
  value: unknown,
  source: Source,
): Problem[] {
  const path = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
  if (issue.code === "unrecognized_keys") {
    return unknownKeys(path, issue.keys, rules, value, source);
  }
  const complaint = issue.code === "custom" ? (issue.params as Complaint | undefined) : undefined;
  const schema = schemaAt(rules, path);
  const rule = ruleOf(schema);
  const expected = complaint?.expected ?? rule?.expected ?? issue.message;
  return [told({ ...complaint, path, expected }, rules, value, source)];
}

function unknownKeys(
  path: Path,
  keys: readonly string[],
  rules: z.ZodType,
  value: unknown,
  source: Source,
): Problem[] {
  const schema = schemaAt(rules, path);
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  if (isDeferred(valueAt(value, path))) {
    const expected = ruleOf(schema)?.expected ?? "a map";
    return [told({ path, expected }, rules, value, source)];
  }
  return keys.map((key) => {
    const guess = guessOf(key, known);
    const at = [...path, key];
    const remove = mendFor({ path: at, expected: "", mend: "remove" }, undefined, source);
    const line = `${formatPath(at)}: expected one of ${known.join(", ")}, got an unknown key`;
    return { path: at, line: `${line}${guess}${remove}` };
  });
}

/** What an unknown key was probably meant to be, in brackets. */
function guessOf(key: string, known: readonly string[]): string {
  const head = /^([^.[]+)[.[]/.exec(key)?.[1];
  if (head !== undefined && known.includes(head)) {
    return " (set without --path?)";
  }
  const meant = nearest(key, known);
  return meant === undefined ? "" : ` (did you mean ${meant}?)`;
}

/** What the rules about several values find, wherever in `value` they apply. */
function withinContainers(schema: z.ZodType, value: unknown, path: Path = []): Finding[] {
  const bare = unwrapped(schema);
  if (Array.isArray(value) && bare instanceof z.ZodArray) {
    return value.flatMap((element, index) =>
      withinContainers(bare.element as z.ZodType, element, [...path, index]),
    );
  }
  if (!isMap(value)) {
    return [];
  }
  const own = containers.get(bare)?.whole?.(value) ?? [];
  const inner = Object.entries(value).flatMap(([key, child]) => {
    const rule = childOf(bare, key);
    return rule === undefined ? [] : withinContainers(rule, child, [...path, key]);
  });
  return [...own.map((finding) => ({ ...finding, path: [...path, ...finding.path] })), ...inner];
}

function told(finding: Finding, rules: z.ZodType, value: unknown, source: Source): Problem {
  const { path, expected } = finding;
  const rule = ruleOf(schemaAt(rules, path));
  const got = finding.got ?? describe(valueAt(value, path), rule, isHidden(path, source));
  const line = `${formatPath(path) || "(all)"}: expected ${expected}, got ${got}`;
  return { path, line: `${line}${mendFor(finding, rule, source)}` };
}

function isHidden(path: Path, source: Source): boolean {
  const [key] = path;
  return path.length === 1 && typeof key === "string" && source.isSecret?.(key) === true;
}

// What was got.

function describe(value: unknown, rule: Leaf | Container | undefined, hidden: boolean): string {
  if (value === undefined) {
    return "nothing";
  }
  if (value === null) {
    return "null";
  }
  if (isDeferred(value)) {
    return "an Output or a promise";
  }
  if (Array.isArray(value)) {
    return "a list";
  }
  const shown = !hidden && rule !== undefined && isShown(rule);
  switch (typeof value) {
    case "string":
      return shown ? quoted(value) : size(value);
    case "number":
    case "boolean":
      return shown ? String(value) : `a ${typeof value}`;
    case "object":
      return "a map";
    default:
      return `a ${typeof value}`;
  }
}

/** Whether a value may be printed. Whatever stands in a map's place may be a secret that belongs
 * further down: `users.alice: hunter2`. */
function isShown(rule: Leaf | Container): boolean {
  return "kind" in rule && rule.secret !== true && rule.shown !== false;
}

/** A value that may be printed, without the password that a URL may have, and not too long. */
function quoted(value: string): string {
  if (value.includes("PRIVATE KEY")) {
    return size(value);
  }
  const withoutPassword = value.replace(/([^\s/:@]*):[^]*@/, "$1:…@");
  const isLong = withoutPassword.length > 100;
  return JSON.stringify(isLong ? `${withoutPassword.slice(0, 100)}…` : withoutPassword);
}

/** What can be said of a value that may be a secret. */
function size(value: string): string {
  if (value === "") {
    return "an empty text";
  }
  const brokenJson = /^\s*[{[]/.test(value) ? " that is not valid JSON" : "";
  return `a text of ${Buffer.byteLength(value)} bytes${brokenJson}`;
}

// The mend.

function mendFor(finding: Finding, rule: Leaf | Container | undefined, source: Source): string {
  const { path, mend } = finding;
  if (typeof mend === "object") {
    return `; ${mend.words}`;
  }
  if (mend === "remove") {
    return removal(path, source);
  }
  const target = rule === undefined ? undefined : targetOf(path, rule, finding.instead);
  if (target === undefined || path.some(isUnprintable)) {
    return "";
  }
  return source.namespace === undefined
    ? suchAs(target)
    : `; set it with: ${setCommand(source.namespace, target)}`;
}

/** What the mend sets. */
interface Target {
  path: Path;
  value?: string;
  file?: string;
  secret: boolean;
}

function targetOf(path: Path, rule: Leaf | Container, instead: string | undefined): Target {
  if ("kind" in rule) {
    const { example, file, secret = false } = rule;
    return { path, value: instead ?? example, file, secret };
  }
  const { at, ...rest } = rule.example;
  return { path: [...path, ...at], ...rest, secret: false };
}

function removal(path: Path, source: Source): string {
  if (source.namespace === undefined || path.some(isUnprintable)) {
    return "; remove or rename it";
  }
  const command = ["pulumi", "config", "rm", ...place(source.namespace, path)];
  return `; remove it with: ${join(command)}`;
}

function isUnprintable(step: string | number): boolean {
  return typeof step === "string" && masked(step) !== step;
}

/**
 * The command that sets a value. A secret's value is left out, and then the CLI asks for it; so is
 * that of a file, which is read from standard input.
 */
export function setCommand(namespace: string, { path, value, file, secret }: Target): string {
  const flags = secret ? ["--secret"] : [];
  const words = ["pulumi", "config", "set", ...flags, ...place(namespace, path)];
  if (file !== undefined) {
    return `${join(words)} < ${file}`;
  }
  return join(value === undefined ? words : [...words, value]);
}

function place(namespace: string, path: Path): string[] {
  const [key] = path;
  return path.length === 1 && typeof key === "string"
    ? [`${namespace}:${key}`]
    : ["--path", `${namespace}:${formatPath(path)}`];
}

function suchAs({ value, file, secret }: Target): string {
  if (secret || value === undefined) {
    return file === undefined ? "" : `; such as the contents of ${file}`;
  }
  return `; such as ${quote(value)}`;
}

// Walking rules and values side by side.

function ruleOf(schema: z.ZodType | undefined): Leaf | Container | undefined {
  return schema === undefined ? undefined : (leaves.get(schema) ?? containers.get(schema));
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((current, step) => {
    const inside = isMap(current) || Array.isArray(current);
    return inside ? (current as Record<string | number, unknown>)[step] : undefined;
  }, value);
}

/** Sorts as the settings table does, and names as they are written. */
function positionOf(path: Path, rules: z.ZodType, value: unknown): number[] {
  return path.map((step, index) => {
    if (typeof step === "number") {
      return step;
    }
    const schema = schemaAt(rules, path.slice(0, index));
    const parent = valueAt(value, path.slice(0, index));
    const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
    const given = isMap(parent) ? Object.keys(parent) : [];
    const position = known.indexOf(step);
    return position >= 0 ? position : known.length + given.indexOf(step);
  });
}

function compare(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((step, i) => step !== b[i]);
  if (index === -1) {
    return a.length - b.length;
  }
  return (a[index] ?? 0) - (b[index] ?? -1);
}
