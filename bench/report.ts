/** What the measurements say: rows of numbers, a table of them and the JSON. Pure. */

/** One thing that was measured, with a number a round for each system that took part. */
export interface Measurement {
  name: string;
  unit: string;
  ours: readonly number[];
  recipe?: readonly number[];
  bare?: readonly number[];
  /** A system of this row alone, such as the plain static site. */
  other?: { name: string; samples: readonly number[] };
  /** What the ratio is to; undefined where our number stands by itself. */
  against?: "recipe" | "bare" | "other";
  /** Of the ratio, or of our number if there is none; undefined where no bar is set. */
  target?: Target;
  /** What is known of the reason, told only if the target is missed. */
  whyMissed?: string;
  /** What a reader should know, told whether the target is met or not. */
  remark?: string;
}

export type Target = { atLeast: number } | { atMost: number };

/** A line of the table and of results/latest.json. */
export interface Row {
  name: string;
  unit: string;
  /** Medians. */
  ours: number;
  recipe: number | null;
  bare: number | null;
  other: { name: string; value: number } | null;
  /** What the ratio is to. */
  against: string | null;
  /** Of the medians. */
  ratio: number | null;
  /** The least and the greatest ratio of a round. */
  spread: readonly [number, number] | null;
  /** Such as "≥ 100"; null where no bar is set. */
  target: string | null;
  met: boolean | null;
  /** How far from the target, in words; null if met. */
  missedBy: string | null;
  why: string | null;
  remark: string | null;
}

export function toRow(measurement: Measurement): Row {
  const { name, unit, ours, recipe, bare, other, against, target } = measurement;
  const reference = against === "other" ? other?.samples : against && measurement[against];
  const ratio = reference === undefined ? null : median(ours) / median(reference);
  const value = ratio ?? median(ours);
  const met = target === undefined ? null : isMet(value, target);
  return {
    name,
    unit,
    ours: median(ours),
    recipe: recipe === undefined ? null : median(recipe),
    bare: bare === undefined ? null : median(bare),
    other: other === undefined ? null : { name: other.name, value: median(other.samples) },
    against: (against === "other" ? other?.name : against) ?? null,
    ratio,
    spread: reference === undefined ? null : ratioSpread(ours, reference),
    target: target === undefined ? null : formatTarget(target),
    met,
    missedBy: target === undefined || met === true ? null : formatMiss(value, target),
    why: met === false ? (measurement.whyMissed ?? null) : null,
    remark: measurement.remark ?? null,
  };
}

/** The middle number, or the mean of the middle two. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const [low, high] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]];
  if (low === undefined || high === undefined) {
    throw new Error("median: expected at least one number, got none");
  }
  return (low + high) / 2;
}

/** The table for a terminal, with the reasons of what is missed and the remarks below it. */
export function formatTable(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.name,
    row.unit,
    formatNumber(row.ours),
    row.recipe === null ? "–" : formatNumber(row.recipe),
    row.bare === null ? "–" : formatNumber(row.bare),
    row.other === null ? "–" : `${formatNumber(row.other.value)} (${row.other.name})`,
    row.ratio === null ? "–" : formatNumber(row.ratio),
    row.spread === null ? "–" : row.spread.map(formatNumber).join("–"),
    row.target ?? "–",
    row.met === null ? "" : row.met ? "met" : "MISSED",
  ]);
  const head = [
    ...["", "unit", "ours", "recipe", "bare", "other", "ratio", "spread"],
    ...["target", ""],
  ];
  const table = [head, ...lines];
  const widths = head.map((_, column) =>
    Math.max(...table.map((cells) => (cells[column] ?? "").length)),
  );
  const text = table.map((cells) =>
    cells
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  const notes = rows.flatMap(({ name, missedBy, why, remark }) => {
    const words = [
      missedBy === null ? [] : `missed by ${missedBy}`,
      why ?? [],
      remark ?? [],
    ].flat();
    return words.length === 0 ? [] : [`${name}: ${words.join("; ")}`];
  });
  return [...text, "", ...notes, ""].join("\n");
}

/** Three significant digits, and no more of them than the number has before its point. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) {
    return Math.round(value).toLocaleString("en-US");
  }
  return String(Number(value.toPrecision(3)));
}

function ratioSpread(
  ours: readonly number[],
  reference: readonly number[],
): readonly [number, number] {
  // Systems took turns: what was measured side by side is compared.
  const ratios = ours.flatMap((value, round) => {
    const other = reference[round];
    return other === undefined ? [] : [value / other];
  });
  return [Math.min(...ratios), Math.max(...ratios)];
}

function isMet(value: number, target: Target): boolean {
  return "atLeast" in target ? value >= target.atLeast : value <= target.atMost;
}

function formatTarget(target: Target): string {
  return "atLeast" in target
    ? `≥ ${formatNumber(target.atLeast)}`
    : `≤ ${formatNumber(target.atMost)}`;
}

function formatMiss(value: number, target: Target): string {
  const bar = "atLeast" in target ? target.atLeast : target.atMost;
  return bar === 0 ? formatNumber(value) : `${formatNumber((Math.abs(value - bar) / bar) * 100)} %`;
}
