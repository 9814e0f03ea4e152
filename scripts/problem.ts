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

/** The lines that tell the user about a failure. */
export function describeFailure(error: unknown): string {
  if (error instanceof Problem) {
    return [`✗ ${error.message}`, ...error.mend.map((line) => `  ${line}`)].join("\n");
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
