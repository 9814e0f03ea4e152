import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { renderClientScript } from "../../components/render/client-script";

// What the clients' script does to Docker's file of logins, in real shells, with a home of the
// test's own and a stand-in for Docker that treats the file as Docker does.

const registry = "hub.test:5443";
const ours = "Y2k6c2VjcmV0"; // ci:secret
const hers = "YWxpY2U6aGVycw=="; // alice:hers

const docker = `#!${process.execPath}
const fs = require("fs"), { execFileSync } = require("child_process");
const [, , , , user, , name] = process.argv;
const file = process.env.HOME + "/.docker/config.json";
const secret = fs.readFileSync(0, "utf8").trim();
if (secret === "wrong") { console.error("unauthorized: wrong password"); process.exit(1); }
let text = "{}";
try { text = fs.readFileSync(file, "utf8") || "{}"; } catch {}
const { auths = {}, credsStore, credHelpers, proxies, currentContext } = JSON.parse(text);
const helper = credHelpers?.[name] ?? credsStore;
if (helper) {
  const input = JSON.stringify({ ServerURL: name, Username: user, Secret: secret });
  execFileSync("docker-credential-" + helper, ["store"], { input });
}
const auth = Buffer.from(user + ":" + secret).toString("base64");
auths[name] = helper ? {} : { auth };
// What it does not know is gone, and the rest has Docker's form.
const sorted = Object.fromEntries(Object.entries(auths).sort());
fs.mkdirSync(process.env.HOME + "/.docker", { recursive: true });
const all = { auths: sorted, credsStore, credHelpers, proxies, currentContext };
fs.writeFileSync(file, JSON.stringify(all, null, "\\t"), { mode: 0o600 });
`;

const helper = `#!/bin/sh
case $1 in
  store) cat >"$HOME/kept" ;;
  get) cat >"$HOME/asked"; cat "$HOME/kept" 2>/dev/null || { echo no credentials; exit 1; } ;;
  erase) [ -e "$HOME/stubborn" ] || rm -f "$HOME/kept" ;;
esac
`;

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "private-registry-test-"));
  file = join(folder, "home/.docker/config.json");
  mkdirSync(join(folder, "home/.docker"), { recursive: true });
  mkdirSync(join(folder, "bin"));
  program("docker", docker);
  program("docker-credential-kept", helper);
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(name: string, text: string): void {
  writeFileSync(join(folder, "bin", name), text, { mode: 0o755 });
}

interface Run {
  shell?: string;
  /** The installation whose script it is. */
  name?: string;
  login?: { user: string; password: string };
  hosts?: string[];
}

/** Runs lines of shell in place of the script's own commands. */
function run(lines: string, options: Run = {}) {
  const { shell = "dash", name = "test", hosts = ["hub.test"] } = options;
  const { login = { user: "ci", password: "secret" } } = options;
  const text = renderClientScript({ name, hosts, httpsPort: 5443, login });
  const functions = text.slice(0, text.lastIndexOf("\n{\n"));
  const [program = "", ...shellOptions] = shell.split(" ");
  const { stdout, stderr, status } = spawnSync(program, [...shellOptions, "-s"], {
    input: `${functions}
      states='${folder}/states' state='${folder}/states/${name}'
      home_of() { printf '%s' '${folder}/home'; }
      user=root uid=0 used=' docker'
      read_manifests
      ${lines}`,
    env: { PATH: `${folder}/bin:${process.env["PATH"] ?? ""}`, TMPDIR: folder },
    encoding: "utf8",
  });
  return { stdout, stderr, status };
}

const applyLines = `command=apply
  undo_on_failure=no
  [ -f "$state/manifest" ] || undo_on_failure=yes
  mkdir -p "$state"
  trap on_exit EXIT
  want_logins
  forget_unwanted
  write_manifest
  proved=$hosts
  log_in`;

function apply(options?: Run): void {
  expect(run(applyLines, options)).toMatchObject({ stderr: "", status: 0 });
}

const removeLines = "command=remove; remove";

function remove(options?: Run): void {
  expect(run(removeLines, options)).toEqual({ stdout: "removed\n", stderr: "", status: 0 });
  expect(existsSync(join(folder, "states", options?.name ?? "test"))).toBe(false);
}

