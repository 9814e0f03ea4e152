import { quote } from "../../components/render/shell";
import { isPemKey, isSecretPath } from "../../components/rules/configuration";
import { Problem } from "../problem";
import { encryptCommand } from "../pulumi/plain-secrets";

/** Whether the CLI is only asked for help. */
export function isHelp(args: readonly string[]): boolean {
  return args.includes("--help") || args.includes("-h");
}

/**
 * What `up` and `destroy` are given so that they run without a question: `--yes`, and no preview
 * for nobody to look at. Whoever passes `--yes` or `--yes=false` decides for himself.
 */
export function withDefaults(args: readonly string[]): string[] {
  const decides = args.some((argument) => /^(-y|--yes(=.*)?|--preview-only)$/.test(argument));
  if (decides || isHelp(args)) return [...args];
  const skips = args.some((argument) => /^(-f|--skip-preview(=.*)?)$/.test(argument));
  return ["--yes", ...(skips ? [] : ["--skip-preview"]), ...args];
}

/** Flags of `config set`; the CLI's own too. */
const SWITCHES =
  /^(--(help|path|plaintext|raw|secret|disable-integrity-checking|emoji|fully-qualify-stack-names|logflow|logtostderr|non-interactive)(=\w+)?|-[heQ]+)$/;
const WITH_VALUE =
  /^(--(type|color|config-file|cwd|memprofilerate|otel-traces|profiling|stack|tracing|verbose)|-[Csv])$/;
const WITH_VALUE_ATTACHED =
  /^(--(type|color|config-file|cwd|memprofilerate|otel-traces|profiling|stack|tracing|verbose)=|-[Csv].)/;

/**
 * Refuses a value of `config set` that Pulumi would take for a flag: its error shows the whole of it,
 * and it may be a private key (`-----BEGIN`) or a password.
 *
 * @param npmRun What the user's commands begin with.
 * @throws Problem, in which the value is not
 */
export function refuseHiddenFlags(args: readonly string[], npmRun: string): void {
  const end = args.indexOf("--");
  const words = end === -1 ? args : args.slice(0, end);
  const set = words.indexOf("set");
  if (set === -1 || !words.slice(0, set).includes("config")) return;
  const rest = words
    .slice(set + 1)
    .filter((_, index, all) => index === 0 || !WITH_VALUE.test(all[index - 1] ?? ""));
  const hidden = rest.find(
    (word) =>
      word.startsWith("-") &&
      ![SWITCHES, WITH_VALUE, WITH_VALUE_ATTACHED].some((flag) => flag.test(word)),
  );
  if (hidden === undefined) return;
  const key = rest.find((word) => !word.startsWith("-")) ?? "KEY";
  const isPem = hidden.startsWith("-----BEGIN");
  const options = new Set(rest.filter((word) => SWITCHES.test(word)));
  if (/PRIVATE KEY/.test(hidden)) options.add("--secret");
  const command = [`${npmRun} pulumi -- config set`, ...options, quote(key)].join(" ");
  throw new Problem(
    `config set ${key}: the value begins with "-", so Pulumi takes it for a flag, and shows it.`,
    isPem
      ? [
          "Give it the file instead, which also keeps it off the command line:",
          `  ${command} < FILE`,
        ]
      : [
          "Without a value it is asked for, or read from standard input:",
          `  ${command}`,
          "Or put -- before it, which says that no flags follow:",
          `  ${command} -- VALUE`,
        ],
  );
}

/**
 * Refuses a `config set` that would store a secret as plain text.
 *
 * @param npmRun What the user's commands begin with.
 * @throws Problem, in which the value is not
 */
export function refusePlainSecret(args: readonly string[], npmRun: string): void {
  const words = wordsOf(args);
  const set = words.indexOf("set");
  const isEncrypted = args.some((argument) => /^--secret(=true)?$/.test(argument));
  if (set < 1 || words[set - 1] !== "config" || isEncrypted || isHelp(args)) return;
  const path = stepsOf(words[set + 1] ?? "");
  if (!isSecretPath(path)) return;
  throw new Problem(
    `config set ${path.join(".")}: this is a secret, and would be stored as plain text.`,
    [
      isPemKey(path) ? "Have it encrypted:" : "Have it encrypted; without a value it is asked for:",
      `  ${encryptCommand(npmRun, path)}`,
    ],
  );
}

/** The steps of a path as Pulumi writes it, without the namespace: `users["a.b"].password`. */
function stepsOf(path: string): string[] {
  const steps = path.replace(/^[\w.-]+:/, "").matchAll(/\["([^"]*)"\]|\[(\d+)\]|([^.[\]]+)/g);
  return [...steps].map(([, quoted, index, plain]) => quoted ?? index ?? plain ?? "");
}

/** The words that are neither flags nor their values; what follows `--` is no flag. */
function wordsOf(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  const flags = end === -1 ? args : args.slice(0, end);
  const words = flags.filter(
    (argument, index) => !argument.startsWith("-") && !WITH_VALUE.test(flags[index - 1] ?? ""),
  );
  return [...words, ...(end === -1 ? [] : args.slice(end + 1))];
}

/**
 * The setting of which `config set --path` or `config rm --path` changes a part, with its namespace.
 *
 * @param project Its name, which is the namespace of keys that have none.
 */
export function changedInPart(args: readonly string[], project: string): string | undefined {
  const isPath = args.some((argument) => /^--path(=true)?$/.test(argument));
  const words = wordsOf(args);
  const change = words.findIndex((word) => word === "set" || word === "rm");
  if (!isPath || change < 1 || words[change - 1] !== "config") return undefined;
  const path = words[change + 1] ?? "";
  const [, namespace = project, key] = /^(?:([\w.-]+):)?(?:\[")?([\w-]+)/.exec(path) ?? [];
  return key === undefined ? undefined : `${namespace}:${key}`;
}
