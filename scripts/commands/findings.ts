/** One thing that the doctor has looked at. */
export interface Finding {
  thing: string;
  /** `missing` is what `npm run up` mends by itself; `broken` is what only the user can. */
  state: "ok" | "missing" | "broken";
  detail: string;
  /** How it is mended, or who mends it. */
  mend?: readonly string[];
}

const marks = { ok: "✓", missing: "–", broken: "✗" } as const;

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
  const count = (state: Finding["state"]) => findings.filter((one) => one.state === state).length;
  const [missing, broken] = [count("missing"), count("broken")];
  if (broken > 0) return `${broken} broken: mend what is marked ✗, then run npm run up.`;
  if (missing > 0) return `${missing} missing: npm run up takes care of it.`;
  return "Everything is here.";
}