/** As somebody else does. */
function logIn(name: string, user: string, password: string): void {
  execFileSync(join(folder, "bin/docker"), ["login", "--username", user, "-", name], {
    input: password,
    env: { PATH: `${folder}/bin:${process.env["PATH"] ?? ""}`, HOME: join(folder, "home") },
  });
}

const read = () => readFileSync(file, "utf8");
const auths = () => (JSON.parse(read()) as { auths: Record<string, unknown> }).auths;

function write(text: string): void {
  writeFileSync(file, text);
}

const files = {
  empty: "",
  "an empty object": "{}",
  "an empty object, with space": " {\n}\n",
  "no logins": '{"auths": {}, "credHelpers": {"a.test": "x"}}',
  "another login": '{\n  "auths": {"ghcr.io": {"auth": "eDp5"}}\n}\n',
  "a member that Docker does not know": '{ "features": {"x": "y"}, "later": [1, {"a": [] }]}\n\n',
  "a login here of before": `{"proxies":{}, "auths":{"a":{},"${registry}" : {"auth":"${hers}"} }}`,
  "the same login": `{"auths":{"${registry}" : {"auth":"${ours}"} }}`,
  "line ends of Windows": '{\r\n  "auths": {\r\n    "a": {}\r\n  }\r\n}\r\n',
  "quotes and umlauts": '{"HttpHeaders": {"X-\\"ä\\\\": "}{,\\u00e4"}}',
};

describe.each(["dash", "bash", "busybox sh"])("Docker's file of logins, with %s", (shell) => {
  beforeEach(() => {
    if (shell === "busybox sh") program("awk", '#!/bin/sh\nexec busybox awk "$@"\n');
  });

  // Two awks; that they are called alike by all shells, the other tests show.
  it.each(shell === "bash" ? [] : Object.entries(files))(
    "is byte for byte as before: %s",
    (_, text) => {
      write(text);
      chmodSync(file, 0o644);
      apply({ shell });
      expect(auths()[registry]).toEqual({ auth: ours });
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const after = read();
      apply({ shell });
      expect(read()).toBe(after);
      remove({ shell });
      expect(read()).toBe(text);
      expect(statSync(file).mode & 0o777).toBe(0o644);
    },
  );

  it("is gone again where there was none", () => {
    rmSync(join(folder, "home/.docker"), { recursive: true });
    apply({ shell });
    expect(auths()).toEqual({ [registry]: { auth: ours } });
    remove({ shell });
    expect(readdirSync(join(folder, "home"))).toEqual([]);
  });

  it("keeps what others change, whenever they do", () => {
    write('{"auths": {"ghcr.io": {"auth": "eDp5"}}, "later": true}');
    apply({ shell });
    expect(JSON.parse(read())).toMatchObject({ later: true });
    logIn("quay.io", "bob", "b");
    apply({ shell });
    apply({ shell });
    write(read().replace('"quay.io"', '"registry.gitlab.com": {"auth": "Z2w6eA=="},\n "quay.io"'));
    remove({ shell });
    expect(Object.keys(auths())).toEqual(["ghcr.io", "registry.gitlab.com", "quay.io"]);
    expect(read()).toMatch(/"registry.gitlab.com": {"auth": "Z2w6eA=="},\n "quay.io"/);
  });

  it("has the login of somebody else back", () => {
    write(`{"auths": {"${registry}": {"auth": "${hers}"}}}`);
    apply({ shell });
    logIn("quay.io", "bob", "b");
    remove({ shell });
    expect(auths()).toEqual({ "quay.io": { auth: "Ym9iOmI=" }, [registry]: { auth: hers } });
  });

  it("has it back if it was made between two runs, and keeps it if it was made afterwards", () => {
    apply({ shell });
    logIn(registry, "alice", "hers");
    apply({ shell });
    expect(auths()).toEqual({ [registry]: { auth: ours } });
    logIn(registry, "carol", "c");
    apply({ shell });
    remove({ shell });
    expect(auths()).toEqual({ [registry]: { auth: "Y2Fyb2w6Yw==" } });
    apply({ shell });
    logIn(registry, "alice", "hers");
    remove({ shell });
    expect(auths()).toEqual({ [registry]: { auth: hers } });
  });
});

