/** Finds every problem of the settings at once, and tells each with the command that fixes it. */
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { removeCommand, setCommand, type Target } from "./config-commands";
import type { PrivateRegistryArgs } from "./private-registry";
import { quote } from "./render/shell";
import { formatPath, isPrintable } from "./rules/configuration";
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
  mapLeaves,
  nearest,
  type Path,
  schemaAt,
  unwrapped,
} from "./rules/schema";

/** Where settings come from, which decides how a problem is fixed. */
export interface Source {
  /** Completes "N problems in …". */
  where: string;
  /** The place of the value in the whole. @default - it is the whole */
  at?: Path;
  /** The configuration's namespace; without one the settings are arguments in a program. */
  namespace?: string;
  /** Whether the user stored a top-level key as a secret. */
  isSecret?: (key: string) => boolean;
  /** The places of secrets that the user stored as plain text. */
  plainSecrets?: readonly Path[];
  /** What stands there where the user has set nothing. */
  defaults?: Readonly<Record<string, unknown>>;
}

/**
 * Refuses arguments of a `PrivateRegistry` that cannot work.
 *
 * `Output`s and promises are passed over where an `Input` is accepted: their values are only known
 * during the deployment.
 *
 * @param name The component's name, for the error.
 * @throws pulumi.RunError with every problem: path, what was expected, what was got, and a fix.
 */
export function checkArgs(name: string, args: PrivateRegistryArgs): void {
  refuse(args, registryRules, {
    where: `the arguments of PrivateRegistry ${JSON.stringify(name)}`,
  });
}

/**
 * The arguments, in which whatever is known only during the deployment is checked as soon as it is. A
 * secret is checked together with what is beside it, such as a key with its certificate.
 *
 * @param name The component's name, for the error.
 */
export function checkedLater(name: string, args: PrivateRegistryArgs): PrivateRegistryArgs {
  const where = `the arguments of PrivateRegistry ${JSON.stringify(name)}`;
  const checked = (at: Path) =>
    (pulumi.output(valueAt(args, at)) as pulumi.Output<unknown>).apply((known) => {
      refuse(known, schemaAt(registryRules, at) ?? z.unknown(), { where, at });
      return known;
    });
  return mapLeaves(registryRules, args, ({ secret }, value, path) => {
    if (!isDeferred(value)) return value;
    // Not what is no secret: it would become one.
    if (secret !== true) return checked(path);
    return checked(path.slice(0, -1)).apply((beside) => valueAt(beside, path.slice(-1)));
  }) as PrivateRegistryArgs;
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

/**
 * Every problem of `value`, one line each, in the order of the settings table; of a list that gets
 * shorter from its end, so that the commands can be given one after the other.
 */
export function findProblems(value: unknown, rules: z.ZodType, source: Source): string[] {
  const single = issuesOf(value, rules).flatMap((issue) => fromIssue(issue, rules, value, source));
  const together = withinContainers(rules, value).map((finding) =>
    told(finding, rules, value, source),
  );
  const problems = [...single, ...together];
  for (const path of source.plainSecrets ?? []) {
    // What is wrong with the value is mended by the same command.
    if (problems.some((problem) => isDeepStrictEqual(problem.path, path))) continue;
    const finding = { path, expected: "it encrypted", got: "plain text" };
    problems.push(told(finding, rules, value, source));
  }
  const shortened = new Set(
    problems.flatMap(({ path, removes }) => (removes ? [formatPath(path.slice(0, -1))] : [])),
  );
  const all = problems.map((problem) => ({
    ...problem,
    position: positionOf(problem.path, rules, value, shortened),
  }));
  all.sort((a, b) => compare(a.position, b.position));
  return all.map(({ line }) => line);
}

function issuesOf(value: unknown, rules: z.ZodType): z.core.$ZodIssue[] {
  const found = z.safeParse(rules, value, { reportInput: false });
  return found.success ? [] : found.error.issues;
}

interface Problem {
  path: Path;
  line: string;
  /** Whether the fix takes an element out of a list. */
  removes: boolean;
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
  const mend = isSuperfluous(path, rule, complaint, rules, value) ? "remove" : "set";
  return [told({ ...complaint, path, expected, mend }, rules, value, source)];
}

/** Whether nothing was given, by `""` or `null`, where nothing has to be. */
function isSuperfluous(
  path: Path,
  rule: Leaf | Container | undefined,
  complaint: Complaint | undefined,
  rules: z.ZodType,
  value: unknown,
): boolean {
  const given = valueAt(value, path);
  const isBlank = given === "" || given === null;
  const isSecret = rule !== undefined && "kind" in rule && rule.secret === true;
  if (!isBlank || isSecret || complaint?.instead !== undefined) return false;
  if (rule !== undefined && !("kind" in rule) && path.length > 1) return false;
  const without = withoutPlace(value, path);
  const left = [
    ...issuesOf(without, rules).map((issue) => issue.path),
    ...withinContainers(rules, without).map((finding) => finding.path),
  ];
  return !left.some((other) => other.every((step, index) => step === path[index]));
}

/** A copy of `value` without what is at `path`. */
function withoutPlace(value: unknown, [step, ...rest]: Path): unknown {
  if (step === undefined) return undefined;
  if (Array.isArray(value)) {
    return rest.length === 0
      ? value.filter((_, index) => index !== step)
      : value.map((child: unknown, index) => (index === step ? withoutPlace(child, rest) : child));
  }
  if (!isMap(value)) return value;
  const { [step]: child, ...others } = value;
  return rest.length === 0 ? others : { ...others, [step]: withoutPlace(child, rest) };
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
    const at = [...path, key];
    const meant = meantBy(at, known, rules, value);
    const guess = meant === undefined ? "" : ` (${meant.guess})`;
    const line = `${formatPath(at)}: expected one of ${known.join(", ")}, got an unknown key`;
    const fix = fixOfUnknown(at, meant, rules, value, source);
    return { path: at, line: `${line}${guess}${fix}`, removes: false };
  });
}

