import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { announce, formatDuration, Progress } from "../../scripts/progress";
import { Problem } from "../../scripts/problem";

/** A stream that keeps what is written. */
function recorder(isTTY: boolean) {
  const written: string[] = [];
  return { written, stream: { isTTY, columns: 60, write: (text: string) => written.push(text) } };
}

describe("progress", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("says what is done, how long it usually takes, and where the log is", () => {
    const info = {
      title: "CLI: building",
      usually: "4 min the first time",
      log: "/a/logs/cli.log",
    };
    expect(announce(info, "/a")).toBe(
      "▸ CLI: building (usually 4 min the first time; log: logs/cli.log)",
    );
    expect(announce({ title: "CLI: building" })).toBe("▸ CLI: building");
  });

  test("gives durations for people", () => {
    expect(formatDuration(420)).toBe("0.4 s");
    expect(formatDuration(12_400)).toBe("12 s");
    expect(formatDuration(59_600)).toBe("1 min 0 s");
    expect(formatDuration(185_000)).toBe("3 min 5 s");
  });

  test("of a long step ticks in plain lines where lines cannot be rewritten", async () => {
    const { written, stream } = recorder(false);
    const step = new Progress(stream).step({ title: "CLI: building" }, async () => {
      await new Promise((resolve) => setTimeout(resolve, 45_000));
      return 7;
    });
    await vi.advanceTimersByTimeAsync(45_000);
    expect(await step).toBe(7);
    expect(written).toEqual([
      "▸ CLI: building\n",
      "  CLI: building: still at work after 20 s\n",
      "  CLI: building: still at work after 40 s\n",
      "✓ CLI: building (45 s)\n",
    ]);
  });

  test("of a short step tells its end only", async () => {
    const { written, stream } = recorder(false);
    await new Progress(stream).step({ title: "docker pull", isShort: true }, () =>
      Promise.resolve(),
    );
    expect(written).toEqual(["✓ docker pull (0.0 s)\n"]);
  });

  test("on a terminal shows one live line and takes it away at the end", async () => {
    const { written, stream } = recorder(true);
    const step = new Progress(stream).step({ title: "CLI: building" }, async () => {
      await new Promise((resolve) => setTimeout(resolve, 2_500));
    });
    await vi.advanceTimersByTimeAsync(2_500);
    await step;
    const text = written.join("");
    expect(text).toContain("  … CLI 2.0 s");
    expect(text.endsWith("\r\u001b[K✓ CLI: building (2.5 s)\n")).toBe(true);
  });

  test("tells a failed step from an attempt that failed, and throws on", async () => {
    const { written, stream } = recorder(false);
    const progress = new Progress(stream);
    const fail = () => Promise.reject(new Problem("no", ["mend it"]));
    await expect(progress.step({ title: "A" }, fail)).rejects.toThrow("no");
    await expect(progress.step({ title: "B", isAttempt: true }, fail)).rejects.toThrow("no");
    expect(written.filter((line) => !line.startsWith("▸"))).toEqual([
      "✗ A (0.0 s)\n",
      "– B (0.0 s)\n",
    ]);
  });

  test("prints a problem with its mend, without a stack", () => {
    const { written, stream } = recorder(false);
    new Progress(stream).failure(new Problem("port 443: in use.", ["Stop it."]));
    expect(written).toEqual(["✗ port 443: in use.\n  Stop it.\n"]);
  });
});
