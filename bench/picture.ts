/** The ratios as a picture for the README. Pure. */
import { formatNumber, type Row } from "./report";

const width = 820;
const rowHeight = 34;
const [labelsEnd, barsEnd] = [330, 640];

/**
 * A bar for each row with a ratio, on a logarithmic scale, from 1 (no difference) to the right where
 * we are better and to the left where we are worse.
 *
 * Where less is better, the bar shows how many times less. No background, and colours that are
 * readable on white and on black.
 */
export function renderPicture(rows: readonly Row[]): string {
  const bars = rows.flatMap((row) =>
    row.ratio === null || row.ratio <= 0 ? [] : [{ row, times: timesBetter(row, row.ratio) }],
  );
  const [least, most] = [0.5, Math.max(2, ...bars.map(({ times }) => times))];
  const x = (times: number) => {
    const part = Math.log(Math.max(times, least) / least) / Math.log(most / least);
    return labelsEnd + part * (barsEnd - labelsEnd);
  };
  const height = bars.length * rowHeight + 40;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-label="How this project compares">
<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .quiet { fill: #6e7781; }
  .better { fill: #2da44e; }
  .worse { fill: #cf222e; }
  .even { stroke: #6e7781; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #8b949e; }
  }
</style>
${bars.map(({ row, times }, index) => renderBar(row, times, 10 + index * rowHeight, x)).join("\n")}
<line class="even" x1="${place(x(1))}" y1="4" x2="${place(x(1))}" y2="${height - 30}"/>
<text class="quiet" x="${labelsEnd}" y="${height - 10}">← worse · better →   (logarithmic; the line is 1×)</text>
</svg>
`;
}

function renderBar(row: Row, times: number, y: number, x: (times: number) => number): string {
  const [from, to] = [Math.min(x(1), x(times)), Math.max(x(1), x(times))];
  const bar = times >= 1 ? "better" : "worse";
  return [
    `<text x="${labelsEnd - 12}" y="${y + 13}" text-anchor="end">${escape(row.name)}</text>`,
    `<rect class="${bar}" x="${place(from)}" y="${y}" width="${place(Math.max(1, to - from))}" height="18" rx="2"/>`,
    `<text x="${place(Math.max(to, x(1)) + 8)}" y="${y + 13}">${formatNumber(row.ratio ?? 0)}×` +
      `<tspan class="quiet"> of ${escape(row.against ?? "")}</tspan></text>`,
  ].join("\n");
}

/** Less is better where the target is a most. */
function timesBetter(row: Row, ratio: number): number {
  return row.target?.startsWith("≤") === true ? 1 / ratio : ratio;
}

function place(coordinate: number): string {
  return String(Math.round(coordinate * 10) / 10);
}

function escape(text: string): string {
  return text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
