import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  chooseBackend,
  loggedInTo,
  ownBackend,
  prepareBackend,
  type BackendFacts,
} from "../../scripts/pulumi/environment";

const nowhere = () => undefined;
const fresh: BackendFacts = {
  env: {},
  ownBackend: undefined,
  ownFolder: "/checkout/.private-registry",
  stackHasSalt: false,
  passphraseExists: false,
};

describe("the backend", () => {
  test("is a folder of the checkout, with a generated passphrase, when nobody chose one", () => {
    expect(chooseBackend(fresh)).toEqual({
      backend: "ours",
      generatedPassphrase: true,
      passphraseLost: false,
      env: {
        PULUMI_BACKEND_URL: "file:///checkout/.private-registry/state?metadata=skip",
        PULUMI_CONFIG_PASSPHRASE_FILE: "/checkout/.private-registry/passphrase",
      },
    });
  });

  test.each<[string, Parameters<typeof ownBackend>]>([
    ["PULUMI_BACKEND_URL", [{ PULUMI_BACKEND_URL: "s3://state" }, undefined, nowhere]],
    ["PULUMI_ACCESS_TOKEN", [{ PULUMI_ACCESS_TOKEN: "pul-1" }, undefined, nowhere]],
    ["Pulumi.yaml", [{}, "azblob://state", nowhere]],
    ["pulumi login", [{}, undefined, () => "https://api.pulumi.com"]],
  ])("of the user's is respected: %s", (_from, asked) => {
    const choice = chooseBackend({ ...fresh, env: asked[0], ownBackend: ownBackend(...asked) });
    expect(choice.backend).toBe("own");
    expect(choice.env).not.toHaveProperty("PULUMI_BACKEND_URL");
  });

  test("is found without the credentials where it is named before them", () => {
    const broken = () => expect.unreachable();
    expect(ownBackend({ PULUMI_BACKEND_URL: "s3://state" }, undefined, broken)).toBe("s3://state");
    expect(ownBackend({}, undefined, nowhere)).toBeUndefined();
  });

  test.each<[string, NodeJS.ProcessEnv]>([
    ["PULUMI_CONFIG_PASSPHRASE", { PULUMI_CONFIG_PASSPHRASE: "mine" }],
    ["an empty PULUMI_CONFIG_PASSPHRASE", { PULUMI_CONFIG_PASSPHRASE: "" }],
    ["PULUMI_CONFIG_PASSPHRASE_FILE", { PULUMI_CONFIG_PASSPHRASE_FILE: "/mine" }],
  ])("keeps a passphrase of the user's: %s", (_from, env) => {
    const choice = chooseBackend({ ...fresh, env });
    expect(choice.generatedPassphrase).toBe(false);
    expect(choice.env).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE_FILE");
  });

  test("of the user's with an encrypted stack gets no passphrase made up for it", () => {
    const own = { ...fresh, ownBackend: "file:///mine", stackHasSalt: true };
    expect(chooseBackend(own).generatedPassphrase).toBe(false);
    expect(chooseBackend({ ...own, passphraseExists: true }).generatedPassphrase).toBe(true);
    expect(chooseBackend({ ...own, stackHasSalt: false }).generatedPassphrase).toBe(true);
  });
});

describe("a stack that is encrypted already", () => {
  const encrypted = { ...fresh, stackHasSalt: true };

  test("gets no new passphrase, which could not read it", () => {
    const folder = mkdtempSync(join(tmpdir(), "backend-test-"));
    try {
      const choice = chooseBackend({ ...encrypted, ownFolder: folder });
      expect(() => prepareBackend(choice, folder)).toThrow("its passphrase is not here");
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("is opened by the generated passphrase or the user's", () => {
    expect(chooseBackend({ ...encrypted, passphraseExists: true }).passphraseLost).toBe(false);
    const env = { PULUMI_CONFIG_PASSPHRASE: "mine" };
    expect(chooseBackend({ ...encrypted, env }).passphraseLost).toBe(false);
  });
});

describe("the files of the backend", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "backend-test-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  test("are for the user's eyes only, and the passphrase is made once", () => {
    const own = join(folder, "own");
    const choice = chooseBackend({ ...fresh, ownFolder: own });
    prepareBackend(choice, own);
    const mode = (name: string) => statSync(join(own, name)).mode & 0o777;
    expect(mode(".")).toBe(0o700);
    expect(mode("state")).toBe(0o700);
    expect(mode("passphrase")).toBe(0o600);
    const passphrase = readFileSync(join(own, "passphrase"), "utf8");
    expect(Buffer.from(passphrase, "base64url")).toHaveLength(32);

    prepareBackend(choice, own);
    expect(readFileSync(join(own, "passphrase"), "utf8")).toBe(passphrase);
    expect(readdirSync(own).sort()).toEqual(["passphrase", "state"]);
  });

  test("tell where pulumi login has logged in to", () => {
    expect(loggedInTo(folder)).toBeUndefined();
    writeFileSync(join(folder, "credentials.json"), JSON.stringify({ current: "file://~" }));
    expect(loggedInTo(folder)).toBe("file://~");
    writeFileSync(join(folder, "credentials.json"), JSON.stringify({ current: "" }));
    expect(loggedInTo(folder)).toBeUndefined();
  });
});