describe("a login", () => {
  it("leaves the file as it was when a first set-up fails", () => {
    const text = `{ "auths":{"${registry}":   {"auth":"${hers}"}}}`;
    write(text);
    expect(run(`${applyLines}; fail later`).status).toBe(1);
    expect(read()).toBe(text);
    const login = { user: "ci", password: "wrong" };
    const { status, stderr } = run(applyLines, { login });
    expect(stderr).toContain("root cannot log in as ci with docker: unauthorized");
    expect(status).toBe(1);
    expect(read()).toBe(text);
    expect(existsSync(join(folder, "states"))).toBe(false);
  });

  it("of another user takes the place of the one before, and both are gone after removal", () => {
    const text = '{"auths": {"ghcr.io": {"auth": "eDp5"}}}\n';
    write(text);
    apply();
    apply({ login: { user: "web", password: "w" } });
    expect(auths()[registry]).toEqual({ auth: "d2ViOnc=" });
    remove();
    expect(read()).toBe(text);
  });

  it("at a domain that is gone is taken away, and the others stay", () => {
    write('{"auths": {"ghcr.io": {"auth": "eDp5"}}}\n');
    apply({ hosts: ["hub.test", "old.test"] });
    expect(auths()).toHaveProperty(["old.test:5443"]);
    apply();
    expect(Object.keys(auths()).sort()).toEqual(["ghcr.io", registry]);
    remove();
    expect(read()).toBe('{"auths": {"ghcr.io": {"auth": "eDp5"}}}\n');
  });

  it("is taken out of a file that was moved and linked to", () => {
    apply();
    const moved = join(folder, "home/dotfile.json");
    execFileSync("mv", [file, moved]);
    symlinkSync(moved, file);
    apply();
    remove();
    expect(readFileSync(moved, "utf8")).not.toContain(ours);
  });

  it("is written through a link, which stays", () => {
    const target = join(folder, "home/dotfile.json");
    writeFileSync(target, '{"auths": {}}');
    symlinkSync("../dotfile.json", file);
    apply();
    expect(readFileSync(target, "utf8")).toContain(ours);
    remove();
    expect(readFileSync(target, "utf8")).toBe('{"auths": {}}');
    expect(readdirSync(join(folder, "home")).sort()).toEqual([".docker", "dotfile.json"]);
  });

  it("is no matter in a file that somebody has deleted", () => {
    write('{"auths": {"ghcr.io": {"auth": "eDp5"}}}\n');
    apply();
    rmSync(file);
    remove();
    expect(existsSync(file)).toBe(false);
  });

  it("is not forgotten in a file that is no JSON any more", () => {
    apply();
    const text = read();
    write(`${text},`);
    const { status, stderr } = run(removeLines);
    expect(status).toBe(1);
    expect(stderr).toContain(`is no JSON, so the login at ${registry} stays in it; correct it`);
    write(text);
    remove();
  });

  it("and the copy of the file stay if the disk is full at removal", () => {
    const text = '{"auths": {"ghcr.io": {"auth": "eDp5"}}}\n';
    write(text);
    apply();
    const after = read();
    program(
      "cat",
      '#!/bin/sh\ncase $(readlink /proc/$$/fd/1) in *-new) echo "no space" >&2; exit 1 ;; esac\n' +
        'exec /bin/cat "$@"\n',
    );
    const { status, stderr } = run(removeLines);
    expect(stderr).toContain(`${file}: root cannot write it: no space`);
    expect(status).toBe(1);
    expect(read()).toBe(after);
    expect(run(removeLines).status).toBe(1);
    rmSync(join(folder, "bin/cat"));
    remove();
    expect(read()).toBe(text);
  });
});

