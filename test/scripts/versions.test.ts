import { describe, expect, test } from "vitest";
import { isAtLeast, parseVersion } from "../../scripts/versions";

describe("versions", () => {
  test("are read with and without v, and with what follows the numbers", () => {
    expect(parseVersion("v3.256.0")).toEqual([3, 256, 0]);
    expect(parseVersion("3.256.0-alpha.1+dirty\n")).toEqual([3, 256, 0]);
    expect(parseVersion("")).toBeUndefined();
    expect(parseVersion("latest")).toBeUndefined();
  });

  test("are compared as numbers, not as text", () => {
    expect(isAtLeast("3.256.0", "3.200.0")).toBe(true);
    expect(isAtLeast("3.200.0", "3.200.0")).toBe(true);
    expect(isAtLeast("v10.0.0", "9.9.9")).toBe(true);
    expect(isAtLeast("3.99.9", "3.200.0")).toBe(false);
    expect(isAtLeast("2.999.0", "3.200.0")).toBe(false);
  });

  test("that are none are never new enough", () => {
    expect(isAtLeast("", "3.200.0")).toBe(false);
    expect(isAtLeast("dev", "3.200.0")).toBe(false);
  });
});
