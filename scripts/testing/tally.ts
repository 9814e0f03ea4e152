import { z } from "zod";

/** How a check or a test suite ended. */
export interface Tally {
  passed: number;
  failed: number;
}

const vitestReport = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  testResults: z.array(
    z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) }),
  ),
});

/** Counts vitest's JSON report. A file that failed outside of its tests counts as one failed. */
export function tallyVitest(report: unknown): Tally {
  const { numPassedTests, numFailedTests, testResults } = vitestReport.parse(report);
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((test) => test.status === "failed"),
  );
  return { passed: numPassedTests, failed: numFailedTests + brokenFiles.length };
}

const goEvent = z.object({
  Action: z.string(),
  Package: z.string().optional(),
  Test: z.string().optional(),
});

/** Counts `go test -json`. A package that failed outside of its tests counts as one failed. */
export function tallyGo(output: string): Tally {
  const tally = { passed: 0, failed: 0 };
  const packagesWithFailedTests = new Set<string>();
  for (const line of output.split("\n")) {
    const event = parseEvent(line);
    if (event === undefined) continue;
    const inPackage = event.Package ?? "";
    if (event.Test !== undefined) {
      if (event.Action === "pass") tally.passed += 1;
      if (event.Action === "fail") {
        tally.failed += 1;
        packagesWithFailedTests.add(inPackage);
      }
    } else if (event.Action === "fail" && !packagesWithFailedTests.has(inPackage)) {
      tally.failed += 1;
    }
  }
  return tally;
}

/** What go test says to people, without the events around it. */
export function goOutput(output: string): string {
  return output
    .split("\n")
    .map((line) => {
      if (!line.startsWith("{")) return `${line}\n`;
      const parsed = z.object({ Output: z.string() }).safeParse(parseJson(line));
      return parsed.success ? parsed.data.Output : "";
    })
    .join("");
}

/** The sum of tallies. */
export function sum(tallies: readonly Tally[]): Tally {
  return tallies.reduce(
    (total, { passed, failed }) => ({
      passed: total.passed + passed,
      failed: total.failed + failed,
    }),
    { passed: 0, failed: 0 },
  );
}

function parseEvent(line: string): z.infer<typeof goEvent> | undefined {
  if (!line.startsWith("{")) return undefined;
  const parsed = goEvent.safeParse(parseJson(line));
  return parsed.success ? parsed.data : undefined;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
