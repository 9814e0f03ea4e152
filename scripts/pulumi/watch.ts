import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { formatDuration, type Progress } from "../progress";
import { type Operation, Operations } from "./operations";
import { endCommandProvider } from "./providers";
import { CLIENT, nameOf, typeOf } from "./urn";

/** What a client's set-up or removal may take: a service may be restarted for it. */
const CLIENT_SECONDS = 300;

/** What it may take once it has been ended for taking too long. */
const AGAIN_SECONDS = 60;

/** How long nothing at all may happen: images may be pulled over a slow line meanwhile. */
const SILENT_SECONDS = 30 * 60;

/** How long a run may take to end in good order, and how long to end at all. */
const ENDING_SECONDS = 30;

/** A running Pulumi CLI. */
export interface RunningCli {
  pid?: number | undefined;
  kill(signal: NodeJS.Signals): unknown;
}

/**
 * Watches a run of the CLI by its event log, so that it has an end: a client that does not answer is
 * made to fail, and a run in which nothing happens any more is ended.
 */
export class Watch {
  /** The operations on clients that took too long, by URN; of earlier runs too. */
  readonly overdue = new Set<string>();
  /** Whether the run was ended because nothing happened any more. */
  isStuck = false;
  private readonly clientSeconds: number;

  constructor(
    private readonly progress: Progress,
    env: NodeJS.ProcessEnv,
    private readonly silentSeconds = SILENT_SECONDS,
  ) {
    this.clientSeconds = Number(env["PRIVATE_REGISTRY_CLIENT_SECONDS"]) || CLIENT_SECONDS;
  }

  /**
   * @param log The event log, which need not be there yet.
   * @returns What ends the watch.
   */
  start(cli: RunningCli, log: string): () => void {
    const operations = new Operations();
    const lines = new GrowingLines(log);
    let signals: NodeJS.Signals[] = ["SIGINT", "SIGINT", "SIGKILL"];
    let nextSignal = 0;
    const look = () => {
      for (const line of lines.read()) operations.take(JSON.parse(line));
      const overdue = operations.overdue((operation) => this.limit(operation));
      if (overdue.length > 0 && cli.pid !== undefined && endCommandProvider(cli.pid)) {
        this.tellOverdue(overdue);
        return;
      }
      const silence = Date.now() - operations.lastEvent;
      if (silence < this.silentSeconds * 1_000 || Date.now() < nextSignal) return;
      if (!this.isStuck) this.tellStuck(operations.inHand());
      this.isStuck = true;
      const [signal, ...later] = signals;
      if (signal !== undefined) cli.kill(signal);
      signals = later;
      nextSignal = Date.now() + ENDING_SECONDS * 1_000;
    };
    const timer = setInterval(look, 1_000);
    return () => clearInterval(timer);
  }

  private limit({ urn, parent }: Operation): number | undefined {
    if (typeOf(parent) !== CLIENT) return undefined;
    const again = this.overdue.has(urn) ? AGAIN_SECONDS : Infinity;
    return Math.min(again, this.clientSeconds) * 1_000;
  }

  private tellOverdue(operations: readonly Operation[]): void {
    for (const { urn, parent, since } of operations) {
      this.overdue.add(urn);
      const time = formatDuration(Date.now() - since);
      this.progress.note(`✗ ${nameOf(parent)}: no answer within ${time}, and no longer waited for`);
    }
  }

  private tellStuck(operations: readonly Operation[]): void {
    const names = operations.map(({ urn }) => nameOf(urn)).join(", ") || "Pulumi's program";
    const time = formatDuration(this.silentSeconds * 1_000);
    this.progress.note(
      `✗ nothing has happened for ${time}: ending the run, which waits for ${names}`,
    );
    this.progress.note(
      "  See what holds it up: npm run doctor; then npm run up goes on from there.",
    );
  }
}

/** The lines of a file that another process appends to. */
class GrowingLines {
  private position = 0;
  private rest = Buffer.alloc(0);

  constructor(private readonly file: string) {}

  /** The lines that have become whole since the last time. */
  read(): string[] {
    if (!existsSync(this.file)) return [];
    const buffer = Buffer.alloc(1 << 16);
    const pieces: Buffer[] = [];
    const descriptor = openSync(this.file, "r");
    try {
      for (;;) {
        const length = readSync(descriptor, buffer, 0, buffer.length, this.position);
        if (length === 0) break;
        pieces.push(Buffer.from(buffer.subarray(0, length)));
        this.position += length;
      }
    } finally {
      closeSync(descriptor);
    }
    const text = Buffer.concat([this.rest, ...pieces]);
    const end = text.lastIndexOf("\n") + 1;
    this.rest = text.subarray(end);
    return text
      .subarray(0, end)
      .toString()
      .split("\n")
      .filter((line) => line !== "");
  }
}