/** What an unknown key was probably meant to be. */
interface Meant {
  /** Told in brackets. */
  guess: string;
  /** Where what is there belongs. */
  path: Path;
  given: unknown;
}

function meantBy(
  path: Path,
  known: readonly string[],
  rules: z.ZodType,
  value: unknown,
): Meant | undefined {
  const key = String(path.at(-1));
  const given = valueAt(value, path);
  const withPath = pathWithin(key, rules);
  if (path.length === 1 && known.includes(String(withPath[0])) && withPath.length > 1) {
    return { guess: "set without --path?", path: withPath, given };
  }
  const name = splitName(path, rules, value);
  if (name !== undefined) {
    return { ...name, guess: `is the name ${formatPath(name.path)}?` };
  }
  const near = nearest(key, known);
  return near === undefined
    ? undefined
    : { guess: `did you mean ${near}?`, path: [...path.slice(0, -1), near], given };
}

/** What `users.alice.access` means with --path; a name with dots in it is put together. */
function pathWithin(key: string, rules: z.ZodType): Path {
  const steps = [...key.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(
    ([, quoted, index, plain]) => quoted ?? (index === undefined ? (plain ?? "") : Number(index)),
  );
  const name = steps.slice(1, -1).join(".");
  const joined = [...steps.slice(0, 1), name, ...steps.slice(-1)];
  const isName = schemaAt(rules, steps) === undefined && schemaAt(rules, joined) !== undefined;
  return steps.length > 3 && isName ? joined : steps;
}

/** `users.john.doe.access` is the user john with an unknown key doe, and john.doe was meant. */
function splitName(
  path: Path,
  rules: z.ZodType,
  value: unknown,
): { path: Path; given: unknown } | undefined {
  const map = path.slice(0, -2);
  const entry = schemaAt(rules, path.slice(0, -1));
  if (path.length < 3 || !(schemaAt(rules, map) instanceof z.ZodRecord) || entry === undefined) {
    return undefined;
  }
  const name = path.slice(-2).map(String);
  let given = valueAt(value, path);
  while (isMap(given)) {
    const keys = Object.keys(given);
    const [only] = keys;
    if (keys.some((key) => childOf(entry, key) !== undefined)) {
      return { path: [...map, name.join(".")], given };
    }
    if (only === undefined || keys.length > 1) return undefined;
    name.push(only);
    given = given[only];
  }
  return undefined;
}

function fixOfUnknown(
  path: Path,
  meant: Meant | undefined,
  rules: z.ZodType,
  value: unknown,
  source: Source,
): string {
  const { namespace } = source;
  if (namespace === undefined || !isPrintable(path)) {
    return "; remove or rename it";
  }
  const remove = removeCommand(namespace, removable(path, rules, value));
  if (meant === undefined || isSet(meant.path, value, source) || !isPrintable(meant.path)) {
    return `; remove it with: ${remove}`;
  }
  const hidden = isHidden(path, source);
  const set = setCommands(meant.path, hidden ? undefined : meant.given, rules, namespace);
  if (set.length === 0) return `; remove it with: ${remove}`;
  return `; move it with: ${[remove, ...set].join(" && ")}`;
}

/** Whether the user has set something at `path`. */
function isSet(path: Path, value: unknown, { defaults }: Source): boolean {
  const given = valueAt(value, path);
  return given !== undefined && !isDeepStrictEqual(given, valueAt(defaults, path));
}

/**
 * What to remove with the unknown key at `path`: the whole entry of a map, such as a user, that would
 * be left empty and mean something by that.
 */
function removable(path: Path, rules: z.ZodType, value: unknown): Path {
  const entry = path.slice(0, -1);
  const schema = schemaAt(rules, entry);
  const isEntry = schemaAt(rules, path.slice(0, -2)) instanceof z.ZodRecord;
  if (!isEntry || !(schema instanceof z.ZodObject)) return path;
  const known = Object.keys(schema.shape);
  const isKept = Object.keys(valueAt(value, entry) ?? {}).some(
    (key) => known.includes(key) || nearest(key, known) !== undefined,
  );
  return isKept || !z.safeParse(schema, {}).success ? path : entry;
}

/** The commands that set `given` at `path`, without what is secret or wrong there. */
export function setCommands(
  path: Path,
  given: unknown,
  rules: z.ZodType,
  namespace: string,
): string[] {
  return targetsOf(path, given, rules).map((target) => setCommand(namespace, target));
}

function targetsOf(path: Path, given: unknown, rules: z.ZodType): Target[] {
  const schema = schemaAt(rules, path);
  const rule = ruleOf(schema);
  if (schema === undefined || rule === undefined) return [];
  if ("kind" in rule) {
    const isGiven = isShown(rule) && fits(schema, given);
    return [targetOf(path, rule, isGiven ? String(given) : undefined)];
  }
  const steps = Array.isArray(given) ? given.keys() : isMap(given) ? Object.keys(given) : [];
  const targets = [...steps].flatMap((step) =>
    targetsOf([...path, step], valueAt(given, [step]), rules),
  );
  return targets.length > 0 ? targets : [targetOf(path, rule, undefined)];
}

/** Whether a single value is right as it is, or as the CLI would store it. */
function fits(schema: z.ZodType, given: unknown): boolean {
  if (typeof given !== "string" && typeof given !== "number" && typeof given !== "boolean") {
    return false;
  }
  const readings = [String(given), Number(given), String(given) === "true"];
  return readings.some(
    (reading) => String(reading) === String(given) && z.safeParse(schema, reading).success,
  );
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
  const line = `${formatPath([...(source.at ?? []), ...path]) || "(all)"}: expected ${expected}, got ${got}`;
  const removes = finding.mend === "remove" && typeof path.at(-1) === "number";
  return { path, line: `${line}${fixOf(finding, rule, value, source)}`, removes };
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

// The fix.

function fixOf(
  finding: Finding,
  rule: Leaf | Container | undefined,
  value: unknown,
  source: Source,
): string {
  const { path, mend } = finding;
  if (typeof mend === "object") {
    return `; ${mend.words}`;
  }
  if (mend === "remove") {
    return source.namespace === undefined || !isPrintable(path)
      ? "; remove or rename it"
      : `; remove it with: ${removeCommand(source.namespace, path)}`;
  }
  if (rule === undefined || !isPrintable(path)) {
    return "";
  }
  const targets = meantValues(path, rule, value, source) ?? [targetOf(path, rule, finding.instead)];
  const { namespace } = source;
  if (namespace === undefined) {
    return suchAs(targets);
  }
  const set = targets.map((target) => setCommand(namespace, target));
  const inTheWay = targets[0] && obstacle(targets[0].path, value);
  const commands = [...(inTheWay ? [removeCommand(namespace, inTheWay)] : []), ...set];
  return `; set it with: ${commands.join(" && ")}`;
}

/** What a text in the place of a map or list was meant to be, as its rule reads it. */
function meantValues(
  path: Path,
  rule: Leaf | Container,
  value: unknown,
  source: Source,
): Target[] | undefined {
  const given = valueAt(value, path);
  if ("kind" in rule || typeof given !== "string" || isHidden(path, source)) return undefined;
  const meant = rule.fromText?.(given);
  return meant?.map(({ at, value }) => ({ path: [...path, ...at], value, secret: false }));
}

/**
 * What `config set --path` stumbles over on its way to `path`: something that is no map or list. A
 * single value at the top it replaces by itself.
 */
function obstacle(path: Path, value: unknown): Path | undefined {
  return path
    .map((_, length) => path.slice(0, length))
    .find((at) => {
      const given = valueAt(value, at);
      if (at.length === 0 || given === undefined || given === null) return false;
      const isContainer = isMap(given) || Array.isArray(given);
      const isRight = typeof path[at.length] === "number" ? Array.isArray(given) : isMap(given);
      return !isRight && (isContainer || at.length > 1);
    });
}

function targetOf(path: Path, rule: Leaf | Container, instead: string | undefined): Target {
  if ("kind" in rule) {
    const { example, file, secret = false } = rule;
    const fitting = typeof example === "function" ? example(Number(path.at(-1))) : example;
    return { path, value: instead ?? fitting, file, secret };
  }
  const { at, ...rest } = rule.example;
  return { path: [...path, ...at], ...rest, secret: false };
}

function suchAs(targets: readonly Target[]): string {
  const [{ value, file, secret }] = targets as [Target];
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
function positionOf(
  path: Path,
  rules: z.ZodType,
  value: unknown,
  shortened: ReadonlySet<string>,
): number[] {
  return path.map((step, index) => {
    if (typeof step === "number") {
      return shortened.has(formatPath(path.slice(0, index))) ? -step : step;
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
  return (a[index] ?? 0) - (b[index] ?? -Infinity);
}
