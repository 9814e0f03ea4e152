import { describe, expect, test } from "vitest";
import { formatFindings, isHealthy, type Finding } from "../../scripts/commands/findings";
import { nextSteps } from "../../scripts/commands/next-steps";
import { needsStack } from "../../scripts/commands/pulumi";
import {
  changedInPart,
  refuseHiddenFlags,
  refusePlainSecret,
  withDefaults,
} from "../../scripts/commands/pulumi-arguments";
import { describeFailure } from "../../scripts/problem";
import type { ProjectFacts } from "../../scripts/pulumi/project";

describe("npm run up and down", () => {
  test("ask nothing, unless the user wants to be asked", () => {
    expect(withDefaults([])).toEqual(["--yes", "--skip-preview"]);
    expect(withDefaults(["--refresh"])).toEqual(["--yes", "--skip-preview", "--refresh"]);
    expect(withDefaults(["--skip-preview"])).toEqual(["--yes", "--skip-preview"]);
    expect(withDefaults(["--yes=false"])).toEqual(["--yes=false"]);
    expect(withDefaults(["-y"])).toEqual(["-y"]);
    expect(withDefaults(["--help"])).toEqual(["--help"]);
  });

  const outputs = {
    registryUrl: "https://hub:5443",
    registryHost: "hub:5443",
    loginCommand: "docker login hub:5443 --username admin",
  };
  const settings = { bindAddress: "0.0.0.0", domains: ["hub"], users: ["admin"], clients: [] };
  const stepsFor = (differences: object = {}, others: object = {}) =>
    nextSteps(outputs, "The registry answers at https://hub:5443", {
      npmRun: "npm run",
      project: { ...settings, ...differences } as unknown as ProjectFacts,
      ...others,
    });

  test("end with the URL, the login command and the way back, and with no secret", () => {
    const text = stepsFor();
    expect(text).toContain("https://hub:5443\n");
    expect(text).toContain("docker login hub:5443 --username admin");
    expect(text).toContain("docker push hub:5443/IMAGE");
    expect(text).toContain("npm run -s pulumi -- stack output passwords --show-secrets");
    expect(text).toContain("npm run down");
  });

  test("advise what is not set yet", () => {
    const text = stepsFor();
    expect(text).toContain("config set --path users.alice.access push");
    expect(text).toContain("config set --path 'domains[1]' registry.example.com");
    expect(text).toContain("config set --path clients.web1.host 10.0.0.11");
    const more = stepsFor({
      domains: ["hub", "registry.example.com", "registry1.example.com"],
      users: ["alice", "bob", "carol", "user1", "user2"],
      clients: ["web1", "web2", "web4"],
    });
    expect(more).toContain("users.user3.access");
    expect(more).toContain("'domains[3]' registry2.example.com");
    expect(more).toContain("clients.web3.host");
  });

  test("advise no second name where the first is not written as a list", () => {
    expect(stepsFor({ domains: undefined })).not.toContain("domains[");
  });

  test("advise no client that could not reach the registry", () => {
    const text = stepsFor({ bindAddress: "127.0.0.1" });
    expect(text).not.toContain("clients.");
    expect(text).toContain("npm run pulumi -- config set bindAddress 0.0.0.0");
  });

  test("advise commands for the stack of this run, where the next run would take another", () => {
    const text = stepsFor({}, { npmRun: "PULUMI_STACK=web npm run" });
    expect(text).toContain("PULUMI_STACK=web npm run pulumi -- config set --path users.alice");
    expect(text).toContain("PULUMI_STACK=web npm run -s pulumi -- stack output passwords");
    expect(text).not.toMatch(/(?<!PULUMI_STACK=web )npm run/);
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

describe("npm run pulumi -- config set", () => {
  const refusal = (...args: string[]) => {
    try {
      refuseHiddenFlags(["config", "set", ...args], "npm run");
      return undefined;
    } catch (error) {
      return describeFailure(error);
    }
  };
  const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n";

  test.each([
    [["clients.web1.privateKey", key, "--path"]],
    [["--path", "--secret", "clients.web1.privateKey", key]],
    [["--path", "-s", "dev", "--secret", "clients.web1.privateKey", "-----BEGIN"]],
  ])("does not show a private key, and says how it is given: %#", (args) => {
    const said = refusal(...args);
    expect(said).toContain("npm run pulumi -- config set --path");
    expect(said).toContain("clients.web1.privateKey < FILE");
    expect(said).not.toContain("OPENSSH");
  });

  test("makes a secret of a private key", () => {
    expect(refusal("key", key)).toContain("config set --secret key < FILE");
  });

  test.each(["-abc123", "--hunter2", "-", "-----BEGIN CERTIFICATE-----", "-x=y"])(
    "does not show a password that looks like a flag: %s",
    (value) => {
      const said = refusal("--path", "--secret", "users.ci.password", value);
      expect(said).toContain("npm run pulumi -- config set --path --secret users.ci.password");
      if (value !== "-") expect(said).not.toContain(value);
    },
  );

  test.each([
    [["httpsPort", "8443"]],
    [["--path", "--secret", "users.ci.password"]],
    [["--path", "--secret", "users.ci.password", "--", key]],
    [["-s", "dev", "--type", "string", "--plaintext", "x", "y"]],
    [["--stack=dev", "-sdev", "--color", "never", "-v", "3", "--secret=true", "x", "y"]],
    [["--help"]],
  ])("leaves alone what Pulumi understands: %#", (args) => {
    expect(refusal(...args)).toBeUndefined();
  });

  test.each([
    ["config set --path users.bob.access pull", "registry:users"],
    [
      "config set --path=true --secret private-registry:users.bob.password",
      "private-registry:users",
    ],
    ["-s dev config -C x rm users[0] --path", "registry:users"],
    ['config set --path ["clients"].web1.host a', "registry:clients"],
    ["config set users {}", undefined],
    ["config get --path users.bob", undefined],
    ["stack rm --path x", undefined],
    ["config set --path", undefined],
  ])("knows which setting a path is in: %s", (line, setting) => {
    expect(changedInPart(line.split(" "), "registry")).toBe(setting);
  });

  const plain = (...args: string[]) => {
    try {
      refusePlainSecret(["config", "set", ...args], "PULUMI_STACK=x npm run");
      return undefined;
    } catch (error) {
      return describeFailure(error);
    }
  };

  test.each([
    [["--path", "users.ci.password", "hunter2"], "private-registry:users.ci.password"],
    [["users.ci.password", "hunter2", "--path"], "private-registry:users.ci.password"],
    [
      ["--path", "-s", "x", 'private-registry:users["a b"].password', "hunter2"],
      `'private-registry:users["a b"].password'`,
    ],
    [["--path", "--secret=false", "clients.web1.proxy.password", "hunter2"], "proxy.password"],
    [["--path", "ownCertificate.privateKeyPem", "--", "-hunter2"], "privateKeyPem < FILE"],
  ])("does not store a secret as plain text, and says how it is encrypted: %#", (args, place) => {
    const said = plain(...args);
    expect(said).toContain("PULUMI_STACK=x npm run pulumi -- config set --secret --path");
    expect(said).toContain(place);
    expect(said).not.toContain("hunter2");
  });

  test.each([
    [["--path", "--secret", "users.ci.password", "hunter2"]],
    [["--path", "users.ci.access", "pull"]],
    [["httpsPort", "8443"]],
    [["--help"]],
  ])("stores what is no secret, and what is encrypted: %#", (args) => {
    expect(plain(...args)).toBeUndefined();
  });

  test("is the only command that is looked at", () => {
    expect(() => refuseHiddenFlags(["up", "--anything", "-p4"], "npm run")).not.toThrow();
    expect(() => refuseHiddenFlags(["config", "get", "-p4"], "npm run")).not.toThrow();
  });
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
