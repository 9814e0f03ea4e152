import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hideRewriting, isOnlyRewritten, unpackJsonText } from "../../scripts/pulumi/settings-file";

const committed = `# For trying out on one machine.
config:
  private-registry:domains:
    - localhost
  private-registry:httpsPort: 5443
  # Named here.
  private-registry:users:
    admin:
      access: push
`;
/** As Pulumi 3.256 stores it when a stack is made. */
const rewritten = `${committed.replace("5443", '"5443"')}encryptionsalt: v1:CQp=:v1:erQ9:Dd9b==\n`;

describe("a settings file that Pulumi has rewritten", () => {
  let folder: string;
  let upstream: string;
  let clone: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "settings-file-test-"));
    [upstream, clone] = [join(folder, "upstream"), join(folder, "clone")];
    git(folder, "init", "--quiet", upstream);
    commit(upstream, "Pulumi.dev.yaml", committed);
    git(folder, "clone", "--quiet", upstream, clone);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function git(cwd: string, ...args: string[]): string {
    const identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
    return execFileSync("git", [...identity, ...args], { cwd, encoding: "utf8", stdio: "pipe" });
  }
  function commit(repository: string, name: string, text: string) {
    writeFileSync(join(repository, name), text);
    git(repository, "add", name);
    git(repository, "commit", "--quiet", "--message", name);
  }
  async function store(text: string): Promise<string> {
    writeFileSync(join(clone, "Pulumi.dev.yaml"), text);
    await hideRewriting(clone, "dev");
    return git(clone, "status", "--porcelain");
  }

  test("is no change to git, and new versions are pulled", async () => {
    expect(await store(rewritten)).toBe("");
    commit(upstream, "README.md", "A new version");
    git(clone, "pull", "--quiet");
    expect(readFileSync(join(clone, "README.md"), "utf8")).toBe("A new version");
    expect(readFileSync(join(clone, "Pulumi.dev.yaml"), "utf8")).toBe(rewritten);
  });

  test("is a change once somebody has changed a setting, until it is changed back", async () => {
    await store(rewritten);
    expect(await store(rewritten.replace("5443", "8443"))).toBe(" M Pulumi.dev.yaml\n");
    expect(await store(rewritten)).toBe("");
    expect(await store(committed)).toBe("");
  });

  test("can be committed with its salt, and then shows every change", async () => {
    const own = rewritten.replace("5443", "8443");
    await store(own);
    git(clone, "commit", "--quiet", "--all", "--message", "our settings");
    expect(await store(own)).toBe("");
    expect(await store(own.replace("8443", "9443"))).toBe(" M Pulumi.dev.yaml\n");
  });

  test("is left alone where git does not track it, or is not there", async () => {
    writeFileSync(join(clone, "Pulumi.prod.yaml"), rewritten);
    await hideRewriting(clone, "prod");
    expect(git(clone, "status", "--porcelain")).toBe("?? Pulumi.prod.yaml\n");
    writeFileSync(join(folder, "Pulumi.dev.yaml"), rewritten);
    await hideRewriting(folder, "dev");
    rmSync(join(clone, "Pulumi.dev.yaml"));
    await hideRewriting(clone, "dev");
    expect(git(clone, "status", "--porcelain")).toContain(" D Pulumi.dev.yaml\n");
  });
});

test("only a salt and other quotes are Pulumi's rewriting", () => {
  expect(isOnlyRewritten(committed, rewritten)).toBe(true);
  expect(isOnlyRewritten(committed, committed)).toBe(false);
  expect(isOnlyRewritten(rewritten, rewritten)).toBe(false);
  expect(isOnlyRewritten(committed, rewritten.replace("localhost", "hub.example.com"))).toBe(false);
  expect(isOnlyRewritten(committed, rewritten.replace("access: push", "access: pull"))).toBe(false);
  for (const text of ["", "{", "- a", "a: &a [*a]"]) {
    expect(isOnlyRewritten(committed, text)).toBe(false);
    expect(isOnlyRewritten(text, rewritten)).toBe(false);
  }
});

describe("a setting that is one JSON text", () => {
  const key = "private-registry:users";
  let file: string;
  beforeEach(
    () => (file = join(mkdtempSync(join(tmpdir(), "settings-file-test-")), "Pulumi.x.yaml")),
  );
  afterEach(() => rmSync(join(file, ".."), { recursive: true }));

  test("gets keys of its own before a part of it is changed, and the rest stays", () => {
    const json = `'{"alice":{},"b \\"x":{"access":"pull"}}'`;
    writeFileSync(file, `# Mine.\nconfig:\n  ${key}: ${json}\n  a:b: "[]" # this too\n`);
    expect(unpackJsonText(file, key)).toBe(true);
    const text = readFileSync(file, "utf8");
    expect(text).toMatch(/^# Mine/);
    expect(text).toContain('a:b: "[]" # this too');
    expect((parse(text) as { config: Record<string, unknown> }).config[key]).toEqual({
      alice: {},
      'b "x': { access: "pull" },
    });
    expect(unpackJsonText(file, key)).toBe(false);
  });

  test.each([
    "5443",
    "hello",
    "'\"text\"'",
    "'{'",
    "{secure: x}",
    `'{"a":{"secure":"x"}}'`,
    "null",
  ])("and nothing else, is touched: %s", (value) => {
    const text = `config:\n  ${key}: ${value}\n`;
    writeFileSync(file, text);
    expect(unpackJsonText(file, key)).toBe(false);
    expect(readFileSync(file, "utf8")).toBe(text);
  });

  test("is not looked for where there are no settings, or none that can be read", () => {
    expect(unpackJsonText(file, key)).toBe(false);
    writeFileSync(file, "config: [");
    expect(unpackJsonText(file, key)).toBe(false);
  });
});
