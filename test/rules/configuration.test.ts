import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { registryRules } from "../../components/rules/registry";
import { childOf, leaves, unwrapped } from "../../components/rules/schema";
import { isPemKey, isSecretPath, secretKeys } from "../../components/rules/configuration";

/** The paths of all settings that the rules call secret. */
function secretLeaves(schema: z.ZodType, path: string[] = []): string[][] {
  const bare = unwrapped(schema);
  const leaf = leaves.get(bare);
  if (leaf !== undefined) return leaf.secret === true ? [path] : [];
  const { shape } = bare as { shape?: Record<string, z.ZodType> };
  const steps = shape === undefined ? ["*"] : Object.keys(shape);
  return steps.flatMap((step) => {
    const child = childOf(bare, step);
    return child === undefined ? [] : secretLeaves(child, [...path, step]);
  });
}

describe("the list of secret settings", () => {
  it("has those that the rules call secret, and no others", () => {
    expect(secretKeys.map(String).sort()).toEqual(secretLeaves(registryRules).map(String).sort());
  });

  it("knows each by its path", () => {
    expect(isSecretPath(["users", "a.b", "password"])).toBe(true);
    expect(isSecretPath(["clients", "web1", "proxy", "privateKey"])).toBe(true);
    for (const path of [["users", "password"], ["users", "a", "access"], ["password"], []]) {
      expect(isSecretPath(path), path.join(".")).toBe(false);
    }
    expect(isPemKey(["ownCertificate", "privateKeyPem"])).toBe(true);
    expect(isPemKey(["clients", "a", "privateKeyPassword"])).toBe(false);
  });
});
