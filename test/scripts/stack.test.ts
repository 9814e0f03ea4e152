import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  chooseStack,
  hasContainers,
  localName,
  localStacks,
  selectedStack,
  shortName,
  stackArgument,
  stackExists,
} from "../../scripts/pulumi/stack";

const none = () => undefined;

describe("the stack", () => {
  test("is dev when nobody chose one", () => {
    expect(chooseStack([], {}, none)).toEqual({ name: "dev", from: "default" });
    expect(chooseStack([], { PULUMI_STACK: "" }, none).name).toBe("dev");
    expect(chooseStack(["--stack="], {}, none).name).toBe("dev");
  });

  test("is that of an argument before PULUMI_STACK before the selected one", () => {
    const env = { PULUMI_STACK: "staging" };
    const dev = () => "dev";
    const argument = { name: "prod", from: "argument" };
    expect(chooseStack(["--stack", "prod"], env, dev)).toEqual(argument);
    expect(chooseStack([], env, dev)).toEqual({ name: "staging", from: "environment" });
    expect(chooseStack([], {}, dev)).toEqual({ name: "dev", from: "selected" });
  });

  test("keeps its organization, which only its settings' file does not have", () => {
    expect(chooseStack(["-s", "acme/prod"], {}, none).name).toBe("acme/prod");
    const full = () => "acme/private-registry/prod";
    expect(chooseStack([], {}, full).name).toBe("acme/private-registry/prod");
    expect(chooseStack([], { PULUMI_STACK: "acme/prod" }, none).name).toBe("acme/prod");
    expect(shortName("acme/private-registry/prod")).toBe("prod");
    expect(shortName("prod")).toBe("prod");
  });

  test("of the local backend has a short name, if it is one of this project", () => {
    expect(localName("organization/hub/dev", "hub")).toBe("dev");
    expect(localName("organization/dev", "hub")).toBe("dev");
    expect(localName("dev", "hub")).toBe("dev");
    // For Pulumi to refuse.
    expect(localName("organization/other/dev", "hub")).toBe("organization/other/dev");
    expect(localName("acme/dev", "hub")).toBe("acme/dev");
  });

  test("is found in every way that the CLI takes it", () => {
    expect(stackArgument(["-s", "a"])).toBe("a");
    expect(stackArgument(["-sa"])).toBe("a");
    expect(stackArgument(["--yes", "--stack=a"])).toBe("a");
    expect(stackArgument(["--skip-preview", "--show-secrets"])).toBeUndefined();
    expect(stackArgument(["config", "set", "x", "--", "--stack", "a"])).toBeUndefined();
  });
});

describe("the stacks on disk", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "stack-test-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  test("the selected one is where the CLI remembers it, for each backend", () => {
    const id = createHash("sha1").update("/some/where/Pulumi.yaml").digest("hex");
    const selected = (backend: string) =>
      selectedStack(folder, "hub", ["/a/link", "/some/where"], backend);
    expect(selected("file:///a")).toBeUndefined();
    mkdirSync(join(folder, "workspaces"));
    const file = join(folder, "workspaces", `hub-${id}-workspace.json`);
    writeFileSync(file, JSON.stringify({ stacks: { "file:///a": "organization/hub/web" } }));
    expect(selected("file:///a")).toBe("organization/hub/web");
    expect(selected("file:///b")).toBeUndefined();
    // As older releases write it.
    writeFileSync(file, JSON.stringify({ stack: "organization/hub/web" }));
    expect(selected("file:///b")).toBe("organization/hub/web");
    // The default would not be the one that is meant.
    writeFileSync(file, "{ broken");
    expect(() => selected("file:///a")).toThrow(`${file}: is no JSON`);
  });

  test("the last one that was selected counts, however the checkout's path was spelled", () => {
    mkdirSync(join(folder, "workspaces"));
    const select = (checkout: string, stack: string, at: number) => {
      const id = createHash("sha1").update(join(checkout, "Pulumi.yaml")).digest("hex");
      const file = join(folder, "workspaces", `hub-${id}-workspace.json`);
      writeFileSync(file, JSON.stringify({ stacks: { "file:///a": stack } }));
      utimesSync(file, at, at);
    };
    const selected = () => selectedStack(folder, "hub", ["/link", "/real"], "file:///a");
    select("/real", "one", 1);
    expect(selected()).toBe("one");
    select("/link", "two", 2);
    expect(selected()).toBe("two");
    select("/real", "three", 3);
    expect(selected()).toBe("three");
  });

  test("one exists once the local backend has its state, and is deployed once it has containers", () => {
    expect(stackExists(folder, "hub", "dev")).toBe(false);
    expect(hasContainers(folder, "hub", "dev")).toBe(false);
    expect(localStacks(folder, "hub")).toEqual([]);
    const states = join(folder, "state", ".pulumi", "stacks", "hub");
    mkdirSync(states, { recursive: true });
    writeFileSync(join(states, "dev.json"), "{}");
    writeFileSync(join(states, "dev.json.bak"), "{}");
    expect(stackExists(folder, "hub", "dev")).toBe(true);
    expect(localStacks(folder, "hub")).toEqual(["dev"]);
    expect(hasContainers(folder, "hub", "dev")).toBe(false);
    const resources = [{ type: "docker:index/container:Container" }];
    writeFileSync(join(states, "dev.json"), JSON.stringify({ resources }));
    expect(hasContainers(folder, "hub", "dev")).toBe(true);
  });
});
