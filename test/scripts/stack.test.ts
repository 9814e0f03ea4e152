import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  chooseStack,
  hasContainers,
  selectedStack,
  stackArgument,
  stackExists,
} from "../../scripts/pulumi/stack";

describe("the stack", () => {
  test("is dev when nobody chose one", () => {
    expect(chooseStack([], {}, undefined)).toEqual({ name: "dev", from: "default" });
    expect(chooseStack([], { PULUMI_STACK: "" }, undefined).name).toBe("dev");
  });

  test("is that of an argument before PULUMI_STACK before the selected one", () => {
    const env = { PULUMI_STACK: "organization/private-registry/staging" };
    expect(chooseStack(["--stack", "prod"], env, "dev")).toEqual({
      name: "prod",
      from: "argument",
    });
    expect(chooseStack([], env, "dev")).toEqual({ name: "staging", from: "environment" });
    expect(chooseStack([], {}, "organization/private-registry/web")).toEqual({
      name: "web",
      from: "selected",
    });
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
    const project = "/some/where/Pulumi.yaml";
    const id = createHash("sha1").update(project).digest("hex");
    const selected = (backend: string) => selectedStack(folder, "hub", project, backend);
    expect(selected("file:///a")).toBeUndefined();
    mkdirSync(join(folder, "workspaces"));
    const file = join(folder, "workspaces", `hub-${id}-workspace.json`);
    writeFileSync(file, JSON.stringify({ stacks: { "file:///a": "organization/hub/web" } }));
    expect(selected("file:///a")).toBe("organization/hub/web");
    expect(selected("file:///b")).toBeUndefined();
    // As older releases write it.
    writeFileSync(file, JSON.stringify({ stack: "organization/hub/web" }));
    expect(selected("file:///b")).toBe("organization/hub/web");
    writeFileSync(file, "{ broken");
    expect(selected("file:///a")).toBeUndefined();
  });

  test("one exists once the local backend has its state, and is deployed once it has containers", () => {
    expect(stackExists(folder, "hub", "dev")).toBe(false);
    expect(hasContainers(folder, "hub", "dev")).toBe(false);
    const states = join(folder, "state", ".pulumi", "stacks", "hub");
    mkdirSync(states, { recursive: true });
    writeFileSync(join(states, "dev.json"), "{}");
    expect(stackExists(folder, "hub", "dev")).toBe(true);
    expect(hasContainers(folder, "hub", "dev")).toBe(false);
    const resources = [{ type: "docker:index/container:Container" }];
    writeFileSync(join(states, "dev.json"), JSON.stringify({ resources }));
    expect(hasContainers(folder, "hub", "dev")).toBe(true);
  });
});
