/**
 * The vocabulary that the rules are written in: zod gives the structure (maps, lists, unknown keys),
 * and every value carries what it is, an example, and whether it is secret, so that a problem can be
 * told with its fix and a secret can be kept out of it.
 */
import { types } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";

export type Path = readonly (string | number)[];

/** What is wrong with a value that has the right type. */
export interface Complaint {
  /** @default - the rule's own `expected` */
  expected?: string;
  /** @default - the value, or its size if it is secret */
  got?: string;
  /** What was probably meant, to be offered instead of the rule's example. Never a secret. */
  instead?: string;
}

/** What a single value must be. */
export interface Rule<T> {
  /** Completes "expected …". */
  expected: string;
  /**
   * A value that would be right and do no harm, for the fix; in a list, one for each place. A secret
   * has none.
   */
  example?: string | ((index: number) => string);
  /** The file that the value usually comes from, as the shell would read it. */
  file?: string;
  /** Never printed, and wrapped with `pulumi.secret` when it comes from the configuration. */
  secret?: boolean;
  /** Whether the value itself may be shown when it is not secret; false for long ones such as PEM. */
  shown?: boolean;
  /** Looks at a value of the right type. */
  check?: (value: T) => Complaint | undefined;
  /** What a value of another type, as text, was probably meant to be. */
  meant?: (text: string) => string | undefined;
}

/** A rule as the schema remembers it. */
export interface Leaf extends Omit<Rule<never>, "check" | "meant"> {
  kind: "text" | "integer" | "flag";
}

/** A problem that concerns several values at once, told at one of them. */
export interface Finding extends Complaint {
  /** Relative to the object that the rule is about. */
  path: Path;
  expected: string;
  /** `set` (the default) offers a value, `remove` takes the key away, else what to do in words. */
  mend?: "set" | "remove" | { words: string };
}

/** What a map or list must be. */
export interface Container {
  expected: string;
  /** The place inside it, and the value there, that the fix sets. */
  example: { at: Path; value?: string; file?: string };
  /**
   * What a text in its place was probably meant to be. It may be a secret: whatever is not sure to be
   * none gives undefined.
   */
  fromText?: (text: string) => { at: Path; value: string }[] | undefined;
  /** Rules about several of its values; called with the map as given, whatever is wrong in it. */
  whole?: (value: Readonly<Record<string, unknown>>) => Finding[];
}

export const leaves = z.registry<Leaf>();
export const containers = z.registry<Container>();

/** Whether a value is only known later: it is checked by whoever makes it, not here. */
export function isDeferred(value: unknown): boolean {
  return pulumi.Output.isInstance(value) || types.isPromise(value);
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isDeferred(value);
}

