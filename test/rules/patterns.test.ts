import { describe, expect, it } from "vitest";
import { re2Pattern } from "../../components/rules/patterns";

describe("a regular expression of the registry", () => {
  it.each([
    "^https://mcr\\.microsoft\\.com/",
    "(?i)^HTTPS://[^/]+/",
    "(?P<host>a|b)",
    "a{1,1000}",
    "\\Qa.b\\E",
    "[[:alpha:]]\\d",
    "[]a]",
    "(?i:a)b\\.\\/\\-",
    "\\\\1",
  ])("may be %s", (value) => {
    expect(re2Pattern(value)).toBeUndefined();
  });

  // The registry panics at its start with any of these: "validation.manifests.urls.allow: error …".
  it.each([
    "(",
    "*",
    "a**",
    "[a",
    "(?=a)",
    "(?!a)",
    "(?<=a)",
    "(?<!a)",
    "(a)\\1",
    "\\y",
    "\\cA",
    "\\é",
    "[^]",
    "[]",
    "a{1001}",
    "a{2,1001}",
  ])("is not %s", (value) => {
    expect(re2Pattern(value)).toEqual({});
  });
});