describe("the first version's state", () => {
  /** As that version logged in, and wrote down what it had done. */
  const landed = (...between: (() => void)[]) => {
    const logins = join(folder, "states/test/logins");
    mkdirSync(logins, { recursive: true });
    if (existsSync(file)) execFileSync("cp", ["-p", file, join(logins, "docker-root.before")]);
    writeFileSync(
      join(folder, "states/test/manifest"),
      `credentials docker root\nlogin docker root ci ${registry}\n`,
    );
    for (const change of [() => undefined, ...between]) {
      change();
      logIn(registry, "ci", "secret");
      const sum = execFileSync("cksum", { input: readFileSync(file) });
      writeFileSync(join(logins, "docker-root.after"), sum);
    }
  };

  it("leads to the file of before, byte for byte", () => {
    const text = `{"credHelpers": {"b": "x", "a": "x"},  "auths":{"${registry}":{"auth":"${hers}"}}}`;
    write(text);
    landed();
    apply();
    remove();
    expect(read()).toBe(text);
  });

  it("leads to no file where there was none", () => {
    landed();
    remove();
    expect(existsSync(file)).toBe(false);
  });

  it.each([true, false])(
    "keeps what others had changed before it was last run (apply: %s)",
    (up) => {
      write(`{"auths": {"${registry}": {"auth": "${hers}"}}}`);
      landed(() => {
        logIn("ghcr.io", "x", "y");
      });
      if (up) apply();
      remove();
      expect(auths()).toEqual({ "ghcr.io": { auth: "eDp5" }, [registry]: { auth: hers } });
    },
  );
});

describe("a credential helper", () => {
  const kept = () => readFileSync(join(folder, "home/kept"), "utf8");

  it.each(['{"credsStore": "kept"}', `{ "credHelpers": {"${registry}": "kept"} }`])(
    "is given the login, and the file is as it was: %s",
    (text) => {
      write(text);
      apply();
      expect(read()).not.toContain(ours);
      expect(kept()).toContain('"Secret":"secret"');
      apply();
      remove();
      expect(existsSync(join(folder, "home/kept"))).toBe(false);
      expect(read()).toBe(text);
    },
  );

  it("is given back the login of somebody else", () => {
    write('{"credsStore": "kept"}');
    logIn(registry, "alice", 'a "b" \\');
    const [text, before] = [read(), kept()];
    apply();
    apply();
    expect(kept()).toContain('"Username":"ci"');
    remove();
    expect(JSON.parse(kept())).toEqual(JSON.parse(before));
    expect(read()).toBe(text);
  });

  it("keeps the login that somebody else has made since", () => {
    write('{"credsStore": "kept"}');
    apply();
    logIn(registry, "alice", "hers");
    remove();
    expect(kept()).toContain('"Username":"alice"');
    expect(auths()).toEqual({ [registry]: {} });
  });

  it("that does not let go of the login fails each removal until it does", () => {
    write('{"credsStore": "kept"}');
    apply({ hosts: ["hub.test", "other.test"] });
    writeFileSync(join(folder, "home/stubborn"), "");
    for (let runs = 0; runs < 2; runs++) {
      const { status, stderr, stdout } = run(removeLines);
      expect(status).toBe(1);
      expect(stderr).toContain("cannot be logged out: docker-credential-kept does not erase");
      expect(stdout).not.toContain("removed");
      expect(readFileSync(join(folder, "states/test/manifest"), "utf8")).toMatch(
        /^credentials docker root\n(login docker root ci [a-z.]+:5443\n)+$/,
      );
    }
    rmSync(join(folder, "home/stubborn"));
    remove();
  });
});

