import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { join, quote } from "../../components/render/shell";

describe("quote", () => {
  it("leaves plain words alone", () => {
    expect(quote("registry:3.1.2")).toBe("registry:3.1.2");
  });

  it("quotes the empty word", () => {
    expect(quote("")).toBe("''");
  });

  it.each(["a b", "it's", "$HOME", "`id`", 'say "hi"', "a\nb", "back\\slash", "*", "~", "!x", "#"])(
    "hands %j to a real shell unchanged",
    (word) => {
      expect(execFileSync("sh", ["-c", `printf %s ${quote(word)}`], { encoding: "utf8" })).toBe(
        word,
      );
    },
  );
});

describe("join", () => {
  it("quotes each word by itself", () => {
    expect(join(["docker", "run", "--env", "A=b c"])).toBe("docker run --env 'A=b c'");
  });
});
