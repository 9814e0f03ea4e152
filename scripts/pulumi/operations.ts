import { z } from "zod";

/** An operation that Pulumi has begun and not ended. */
export interface Operation {
  urn: string;
  /** The component that the resource is in; empty if it is in none. */
  parent: string;
  /** When it began, in ms. */
  since: number;
}

const resourceSchema = z
  .object({ parent: z.string().optional(), custom: z.boolean().optional() })
  .nullish();
const metadataSchema = z.object({
  metadata: z.object({
    urn: z.string(),
    op: z.string(),
    old: resourceSchema,
    new: resourceSchema,
  }),
});
const eventSchema = z.object({
  resourcePreEvent: metadataSchema.optional(),
  resOutputsEvent: metadataSchema.optional(),
  resOpFailedEvent: metadataSchema.optional(),
});

/** What Pulumi is doing, by its events. */
export class Operations {
  private readonly running = new Map<string, Operation>();
  /** When the last event came, in ms. */
  lastEvent: number;

  constructor(private readonly now: () => number = Date.now) {
    this.lastEvent = now();
  }

  /** Takes an event of the engine, as a line of its event log has it. */
  take(event: unknown): void {
    this.lastEvent = this.now();
    const { data } = eventSchema.safeParse(event);
    const begun = data?.resourcePreEvent?.metadata;
    const resource = begun?.new ?? begun?.old;
    // A component lasts as long as the program has something to say of it, and is nothing to wait for.
    if (begun && resource?.custom === true && begun.op !== "same") {
      const { parent = "" } = resource;
      this.running.set(keyOf(begun), { urn: begun.urn, parent, since: this.now() });
    }
    const ended = (data?.resOutputsEvent ?? data?.resOpFailedEvent)?.metadata;
    if (ended) this.running.delete(keyOf(ended));
  }

  /** What has begun and not ended. */
  inHand(): Operation[] {
    return [...this.running.values()];
  }

  /**
   * The operations for which nothing but their end is waited for, each of them longer than it may
   * take; none while anything else is being done.
   *
   * @param limit What an operation may take, in ms; undefined if that is not for us to say.
   */
  overdue(limit: (operation: Operation) => number | undefined): Operation[] {
    const all = this.inHand();
    const isOverdue = (operation: Operation) =>
      this.now() - operation.since > (limit(operation) ?? Infinity);
    return all.every(isOverdue) ? all : [];
  }
}

function keyOf({ urn, op }: { urn: string; op: string }): string {
  return `${op} ${urn}`;
}
