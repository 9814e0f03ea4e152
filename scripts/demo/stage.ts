import { Problem } from "../problem";
import type { Progress, StepInfo } from "../progress";

/** Ctrl-C, an end by others, and a terminal that was closed. */
const endings = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Where a demonstration takes place: its steps, and what must be gone when it is over. When the
 * process is asked to end, the step in hand ends first, as half of a deployment is hard to remove,
 * and no further one begins.
 */
export class Stage {
  /** 0 if all went well. */
  exitCode = 0;
  private readonly removals: (() => Promise<void>)[] = [];
  private isInterrupted = false;

  constructor(private readonly progress: Progress) {
    // A terminal that was closed takes no more lines; there still is something to remove.
    process.stderr.on("error", () => undefined);
    for (const ending of endings) process.on(ending, this.interrupt);
  }

  /** Does a step, told with its time, unless the demonstration is to end. */
  async step<T>(info: StepInfo, work: () => Promise<T>): Promise<T> {
    if (this.isInterrupted) throw new Interrupted();
    return this.progress.step(info, work);
  }

  /** What {@link clear} does, the last one first. It may be about something that is not there. */
  removeLater(remove: () => Promise<void>): void {
    this.removals.push(remove);
  }

  /** Tells why the demonstration ends early. */
  fail(error: unknown): void {
    this.exitCode = this.isInterrupted ? 130 : 1;
    // Ctrl-C reaches the step's programs too: that they failed says nothing.
    if (!this.isInterrupted) this.progress.failure(error);
  }

  /** Removes everything that was made; what fails does not keep the rest. */
  async clear(): Promise<void> {
    const info = {
      title: "everything removed: containers, network, volumes, state",
      isShort: true,
    };
    const failures: unknown[] = [];
    try {
      await this.progress.step(info, async () => {
        for (const remove of this.removals.reverse()) {
          await remove().catch((error: unknown) => failures.push(error));
        }
        if (failures.length > 0) throw new Problem("something is left of the demonstration:");
      });
    } catch {
      this.exitCode ||= 1;
      for (const failure of failures) this.progress.failure(failure);
    }
    for (const ending of endings) process.off(ending, this.interrupt);
    if (this.isInterrupted) this.exitCode = 130;
  }

  private readonly interrupt = (): void => {
    if (this.isInterrupted) return;
    this.isInterrupted = true;
    this.progress.note("• ending: what was made is removed first, which takes some seconds");
  };
}

class Interrupted extends Error {}
