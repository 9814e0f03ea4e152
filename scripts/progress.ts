import { relative } from "node:path";
import { describeFailure } from "./problem";

/** Where progress is written: standard error, so that a command's own output stays clean. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** What is told about a step before it runs. */
export interface StepInfo {
  /** What is being done: "Pulumi CLI v3.256.0: building from Go modules". */
  title: string;
  /** How long it takes on two cores: "about 4 min the first time". */
  usually?: string;
  /** The file that has the step's whole output. */
  log?: string;
  /** It may well fail, and then something else is done: no failure is shown. */
  isAttempt?: boolean;
  /** It is over before anybody wonders, so that the line after it is enough. */
  isShort?: boolean;
}

/** How often a long step says that it is still at work where lines cannot be rewritten. */
const TICK_SECONDS = 20;

/** Tells what is being done, and for how long: live on a terminal, as plain lines elsewhere. */
export class Progress {
  private readonly running = new Map<symbol, { title: string; since: number }>();
  private timer: NodeJS.Timeout | undefined;
  private statusShown = false;

  constructor(
    private readonly stream: ProgressStream = process.stderr,
    private readonly now: () => number = Date.now,
  ) {}

  /** Prints one line. */
  note(line: string): void {
    this.clearStatus();
    this.stream.write(`${line}\n`);
    this.showStatus();
  }

  /** Does `work`, told before, during and after. Failures are told too, and thrown on. */
  async step<T>(info: StepInfo, work: () => Promise<T>): Promise<T> {
    const key = Symbol(info.title);
    const since = this.now();
    if (info.isShort !== true) this.note(announce(info));
    this.running.set(key, { title: info.title, since });
    this.startTicking();
    let outcome = info.isAttempt === true ? "–" : "✗";
    try {
      const result = await work();
      outcome = "✓";
      return result;
    } finally {
      this.running.delete(key);
      this.stopTickingWhenIdle();
      this.note(`${outcome} ${info.title} (${formatDuration(this.now() - since)})`);
    }
  }

  /** Prints a failure that does not end the run. */
  failure(error: unknown): void {
    this.note(describeFailure(error));
  }

  private startTicking(): void {
    if (this.timer !== undefined) return;
    const live = this.stream.isTTY === true;
    let seconds = 0;
    this.timer = setInterval(() => {
      seconds += 1;
      if (live) {
        this.clearStatus();
        this.showStatus();
      } else if (seconds % TICK_SECONDS === 0) {
        for (const step of this.running.values()) {
          const elapsed = formatDuration(this.now() - step.since);
          this.stream.write(`  ${step.title}: still at work after ${elapsed}\n`);
        }
      }
    }, 1_000);
    this.timer.unref();
  }

  private stopTickingWhenIdle(): void {
    if (this.running.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.clearStatus();
  }

  /** On a terminal, the last line shows what runs and for how long. */
  private showStatus(): void {
    if (this.stream.isTTY !== true || this.running.size === 0) return;
    const steps = [...this.running.values()].map(
      (step) => `${shorten(step.title)} ${formatDuration(this.now() - step.since)}`,
    );
    const line = `  … ${steps.join(" · ")}`;
    this.stream.write(line.slice(0, (this.stream.columns ?? 80) - 1));
    this.statusShown = true;
  }

  private clearStatus(): void {
    if (!this.statusShown) return;
    this.stream.write("\r\u001b[K");
    this.statusShown = false;
  }
}

/** The line before a step: what, how long it usually takes, where its output is. */
export function announce(info: StepInfo, folder = process.cwd()): string {
  const details = [
    ...(info.usually === undefined ? [] : [`usually ${info.usually}`]),
    ...(info.log === undefined ? [] : [`log: ${relative(folder, info.log)}`]),
  ];
  return `▸ ${info.title}${details.length > 0 ? ` (${details.join("; ")})` : ""}`;
}

/** A duration for people: "0.4 s", "12 s", "3 min 5 s". */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1_000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** "Pulumi CLI v3.256.0: building from Go modules" → "Pulumi CLI v3.256.0" */
function shorten(title: string): string {
  return title.split(":", 1)[0] ?? title;
}
