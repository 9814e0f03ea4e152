import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import {
  apply,
  applyLines,
  auths,
  file,
  folder,
  hers,
  logIn,
  ours,
  program,
  read,
  registry,
  remove,
  removeLines,
  run,
  useHome,
  write,
} from "../support/client-logins";

useHome();

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
