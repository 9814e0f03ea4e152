import { describe, expect, test } from "vitest";
import { formatFindings, isHealthy, type Finding } from "../../scripts/commands/findings";
import { nextSteps } from "../../scripts/commands/next-steps";
import { needsStack } from "../../scripts/commands/pulumi";
import { withDefaults } from "../../scripts/commands/pulumi-arguments";

describe("npm run up and down", () => {
  test("ask nothing, unless the user wants to be asked", () => {
    expect(withDefaults([])).toEqual(["--yes", "--skip-preview"]);
    expect(withDefaults(["--refresh"])).toEqual(["--yes", "--skip-preview", "--refresh"]);
    expect(withDefaults(["--skip-preview"])).toEqual(["--yes", "--skip-preview"]);
    expect(withDefaults(["--yes=false"])).toEqual(["--yes=false"]);
    expect(withDefaults(["-y"])).toEqual(["-y"]);
    expect(withDefaults(["--help"])).toEqual(["--help"]);
  });

  test("end with the URL, the login command and the way back, and with no secret", () => {
    const text = nextSteps(
      { registryHost: "hub:5443", loginCommand: "docker login hub:5443 --username admin" },
      "The registry answers at https://hub:5443",
    );
    expect(text).toContain("\nThe registry answers at https://hub:5443\n");
    expect(text).toContain("docker login hub:5443 --username admin");
    expect(text).toContain("docker push hub:5443/IMAGE");
    expect(text).toContain("npm run -s pulumi -- stack output passwords --show-secrets");
    expect(text).toContain("npm run down");
  });
});

describe("npm run pulumi", () => {
  test.each(["config set httpsPort 8443", "up", "stack output --json", "stack", "preview"])(
    "makes sure of a stack: %s",
    (line) => expect(needsStack(line.split(" "))).toBe(true),
  );

  test.each(["version", "stack init prod", "stack ls", "login s3://x", "up --help", "plugin ls"])(
    "leaves the stack alone: %s",
    (line) => expect(needsStack(line.split(" "))).toBe(false),
  );
});

describe("npm run doctor", () => {
  const ok: Finding = { thing: "Node", state: "ok", detail: "20.19.0" };
  const missing: Finding = {
    thing: "Pulumi CLI",
    state: "missing",
    detail: "no",
    mend: ["up does."],
  };
  const broken: Finding = { thing: "port", state: "broken", detail: "in use", mend: ["Stop it."] };

  test("fails on what npm run up cannot mend, and only on that", () => {
    expect(isHealthy([ok, missing])).toBe(true);
    expect(isHealthy([ok, broken])).toBe(false);
  });

  test("says of each thing how it is and how it is mended", () => {
    expect(formatFindings([ok, missing, broken])).toBe(`✓ Node        20.19.0
– Pulumi CLI  no
              up does.
✗ port        in use
              Stop it.

1 broken: mend what is marked ✗, then run npm run up.
`);
    expect(formatFindings([ok])).toContain("Everything is here.");
    expect(formatFindings([missing])).toContain("1 missing: npm run up takes care of it.");
  });

  test("does not take what it could not look at for well, nor for broken", () => {
    const unknown: Finding = { thing: "clients", state: "unknown", detail: "no CLI here" };
    expect(isHealthy([ok, unknown])).toBe(true);
    expect(formatFindings([ok, unknown])).toContain("? clients  no CLI here\n");
    expect(formatFindings([ok, unknown])).toContain(
      "What was looked at is well. Not looked at: clients.",
    );
    expect(formatFindings([missing, unknown])).toContain("of it. Not looked at: clients.");
    expect(formatFindings([broken, unknown])).toContain("Not looked at: clients.");
  });
});
