import { describe, expect, test } from "vitest";
import { renderPicture } from "../../bench/picture";
import { formatNumber, formatTable, median, toRow } from "../../bench/report";

describe("a row", () => {
  test("has the ratio of the medians, and the spread of what was measured side by side", () => {
    const row = toRow({
      name: "pulls",
      unit: "MiB/s",
      ours: [200, 100, 400],
      recipe: [100, 100, 100],
      bare: [50, 60],
      against: "recipe",
      target: { atLeast: 1.4 },
    });
    expect(row).toMatchObject({
      ...{ name: "pulls", ours: 200, recipe: 100, bare: 55, ratio: 2, spread: [1, 4] },
      ...{ target: "≥ 1.4", met: true, missedBy: null },
    });
  });

  test("says by how much a target is missed", () => {
    const push = { name: "push", unit: "s", ours: [1.26], bare: [1], against: "bare" } as const;
    expect(toRow({ ...push, target: { atMost: 1.05 } })).toMatchObject({
      met: false,
      missedBy: "20 %",
    });
    const lost = { name: "lost", unit: "requests", ours: [3], target: { atMost: 0 } };
    expect(toRow(lost)).toMatchObject({ ratio: null, target: "≤ 0", met: false, missedBy: "3" });
  });

  test("can be compared with a system of its own, and have no target", () => {
    const other = { name: "static", samples: [100] };
    expect(toRow({ name: "x", unit: "s", ours: [90], other, against: "other" })).toMatchObject({
      ...{ ratio: 0.9, against: "static", other: { name: "static", value: 100 } },
      ...{ recipe: null, bare: null, target: null, met: null, missedBy: null },
    });
  });
});

test("a median of no numbers is refused, one of two is between them", () => {
  expect(median([3, 1])).toBe(2);
  expect(() => median([])).toThrow("expected at least one number");
});

test("numbers have three digits that count", () => {
  expect([0.0125, 1.2345, 12.345, 123.4, 4090.2, 0].map(formatNumber)).toEqual(
    ["0.0125", "1.23", "12.3", "123", "4,090", "0"], // prettier-ignore
  );
});

const rows = [
  toRow({
    ...{ name: "pulls & more", unit: "MiB/s", ours: [280], recipe: [100], against: "recipe" },
    target: { atLeast: 1.4 },
    remark: "the clients decrypt",
  }),
  toRow({
    ...{ name: "push", unit: "s", ours: [2], bare: [1], against: "bare" },
    target: { atMost: 1.05 },
    whyMissed: "one more hop",
  }),
];

test("the table has a line for each row, then what is missed and the remarks", () => {
  const lines = formatTable(rows).split("\n");
  expect(lines[0]).toMatch(/^ +unit +ours +recipe +bare +other +ratio +spread +target$/);
  expect(lines[1]).toMatch(/^pulls & more +MiB\/s +280 +100 +– +– +2\.8 +2\.8–2\.8 +≥ 1\.4 +met$/);
  expect(lines[2]).toMatch(/^push +s +2 +– +1 +– +2 +2–2 +≤ 1\.05 +MISSED$/);
  expect(lines.slice(3)).toEqual([
    ...["", "pulls & more: the clients decrypt", "push: missed by 90.5 %; one more hop", ""],
  ]);
});

test("the picture shows better to the right and worse to the left, in both colour schemes", () => {
  const picture = renderPicture(rows);
  expect(picture.match(/<rect class="better"/g)).toHaveLength(1);
  expect(picture.match(/<rect class="worse"/g)).toHaveLength(1);
  expect(picture).toContain("pulls &#38; more");
  expect(picture).toContain("prefers-color-scheme: dark");
  expect(picture).not.toMatch(/NaN|undefined/);
});