describe.each(["dash", "bash", "busybox sh"])(
  "two installations at one registry, with %s",
  (shell) => {
    const basic = (user: string, password: string) =>
      Buffer.from(`${user}:${password}`).toString("base64");
    const as = (name: string, user: string, password: string, hosts?: string[]): Run => ({
      shell,
      name,
      login: { user, password },
      ...(hosts && { hosts }),
    });
    const old = as("old", "ci", "dead");
    const alive = { "the same user": as("new", "ci", "alive"), another: as("new", "web", "alive") };
    const before = {
      "no file": undefined,
      "another login": '{\n  "auths": {"ghcr.io": {"auth": "eDp5"}}\n}\n',
      "no logins": '{"currentContext": "x"}',
      "a login here": `{"auths":{"${registry}" : {"auth":"${hers}"} }}`,
      "a login here as the same user": `{"auths":{"${registry}" : {"auth":"${basic("ci", "own")}"} }}`,
    };
    const cases = Object.entries(alive).flatMap(([who, other]) =>
      Object.entries(before)
        // They take long: one shows that the other shells do the same.
        .filter(([what]) => shell === "dash" || what === "a login here")
        .map(([what, text]) => ({ who, what, other, text })),
    );
    const logged = ({ login }: Run) => ({ auth: basic(login?.user ?? "", login?.password ?? "") });

    beforeEach(() => {
      if (shell === "busybox sh") program("awk", '#!/bin/sh\nexec busybox awk "$@"\n');
    });

    const start = (text: string | undefined) => {
      if (text === undefined) rmSync(join(folder, "home/.docker"), { recursive: true });
      else write(text);
      if (text !== undefined) chmodSync(file, 0o644);
    };
    const expectAsBefore = (text: string | undefined) => {
      if (text === undefined) {
        expect(readdirSync(join(folder, "home"))).toEqual([]);
      } else {
        expect(read()).toBe(text);
        expect(statSync(file).mode & 0o777).toBe(0o644);
      }
      expect(existsSync(join(folder, "states"))).toBe(false);
    };

    it.each(cases)("$who, the first is removed first: $what", ({ other, text }) => {
      start(text);
      apply(old);
      apply(other);
      const after = read();
      remove(old);
      expect(read()).toBe(after);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      remove(other);
      expectAsBefore(text);
    });

    it.each(cases)("$who, the first is removed last: $what", ({ other, text }) => {
      start(text);
      apply(other);
      const after = read();
      apply(old);
      remove(old);
      expect(read()).toBe(after);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      remove(other);
      expectAsBefore(text);
    });

    it.each(cases)("$who, after each has been set up again: $what", ({ other, text }) => {
      start(text);
      for (const each of [old, other, old, other, old]) apply(each);
      expect(auths()[registry]).toEqual(logged(old));
      remove(old);
      expect(auths()[registry]).toEqual(logged(other));
      remove(other);
      const rest = JSON.parse(text ?? "{}") as { auths?: Record<string, unknown> };
      const now = JSON.parse(existsSync(file) ? read() : "{}") as typeof rest;
      expect(now.auths ?? {}).toEqual(rest.auths ?? {});
    });

    it.each(cases)("$who, and somebody else has changed the file: $what", ({ other, text }) => {
      start(text);
      apply(old);
      logIn("quay.io", "bob", "b");
      apply(other);
      logIn("registry.gitlab.com", "bob", "b");
      remove(old);
      expect(auths()[registry]).toEqual(logged(other));
      remove(other);
      const rest = JSON.parse(text ?? "{}") as { auths?: Record<string, unknown> };
      const bobs = { auth: basic("bob", "b") };
      expect(auths()).toEqual({ ...rest.auths, "quay.io": bobs, "registry.gitlab.com": bobs });
    });

    it("of one password: it stays until the last of them is gone", () => {
      const text = '{"auths": {"ghcr.io": {"auth": "eDp5"}}}\n';
      for (const [first, last] of [
        ["old", "new"],
        ["new", "old"],
      ] as const) {
        write(text);
        chmodSync(file, 0o644);
        apply(as("old", "ci", "secret"));
        apply(as("new", "ci", "secret"));
        remove(as(first, "ci", "secret"));
        expect(auths()[registry]).toEqual({ auth: ours });
        remove(as(last, "ci", "secret"));
        expectAsBefore(text);
      }
    });

    it("of several names take away each its own", () => {
      const text = '{"auths": {"ghcr.io": {"auth": "eDp5"}}}\n';
      start(text);
      apply(as("old", "ci", "dead", ["hub.test", "old.test"]));
      apply(as("new", "ci", "alive", ["new.test", "hub.test"]));
      remove(as("old", "ci", "dead", ["hub.test", "old.test"]));
      const alive = { auth: basic("ci", "alive") };
      expect(auths()).toEqual({
        "ghcr.io": { auth: "eDp5" },
        [registry]: alive,
        "new.test:5443": alive,
      });
      expect(statSync(file).mode & 0o777).toBe(0o600);
      remove(as("new", "ci", "alive", ["new.test", "hub.test"]));
      expect(JSON.parse(read())).toEqual(JSON.parse(text));
    });

    const helperCases = Object.entries(alive).flatMap(([who, other]) =>
      [
        { order: "the first goes first", all: [old, other], first: old, last: other },
        { order: "the first goes last", all: [old, other], first: other, last: old },
        { order: "the first comes again", all: [old, other, old], first: old, last: other },
      ].flatMap((one) =>
        [false, true]
          .map((isHers) => ({ who, isHers, ...one }))
          .filter(() => shell === "dash" || one.order === "the first comes again"),
      ),
    );
    it.each(helperCases)(
      "leave no other's login in a helper: $who, $order, after somebody's: $isHers",
      ({ isHers, all, first, last }) => {
        const kept = () => JSON.parse(readFileSync(join(folder, "home/kept"), "utf8")) as unknown;
        const helped = ({ login }: Run) => ({ Username: login?.user, Secret: login?.password });
        write('{"credsStore": "kept"}');
        if (isHers) logIn(registry, "alice", "hers");
        const start = read();
        for (const each of all) apply(each);
        remove(first);
        expect(kept()).toMatchObject(helped(last));
        remove(last);
        if (isHers) expect(kept()).toMatchObject({ Username: "alice", Secret: "hers" });
        else expect(existsSync(join(folder, "home/kept"))).toBe(false);
        if (all.length === 2) expect(read()).toBe(start);
      },
    );
  },
);

