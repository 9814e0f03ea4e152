/** Whatever a person or a crash can leave where the scripts read gets a sentence, never a stack trace. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { engineAddress } from "../../scripts/engine/address";
import { readJson, readYaml } from "../../scripts/files";
import { asProblem, describeFailure, Problem } from "../../scripts/problem";
import { chooseBackend, loggedInTo, prepareBackend } from "../../scripts/pulumi/environment";
import { readLocks, readState } from "../../scripts/pulumi/killed-run";
import { readProjectFile, readSettings } from "../../scripts/pulumi/project";
import { hasContainers, selectedStack, stateFile } from "../../scripts/pulumi/stack";

const isRoot = process.getuid?.() === 0;
/** The user `nobody`, for whom modes and owners mean something. */
const nobody = 65534;

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "private-registry-junk-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const own = () => join(folder, "own");
const state = () => stateFile(own(), "hub", "dev");
const docker = () => join(folder, "docker");
const context = createHash("sha256").update("web").digest("hex");
const workspace = createHash("sha1").update("/hub/Pulumi.yaml").digest("hex");

/** A file that the scripts read: where it is, and what reads it. */
const files: Record<string, { path: () => string; read: () => unknown; isText?: boolean }> = {
  "Pulumi.yaml": {
    path: () => join(folder, "Pulumi.yaml"),
    read: () => readProjectFile(folder),
  },
  "a stack's settings": {
    path: () => join(folder, "Pulumi.dev.yaml"),
    read: () => {
      const project = { name: "hub", backendUrl: undefined, settingsFolder: folder, declared: {} };
      return readSettings(project, "dev");
    },
  },
  "Pulumi's credentials": {
    path: () => join(folder, "credentials.json"),
    read: () => loggedInTo(folder),
  },
  "the selected stack": {
    path: () => join(folder, "workspaces", `hub-${workspace}-workspace.json`),
    read: () => selectedStack(folder, "hub", ["/hub"], "file:///state"),
  },
  "the state": { path: state, read: () => readState(state()) },
  "the state, looked through": {
    path: state,
    // Other JSON than a state has no containers.
    read: () => hasContainers(own(), "hub", "dev") || readState(state()),
  },
  "a lock": {
    path: () => join(folder, "locks", "1.json"),
    read: () => readLocks(join(folder, "locks"), () => false),
    isText: true,
  },
  "the passphrase": {
    path: () => join(own(), "passphrase"),
    read: () => {
      const facts = { env: {}, ownBackend: undefined, stackHasSalt: false, passphraseExists: true };
      prepareBackend(chooseBackend({ ...facts, ownFolder: own() }), own());
    },
    isText: true,
  },
  "Docker's configuration": {
    path: () => join(docker(), "config.json"),
    read: () => engineAddress({ DOCKER_CONFIG: docker() }),
  },
  "a Docker context": {
    path: () => join(docker(), "contexts", "meta", context, "meta.json"),
    read: () => engineAddress({ DOCKER_CONFIG: docker(), DOCKER_CONTEXT: "web" }),
  },
};

/** Puts something in the place of a file. */
const junk: Record<string, (path: string) => void> = {
  "no JSON and no YAML": (path) => writeFileSync(path, '{ "secret-in-it": [hunter2'),
  "binary data": (path) => writeFileSync(path, Buffer.from([0, 255, 254, 1, 123, 0, 200, 10])),
  "another value": (path) => writeFileSync(path, "42"),
  "a list": (path) => writeFileSync(path, "[]"),
  "a folder": (path) => mkdirSync(path),
};

describe.each(Object.entries(files))("%s", (_file, { path, read, isText }) => {
  beforeEach(() => mkdirSync(dirname(path()), { recursive: true }));

  const failure = () => {
    try {
      read();
      return undefined;
    } catch (error) {
      expect(asProblem(error).mend.length).toBeGreaterThan(0);
      return describeFailure(error);
    }
  };

  it.each(Object.entries(junk))("may be %s", (what, put) => {
    put(path());
    const said = failure();
    // Of some, any text will do for what is looked for.
    if (isText !== true || what === "a folder") expect(said).toContain(path());
    expect(said ?? "").not.toMatch(/hunter2|\n {4}at |do not know this failure/);
  });

  it("may be empty", () => {
    writeFileSync(path(), "");
    expect(failure() ?? "").not.toMatch(/\n {4}at /);
  });

  it.runIf(isRoot)("may be somebody else's", () => {
    writeFileSync(path(), "{}");
    chmodSync(path(), 0o600);
    for (let above = path(); above !== folder; above = dirname(above)) {
      if (above !== path()) chmodSync(above, 0o755);
    }
    chmodSync(folder, 0o755);
    process.seteuid?.(nobody);
    let said: string | undefined;
    try {
      said = failure();
    } finally {
      process.seteuid?.(0);
    }
    expect(said).toContain("your user may not do that (EACCES, ");
    expect(said).toContain(" belongs to root, and you are nobody");
    expect(said).toContain("sudo chown -R nobody");
  });
});

