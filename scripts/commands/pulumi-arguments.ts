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