describe("a file that its account cannot read", () => {
  it("stays as it is, and so does what is known of it", () => {
    write('{"auths": {"ghcr.io": {"auth": "eDp5"}}}');
    apply();
    const after = read();
    // To an account that may not enter the folder, nothing seems to be there.
    const blind = `run_as() { sh -c "$(printf '%s' "$2" | sed "s|$file|/nowhere$file|g")"; }`;
    const { status, stderr, stdout } = run(`${blind}\n${removeLines}`);
    expect(stderr).toContain(
      `${file}: root cannot read it, so the logins in it stay as they are\n`,
    );
    expect(stdout).not.toContain("removed");
    expect(status).toBe(1);
    expect(read()).toBe(after);
    remove();
    expect(read()).toBe('{"auths": {"ghcr.io": {"auth": "eDp5"}}}');
  });
});

describe("by hand", () => {
  const byHand = (command: string, lines: string) =>
    `command=${command} login_user= system_trust=no stores='${folder}/anchors:true'
    mkdir -p "$state"
    ${lines}`;

  it("a login that is kept keeps the folder of its file", () => {
    rmSync(join(folder, "home/.docker"), { recursive: true });
    apply();
    const kept = (command: string) =>
      byHand(command, `kept_login=ci; keep_logins; forget_unwanted; printf '%s' "$found$left"`);
    expect(run(kept("check"))).toEqual({ stdout: "", stderr: "", status: 0 });
    expect(run(`${kept("apply")}; write_manifest`)).toMatchObject({ stderr: "", status: 0 });
    remove();
    expect(readdirSync(join(folder, "home"))).toEqual([]);
  });

  it("a login of an account that is gone is no matter", () => {
    apply();
    const lines = byHand("check", "id() { return 1; }; kept_login=ci; keep_logins");
    expect(run(lines)).toEqual({ stdout: "", stderr: "", status: 0 });
  });

  it("says what is taken back as it was not asked for again", () => {
    apply();
    mkdirSync(join(folder, "anchors"));
    const ask = "keep_choices";
    const all = 'say "file ${stores%%:*}/test.crt" >>"$state/manifest"; read_manifests';
    const words = "not asked for this time, so taken back: ";
    expect(run(byHand("apply", ask)).stdout).toBe(`${words}the login as ci (--login ci)\n`);
    expect(run(byHand("apply", `${all}; ${ask}`)).stdout).toBe(
      `${words}the CA in the machine's own trust store (--system-trust), the login as ci (--login ci)\n`,
    );
    const again = "system_trust=yes login_user=ci";
    expect(run(byHand("apply", `${again}; ${ask}`)).stdout).toBe("");
    expect(run(byHand("check", ask)).stdout).toBe("");
    expect(run(byHand("apply", `client=web1; ${ask}`)).stdout).toBe("");
    expect(run(byHand("apply", `echo web1 >"$state/client"; ${ask}`)).stdout).toBe("");
  });
});

describe("a check", () => {
  it("says who is logged in instead", () => {
    apply();
    const check = `command=check; want_logins; proved=$hosts; log_in; printf '%s' "$found"`;
    expect(run(check)).toEqual({ stdout: "", stderr: "", status: 0 });
    logIn(registry, "alice", "hers");
    expect(run(check).stdout).toBe(
      `docker: root is not logged in at ${registry} as ci, but as alice\n`,
    );
    rmSync(file);
    expect(run(check).stdout).toBe(`docker: root is not logged in at ${registry}\n`);
  });
});
