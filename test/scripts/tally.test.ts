import { describe, expect, test } from "vitest";
import { goOutput, sum, tallyGo, tallyVitest } from "../../scripts/testing/tally";

describe("the count of results", () => {
  test("takes vitest's tests", () => {
    const report = {
      numPassedTests: 5,
      numFailedTests: 1,
      testResults: [
        { status: "passed", assertionResults: [{ status: "passed" }] },
        { status: "failed", assertionResults: [{ status: "failed" }, { status: "passed" }] },
      ],
    };
    expect(tallyVitest(report)).toEqual({ passed: 5, failed: 1 });
  });

  test("takes a test file that could not be loaded for one failed", () => {
    const report = {
      numPassedTests: 0,
      numFailedTests: 0,
      testResults: [{ status: "failed", assertionResults: [] }],
    };
    expect(tallyVitest(report)).toEqual({ passed: 0, failed: 1 });
  });

  const events = (...list: object[]) => list.map((one) => JSON.stringify(one)).join("\n");

  test("takes Go's tests, and not their packages", () => {
    const output = events(
      { Action: "run", Package: "p", Test: "TestA" },
      { Action: "pass", Package: "p", Test: "TestA" },
      { Action: "skip", Package: "p", Test: "TestB" },
      { Action: "fail", Package: "p", Test: "TestC" },
      { Action: "fail", Package: "p" },
      { Action: "pass", Package: "q" },
    );
    expect(tallyGo(output)).toEqual({ passed: 1, failed: 1 });
  });

  test("takes a Go package that does not compile for one failed", () => {
    const output = `# p\np.go:1: syntax error\n${events({ Action: "fail", Package: "p" })}`;
    expect(tallyGo(output)).toEqual({ passed: 0, failed: 1 });
    expect(goOutput(output)).toContain("p.go:1: syntax error");
  });

  test("shows what go test says, without the events", () => {
    const output = events({ Action: "output", Output: "--- FAIL: TestC\n" }, { Action: "fail" });
    expect(goOutput(output)).toBe("--- FAIL: TestC\n");
  });

  test("is summed", () => {
    expect(sum([])).toEqual({ passed: 0, failed: 0 });
    expect(
      sum([
        { passed: 2, failed: 0 },
        { passed: 3, failed: 1 },
      ]),
    ).toEqual({ passed: 5, failed: 1 });
  });
});