function leaf<T>(
  kind: Leaf["kind"],
  rule: Rule<T>,
  isType: (value: unknown) => value is T,
  options: { deferred: boolean },
): z.ZodUnknown {
  const { check, meant, ...meta } = rule;
  const misread = (value: unknown): Complaint => {
    const isSingle = typeof value === "string" || typeof value === "number" || isFlag(value);
    const instead = isSingle ? meant?.(String(value).trim()) : undefined;
    return instead === undefined ? {} : { instead };
  };
  return z
    .unknown()
    .check((ctx) => {
      if (options.deferred && isDeferred(ctx.value)) {
        return;
      }
      const complaint = isType(ctx.value) ? check?.(ctx.value) : misread(ctx.value);
      if (complaint !== undefined) {
        const message = complaint.expected ?? rule.expected;
        ctx.issues.push({ code: "custom", input: ctx.value, message, params: { ...complaint } });
      }
    })
    .register(leaves, { kind, ...meta });
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isFlag(value: unknown): value is boolean {
  return typeof value === "boolean";
}

/** The rule, which offers a text without the blanks around it, if those are what is wrong. */
function trimming(rule: Rule<string>): Rule<string> {
  const { check } = rule;
  if (check === undefined || rule.secret === true) return rule;
  return {
    ...rule,
    check: (value) => {
      const trimmed = value.trim();
      const complaint = check(value);
      const isMeant = trimmed !== "" && trimmed !== value && check(trimmed) === undefined;
      return complaint && isMeant ? { instead: trimmed, ...complaint } : complaint;
    },
  };
}

/** A non-empty string. */
export function text(rule: Rule<string>): z.ZodType<string> {
  const schema = leaf("text", trimming(rule), isText, { deferred: false });
  return schema as unknown as z.ZodType<string>;
}

/** A non-empty string, or an `Output` or promise of one, which is passed over. */
export function textInput(rule: Rule<string>): z.ZodType<pulumi.Input<string>> {
  const schema = leaf("text", trimming(rule), isText, { deferred: true });
  return schema as unknown as z.ZodType<pulumi.Input<string>>;
}

/** An integer from `least` to `most`. */
export function integer(
  least: number,
  most: number,
  rule: { example: number; unit?: string },
): z.ZodType<number> {
  const unit = rule.unit === undefined ? "" : ` of ${rule.unit}`;
  const schema = leaf(
    "integer",
    {
      expected: `a whole number${unit} from ${least} to ${most}`,
      example: String(rule.example),
      check: (value) => (value < least || value > most ? {} : undefined),
      meant: (text) => {
        const digits = /^(\d[\d\s_,]*)(\.0*)?$/.exec(text)?.[1];
        const number = Number(digits?.replace(/\D/g, "") ?? NaN);
        return number >= least && number <= most ? String(number) : undefined;
      },
    },
    isInteger,
    { deferred: false },
  );
  return schema as unknown as z.ZodType<number>;
}

/**
 * `true` or `false`.
 *
 * @param safe What to offer where nobody can tell what was meant.
 */
export function flag(safe: boolean): z.ZodType<boolean> {
  const meant = (text: string) => {
    if (/^(true|yes|y|on|1)$/i.test(text)) return "true";
    return /^(false|no|n|off|0)$/i.test(text) ? "false" : undefined;
  };
  const rule = { expected: "true or false", example: String(safe), meant };
  return leaf("flag", rule, isFlag, { deferred: false }) as unknown as z.ZodType<boolean>;
}

/**
 * One of a few words.
 *
 * @param safe What to offer where nobody can tell which was meant.
 */
export function choice<T extends string>(words: readonly T[], safe = words[0]): z.ZodType<T> {
  const expected = `one of ${words.join(", ")}`;
  const meant = (text: string) => nearest(text, words) ?? safe;
  const check = (value: string) =>
    words.some((word) => word === value) ? undefined : { instead: meant(value.trim()) };
  return text({
    expected,
    ...(safe && { example: safe }),
    check,
    meant,
  }) as unknown as z.ZodType<T>;
}

/** An object with exactly these keys. */
export function object<S extends z.ZodRawShape>(
  shape: S,
  about: Container,
): z.ZodObject<S, z.core.$strict> {
  return z.strictObject(shape).register(containers, about);
}

/** A map from names of the user's choice. The names are checked by `about.whole`. */
export function map<V extends z.ZodType>(value: V, about: Container): z.ZodRecord<z.ZodString, V> {
  return z.record(z.string(), value).register(containers, about);
}

export function list<V extends z.ZodType>(element: V, about: Container): z.ZodArray<V> {
  return z.array(element).register(containers, about);
}

/** A schema without its `optional()`. */
export function unwrapped(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodOptional ? unwrapped(schema.unwrap() as z.ZodType) : schema;
}

/** The schema of what is at `step` of a value. */
export function childOf(schema: z.ZodType, step: string | number): z.ZodType | undefined {
  const bare = unwrapped(schema);
  if (bare instanceof z.ZodObject) {
    return Object.hasOwn(bare.shape, step) ? (bare.shape[step] as z.ZodType) : undefined;
  }
  if (bare instanceof z.ZodRecord) {
    return bare.valueType as z.ZodType;
  }
  return bare instanceof z.ZodArray ? (bare.element as z.ZodType) : undefined;
}

/** The schema of what is at `path` of a value; undefined where nothing may be. */
export function schemaAt(rules: z.ZodType, path: Path): z.ZodType | undefined {
  const schema = path.reduce<z.ZodType | undefined>(
    (current, step) => (current === undefined ? undefined : childOf(current, step)),
    rules,
  );
  return schema === undefined ? undefined : unwrapped(schema);
}

/** A copy of `value` with `change` applied to every single value that has a rule. */
export function mapLeaves(
  rules: z.ZodType,
  value: unknown,
  change: (leaf: Leaf, value: unknown, path: Path) => unknown,
  path: Path = [],
): unknown {
  const schema = unwrapped(rules);
  const leaf = leaves.get(schema);
  if (leaf !== undefined) {
    return change(leaf, value, path);
  }
  const mapped = (step: string | number, child: unknown) => {
    const rule = childOf(schema, step);
    return rule === undefined ? child : mapLeaves(rule, child, change, [...path, step]);
  };
  if (Array.isArray(value)) {
    return value.map((child, index) => mapped(index, child));
  }
  if (!isMap(value)) {
    return value;
  }
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, mapped(key, child)]));
}

/** The word that `typed` was probably meant to be. */
export function nearest(typed: string, words: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.min(3, Math.floor(typed.length / 3)));
  const ranked = words
    .map((word) => ({ word, distance: editDistance(typed.toLowerCase(), word.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.word;
}

/** How many letters to insert, drop, change or swap with their neighbour to get from `a` to `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        at(last, j) + 1,
        at(row, j - 1) + 1,
        at(last, j - 1) + change,
        swapped ? at(beforeLast, j - 2) + 1 : Infinity,
      );
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
