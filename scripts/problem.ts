import { appendFileSync, mkdirSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join, relative } from "node:path";
import { logFolder } from "./paths";
import { z } from "zod";

/**
 * A failure that the user can mend. It is printed without a stack trace, so its message must say
 * what was wanted, what was got and what to do.
 */
export class Problem extends Error {
  override readonly name = "Problem";

  /**
   * @param message What is wrong: the thing, and what was got.
   * @param mend What to do, one step a line.
   */
  constructor(
    message: string,
    readonly mend: readonly string[] = [],
  ) {
    super(message);
  }
}

/** Set to anything, it shows the stack trace of a failure that nobody foresaw. */
const DEBUG = "PRIVATE_REGISTRY_DEBUG";

/** The lines that tell the user about a failure. */
export function describeFailure(error: unknown): string {
  const problem = asProblem(error);
  const lines = [`✗ ${problem.message}`, ...problem.mend.map((line) => `  ${line}`)];
  const { stack } = error instanceof Error ? error : {};
  if (process.env[DEBUG] && stack !== undefined) lines.push(stack);
  return lines.join("\n");
}

/** Any failure as one that tells what to do. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (isFileError(error)) return fileProblem(error);
  const [message = ""] = words(error).split("\n");
  return new Problem(message || "failed without a reason", [
    "These scripts do not know this failure, so they cannot tell what to do about it.",
    writeDetails(error) ?? `For the details: ${DEBUG}=1 before the same command.`,
  ]);
}

function words(error: unknown): string {
  // Its message is the JSON of all that is wrong.
  if (error instanceof z.ZodError) return z.prettifyError(error).replaceAll("\n", " ");
  return error instanceof Error ? error.message : String(error);
}

/** A system call on a file that failed. */
interface FileError extends NodeJS.ErrnoException {
  code: string;
  path: string;
}

function isFileError(error: unknown): error is FileError {
  if (!(error instanceof Error)) return false;
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  // Programs that cannot be started have a path as well.
  return code !== undefined && typeof path === "string" && syscall?.startsWith("spawn") === false;
}

/** What a file error of Node means, and what to do about it. */
export function fileProblem(error: FileError): Problem {
  const { code, path, syscall } = error;
  const { meaning, mend } = fileErrors[code] ?? {};
  return new Problem(`${path}: ${meaning ?? error.message} (${code}, ${syscall ?? "unknown"}).`, [
    ...(mend?.(path) ?? ["Mend that, then run the same command again."]),
  ]);
}

const fileErrors: Record<string, { meaning: string; mend: (path: string) => string[] }> = {
  EACCES: { meaning: "your user may not do that", mend: otherOwner },
  EPERM: { meaning: "your user may not do that", mend: otherOwner },
  EROFS: { meaning: "it is on a file system that is read-only", mend: otherPlace },
  ENOSPC: {
    meaning: "no space is left on its disk",
    mend: () => ["Make room, then run it again."],
  },
  EDQUOT: { meaning: "your user may store no more", mend: () => ["Make room, then run it again."] },
  EISDIR: { meaning: "a file is needed here, and it is a folder", mend: moveAway },
  EEXIST: { meaning: "something else is here already", mend: moveAway },
  ENOTDIR: { meaning: "a folder is needed on this path, and there is a file", mend: moveAway },
  ENOENT: { meaning: "it is not there", mend: () => ["Bring it back, then run it again."] },
};

function otherOwner(path: string): string[] {
  const owner = ownerOf(path);
  const { uid, username } = userInfo();
  if (owner === undefined || owner.uid === uid) {
    return [`See who may: ls -ld ${path}`, ...otherPlace()];
  }
  return [
    `${owner.path} belongs to ${owner.uid === 0 ? "root" : `the user ${owner.uid}`}, and you are ${username}. To own it:`,
    `  sudo chown -R ${username} ${owner.path}`,
    "Then run it again as the same user as always, not with and without sudo.",
  ];
}

/** Who owns a path, or the folder that it would be in. */
function ownerOf(path: string): { path: string; uid: number } | undefined {
  try {
    return { path, uid: statSync(path).uid };
  } catch {
    return path === dirname(path) ? undefined : ownerOf(dirname(path));
  }
}

function otherPlace(): string[] {
  return [
    "Pulumi's own folder (~/.pulumi) can be elsewhere: set PULUMI_HOME. So can what is downloaded",
    "and built (~/.cache): set XDG_CACHE_HOME.",
  ];
}

function moveAway(path: string): string[] {
  return [`See what it is (ls -ld ${path}), and move it away.`];
}

/** Keeps what a failure has to say; where, or undefined if it cannot be kept. */
function writeDetails(error: unknown): string | undefined {
  const file = join(logFolder, "failures.log");
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
  try {
    mkdirSync(logFolder, { recursive: true, mode: 0o700 });
    appendFileSync(file, `${new Date().toISOString()} ${details}\n\n`, { mode: 0o600 });
    return `The details: ${relative(process.cwd(), file)}`;
  } catch {
    return undefined;
  }
}