describe("an empty file", () => {
  it.each(["Pulumi's credentials", "the selected stack", "the state", "the passphrase"])(
    "is said to be empty: %s",
    (name) => {
      const { path, read } = files[name] ?? expect.unreachable();
      mkdirSync(dirname(path()), { recursive: true });
      writeFileSync(path(), "\n");
      expect(read).toThrow(`${path()}: is empty`);
    },
  );
});

describe("a broken state", () => {
  const put = (file: string, text: string, at: number) => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    utimesSync(file, at, at);
  };
  const backup = (name: string) => join(own(), "state/.pulumi/backups/hub/dev", name);
  const said = () => {
    try {
      return String(readState(state()).isPending);
    } catch (error) {
      return describeFailure(error);
    }
  };
  const whole = '{"version":3,"checkpoint":{}}';

  it("is brought back from the newest copy that is whole", () => {
    put(state(), "", 5);
    expect(said()).not.toContain("cp ");
    put(`${state()}.bak`, whole, 2);
    expect(said()).toContain(`cp ${state()}.bak ${state()}`);
    put(backup("dev.1.json"), whole, 1);
    put(backup("dev.3.json"), whole, 3);
    put(backup("dev.4.json"), whole.slice(0, 20), 4);
    expect(said()).toContain(`cp ${backup("dev.3.json")} ${state()}`);
    expect(said()).toContain("from 1970-01-01T00:00:03Z");
  });
});

describe("what is wrong", () => {
  const file = () => join(folder, "file");

  it("is told with the line, for YAML and JSON", () => {
    writeFileSync(file(), "a: 1\nb: [2\nc: 3\n");
    expect(() => readYaml(file(), z.unknown(), [])).toThrow(
      /is no YAML: .* at line 3, column \d+$/,
    );
    writeFileSync(file(), '{\n"a": 1,\n"b": "hunter2');
    expect(() => readJson(file(), z.unknown(), [])).toThrow("is no JSON, from line 3 on.");
  });

  it("is told with the key, where it is another value", () => {
    writeFileSync(file(), "config: 42\n");
    const schema = z.object({ config: z.record(z.string(), z.unknown()) });
    expect(() => readYaml(file(), schema, [])).toThrow(
      "config: expected keys and values, got number.",
    );
  });

  it("has no end of aliases", () => {
    writeFileSync(file(), "a: *nothing\n");
    expect(() => readYaml(file(), z.unknown(), [])).toThrow(Problem);
  });
});

describe("a folder of ours", () => {
  const prepare = () => {
    const facts = { env: {}, ownBackend: undefined, stackHasSalt: false, passphraseExists: false };
    prepareBackend(chooseBackend({ ...facts, ownFolder: own() }), own());
  };
  const said = () => {
    try {
      prepare();
      return "nothing";
    } catch (error) {
      return describeFailure(error);
    }
  };

  it("may be a file", () => {
    writeFileSync(own(), "");
    expect(said()).toContain(`${own()}: something else is here already`);
  });

  it.runIf(isRoot)("may be root's", () => {
    mkdirSync(own());
    chmodSync(own(), 0o755);
    chmodSync(folder, 0o755);
    process.seteuid?.(nobody);
    let words: string;
    try {
      words = said();
    } finally {
      process.seteuid?.(0);
    }
    expect(words).toContain(`${own()} belongs to root, and you are nobody`);
  });

  it.runIf(isRoot)("may be of a user that has no name", () => {
    mkdirSync(own());
    chownSync(own(), 12345, 12345);
    chmodSync(own(), 0o700);
    chmodSync(folder, 0o755);
    process.seteuid?.(nobody);
    let words: string;
    try {
      words = said();
    } finally {
      process.seteuid?.(0);
    }
    expect(words).toContain("belongs to the user 12345");
  });
});

describe("a failure that nobody foresaw", () => {
  it("is a sentence, and its stack trace is in a file", () => {
    const said = describeFailure(new TypeError("x is not a function\nand more"));
    expect(said).toMatch(/^✗ x is not a function\n/);
    expect(said).toContain(".private-registry/logs/failures.log");
    expect(said).not.toContain("    at ");
  });

  it("is shown with its stack trace to those who ask", () => {
    process.env["PRIVATE_REGISTRY_DEBUG"] = "1";
    try {
      expect(describeFailure(new TypeError("x"))).toContain("    at ");
    } finally {
      delete process.env["PRIVATE_REGISTRY_DEBUG"];
    }
  });

  it("of the file system says what it means", () => {
    const readOnly = { code: "EROFS", path: "/home/ops/.pulumi", syscall: "mkdir" };
    const { message, mend } = asProblem(Object.assign(new Error("EROFS"), readOnly));
    expect(message).toBe(
      "/home/ops/.pulumi: it is on a file system that is read-only (EROFS, mkdir).",
    );
    expect(mend.join(" ")).toContain("PULUMI_HOME");
    const full = { code: "ENOSPC", path: "/x", syscall: "write" };
    expect(asProblem(Object.assign(new Error(), full)).message).toContain("no space is left");
  });
});
