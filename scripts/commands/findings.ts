/** One thing that the doctor has looked at. */
export interface Finding {
  thing: string;
  /**
   * `missing` is what `npm run up` mends by itself; `broken` is what only the user can; `unknown` is
   * what could not be looked at, which is nobody's fault.
   */
  state: "ok" | "missing" | "broken" | "unknown";
  detail: string;
  /** How it is mended, or who mends it. */
  mend?: readonly string[];
}

const marks = { ok: "✓", missing: "–", broken: "✗", unknown: "?" } as const;

/** Whether `npm run up` would get along. */
export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ state }) => state !== "broken");
}

/** The report: a line a thing, with the mend below it, and a closing line. */
export function formatFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ thing }) => thing.length));
  const lines = findings.flatMap(({ thing, state, detail, mend }) => [
    `${marks[state]} ${thing.padEnd(width)}  ${detail}`,
    ...(state === "ok" ? [] : (mend ?? [])).map((line) => `${" ".repeat(width + 4)}${line}`),
  ]);
  return `${[...lines, "", conclusion(findings)].join("\n")}\n`;
}

function conclusion(findings: readonly Finding[]): string {
  const of = (state: Finding["state"]) => findings.filter((one) => one.state === state);
  const [missing, broken, unknown] = [of("missing"), of("broken"), of("unknown")];
  const notSeen = unknown.map(({ thing }) => thing).join(", ");
  const limit = unknown.length === 0 ? "" : ` Not looked at: ${notSeen}.`;
  if (broken.length > 0) {
    return `${broken.length} broken: mend what is marked ✗, then run npm run up.${limit}`;
  }
  if (missing.length > 0) return `${missing.length} missing: npm run up takes care of it.${limit}`;
  return unknown.length === 0 ? "Everything is here." : `What was looked at is well.${limit}`;
}
