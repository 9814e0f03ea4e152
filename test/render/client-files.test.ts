import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runFunctions } from "../support/client-functions";

// What the clients' script does to files that may hold a secret, and what it reads out of the first
// version's manifest, in real shells, with a state and a /etc of the test's own.

const login = { user: "ci", password: "secret" };
const basic = Buffer.from("ci:secret").toString("base64");
const shells = ["dash", "bash", "busybox sh"];

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "private-registry-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Run {
  shell?: string;
  name?: string;
  login?: { user: string; password: string };
  env?: Record<string, string>;
}

/** Runs lines of shell in place of the script's own commands. */
function run(lines: string, options: Run = {}) {
  const { shell, name = "test", env } = options;
  return runFunctions(
    { name, hosts: ["hub.test"], httpsPort: 5443, caPem: "CA", login: options.login },
    `states='${folder}/states' saved='${folder}/saved'
      state=$states/$name
      command=apply
      mkdir -p "$state"
      read_manifests
      ${lines}`,
    { shell, env: { PATH: `${folder}/bin:${process.env["PATH"] ?? ""}`, ...env } },
  );
}

/** Does so, and expects that nothing goes wrong. */
function done(lines: string, options?: Run): string {
  const { stdout, stderr, status } = run(lines, options);
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return stdout;
}

function write(file: string, text: string, mode = 0o644): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const read = (file: string) => readFileSync(file, "utf8");
const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);
const state = (name = "test") => join(folder, "states", name);

const end = "forget_unwanted; write_manifest";
const removal = "command=remove; remove";

describe.each(shells)("registries.yaml with a login, with %s", (shell) => {
  let file: string;
  const setUp = () => `want yaml '${file}'
    write_registries '${file}' "$name" "$(registry_lines $registries)$newline"
    printf '%s' "$in_the_way"
    ${end}`;
  const withLogin = { shell, login };

  beforeEach(() => {
    file = write(join(folder, "etc/registries.yaml"), "configs:\n  a.test:\n    auth:\n");
    done(setUp(), withLogin);
    expect(read(file)).toContain(basic);
    expect(modeOf(file)).toBe("600");
  });

  it("stays root's own while it is not understood any more", () => {
    write(file, `${read(file)}\tx: y\n`, 0o600);
    expect(done(setUp(), withLogin)).toBe("");
    expect(modeOf(file)).toBe("600");
    expect(read(join(state(), "manifest"))).toContain(`mode 644 ${file}\n`);
    write(file, read(file).replace("\tx: y\n", ""), 0o600);
    done(removal, { shell });
    expect(read(file)).toBe("configs:\n  a.test:\n    auth:\n");
    expect(modeOf(file)).toBe("644");
  });

  it("that is not understood any more says what change it does not take", () => {
    const text = `${read(file)}\tx: y\n`;
    write(file, text, 0o600);
    for (const changed of [undefined, { user: "ci", password: "new" }]) {
      const { status, stderr } = run(setUp(), { shell, ...(changed && { login: changed }) });
      expect(stderr).toContain(
        `${file}: is not understood as a whole any more, so this registry's`,
      );
      expect(status).toBe(1);
    }
    expect(read(file)).toBe(text);
    expect(modeOf(file)).toBe("600");
    const check = `command=check; ${setUp()}; printf '%s' "$found"`;
    expect(done(check, { shell })).toBe(`${file}\n`);
    write(file, text.replace("\tx: y\n", ""), 0o600);
    done(setUp(), { shell });
    expect(read(file)).not.toContain(basic);
    expect(modeOf(file)).toBe("644");
  });

  it("without this registry's lines says what to add", () => {
    write(file, "configs: {}\n", 0o600);
    expect(done(setUp(), { shell, login: { user: "ci", password: "new" } })).toBe("hub.test:5443");
    expect(read(file)).toBe("configs: {}\n");
  });

  it("that is a link keeps it, and its target has its mode again", () => {
    const target = join(folder, "target.yaml");
    done(removal, { shell });
    write(target, "configs:\n");
    rmSync(file);
    symlinkSync(target, file);
    done(setUp(), withLogin);
    expect(modeOf(target)).toBe("600");
    expect(done(`command=check; ${setUp()}; printf '%s' "$found"`, withLogin)).toBe("");
    done(removal, { shell });
    expect(read(target)).toBe("configs:\n");
    expect(modeOf(target)).toBe("644");
  });

  it("is root's own when another installation is handed its lines, of which nothing is left", () => {
    done(setUp(), { shell, name: "second" });
    expect(read(file)).not.toContain(basic);
    chmodSync(file, 0o644);
    done(removal, { shell, name: "second", login });
    expect(read(file)).toContain(basic);
    expect(modeOf(file)).toBe("600");
    expect(existsSync(state("second"))).toBe(false);
  });
});

it("registries.yaml of the first version that is not understood any more is not forgotten", () => {
  const lines = done("registry_lines $registries", { login });
  const file = write(join(folder, "etc/registries.yaml"), `configs:\n${lines}\tx: y\n`, 0o600);
  write(join(state(), "manifest"), `file ${file}\n`);
  const { status, stderr } = run(
    `want yaml '${file}'; write_registries '${file}' test "$(registry_lines $registries)$newline"`,
    { login },
  );
  expect(stderr).toContain(`${file}: is not understood as a whole any more`);
  expect(status).toBe(1);
  expect(read(join(state(), "manifest"))).toContain(`file ${file}\n`);
});

describe.each(shells)("hosts.toml with a login, with %s", (shell) => {
  let file: string;
  const setUp = () => `place_hosts_files '${folder}/certs.d'; ${end}`;
  const withLogin = { shell, login };

  beforeEach(() => {
    file = join(folder, "certs.d/hub.test:5443/hosts.toml");
    done(setUp(), withLogin);
    expect(modeOf(file)).toBe("600");
  });

  it("is root's own when it is handed over to another installation", () => {
    done(setUp(), { shell, name: "second" });
    expect(modeOf(file)).toBe("644");
    done(removal, { shell, name: "second" });
    expect(read(file)).toContain(basic);
    expect(modeOf(file)).toBe("600");
  });

  it("is made root's own again", () => {
    chmodSync(file, 0o644);
    expect(done(`command=check; ${setUp()}; printf '%s' "$found"`, withLogin)).toBe(`${file}\n`);
    expect(modeOf(file)).toBe("644");
    done(setUp(), withLogin);
    expect(modeOf(file)).toBe("600");
    expect(done(`command=check; ${setUp()}; printf '%s' "$found"`, withLogin)).toBe("");
  });

  it("stays root's own while somebody else's lines in it have one", () => {
    const theirs = '[host."https://m.test".header]\n  Authorization = ["Basic eDp5"]\n';
    write(file, read(file) + theirs, 0o600);
    done(setUp(), { shell });
    expect(read(file)).not.toContain(basic);
    expect(read(file)).toContain(theirs);
    expect(modeOf(file)).toBe("600");
    done(removal, { shell });
    expect(read(file)).toBe(theirs);
    expect(modeOf(file)).toBe("600");
  });
});

describe("what somebody has put in the place of a file of the script's", () => {
  const setUp = (file: string) => `place '${file}' CA; ${end}`;

  it.each([
    ["a link to nowhere", "/nowhere"],
    ["a link to a file", "/dev/null"],
  ])("is set aside as it is: %s", (_, target) => {
    const file = join(folder, "etc/ca.crt");
    mkdirSync(dirname(file));
    done(setUp(file));
    rmSync(file);
    symlinkSync(target, file);
    expect(done(removal)).toContain(`what it held is now ${folder}/saved${file}`);
    expect(existsSync(file)).toBe(false);
    expect(readlinkSync(`${folder}/saved${file}`)).toBe(target);
  });

  it("keeps its mode and its time", () => {
    const file = join(folder, "etc/ca.crt");
    mkdirSync(dirname(file));
    done(setUp(file));
    write(file, "theirs", 0o600);
    utimesSync(file, 1_000, 1_000);
    done(removal);
    const aside = `${folder}/saved${file}`;
    expect(read(aside)).toBe("theirs");
    expect(modeOf(aside)).toBe("600");
    expect(statSync(aside).mtimeMs).toBe(1_000_000);
  });
});

describe("the runtimes that the first version was told to set up", () => {
  const found = (manifest: string, here: string) =>
    done(
      `docker_is_here() { case '${here}' in *docker*) ;; *) return 1 ;; esac; }
      podman_is_here() { case '${here}' in *podman*) ;; *) return 1 ;; esac; }
      containerd_is_here() {
        case $runtimes:'${here}' in
          :*docker*) return 1 ;;
          *containerd*) ;;
          *) return 1 ;;
        esac
      }
      made=$newline'${manifest}'$newline
      find_choices
      printf '%s' "$runtimes"`,
    );

  it.each([
    // Docker's own containerd counts only where it is asked for by name.
    ["file /etc/containerd/certs.d/hub.test/hosts.toml", "docker containerd", "containerd"],
    ["file /etc/rancher/k3s/registries.yaml", "docker", "containerd"],
    ["file /etc/rancher/k3s/registries.yaml", "", ""],
    ["file /home/ops/.config/docker/certs.d/hub.test/ca.crt", "docker podman", "docker"],
    ["file /etc/containers/certs.d/hub.test/ca.crt", "docker", "podman"],
    ["file /etc/docker/certs.d/hub.test/ca.crt", "docker", ""],
  ])("are those with %s, where there is %s: %s", (manifest, here, runtimes) => {
    expect(found(manifest, here)).toBe(runtimes);
  });
});

describe.each(shells)("what the first version kept of a file it could not write, %s", (shell) => {
  it.each([removal, `command=remove; undo`])("is moved out of the way of: %s", (lines) => {
    const old = write(join(state(), "file.old"), "127.0.0.1 localhost\n", 0o600);
    write(join(state(), "manifest"), `file ${folder}/none\n`);
    const { stdout, status } = run(`made=\${newline}x$newline; ${lines}`, { shell });
    const aside = join(folder, "saved", old);
    expect(status).toBe(0);
    expect(stdout).toContain(`${old}: `);
    expect(stdout).toContain(`is now ${aside}\n`);
    expect(read(aside)).toBe("127.0.0.1 localhost\n");
    expect(existsSync(state())).toBe(false);
  });
});

describe("a proxy in the session's environment", () => {
  const proxy = "http://joe:secret@127.0.0.1:9";
  const env = { https_proxy: proxy, HTTPS_PROXY: proxy, ALL_PROXY: proxy, HOME: "/root" };

  const program = (name: string, text: string) =>
    write(join(folder, "bin", name), `#!/bin/sh\n${text}\n`, 0o755);
  const prove = (podman: string, noProxy = "") => {
    program("curl", `[ -z "\${https_proxy-}\${HTTPS_PROXY-}\${ALL_PROXY-}" ] && printf '\\n401'`);
    program("podman", podman);
    return run(
      `find_user
      user=root; names=; in_store=; keepers=' podman:root'
      find_podman() { podman=podman; }
      prove
      to_prove=podman$newline
      prove_pulls`,
      { login, env: { ...env, NO_PROXY: noProxy } },
    );
  };

  it("is podman's too, and not that of the proof", () => {
    const { stdout, stderr, status } = prove(
      '[ "$https_proxy:$HTTPS_PROXY" != : ] || { echo x509: none; exit 1; }',
    );
    expect(stderr).toBe("");
    expect(stdout).toContain("proved with curl: hub.test");
    expect(stdout).toContain("podman: pulled an image");
    expect(status).toBe(0);
  });

  it("is named when podman cannot pull through it", () => {
    const { stderr, status } = prove("echo 'pinging: Get: Forbidden' >&2; exit 1");
    expect(stderr).toContain("it goes through a proxy, http://127.0.0.1:9: exempt hub.test from");
    expect(stderr).toContain("no_proxy");
    expect(stderr).not.toContain("daemon.json");
    expect(stderr).not.toContain("joe");
    expect(status).toBe(1);
  });

  it.each(["hub.test", "x.test, .test", "*", "*.test", "hub.test:5443", "test"])(
    "is not what fails when the registry is exempt: %s",
    (noProxy) => {
      const { stderr } = prove("echo 'tls: x509: unknown authority' >&2; exit 1", noProxy);
      expect(stderr).toContain("it knows another CA for that name");
    },
  );

  it.each(["ub.test", "hub.test:443", "hub.test.test"])(
    "is named when the registry is not: %s",
    (noProxy) => {
      const { stderr } = prove("echo 'tls: x509: unknown authority' >&2; exit 1", noProxy);
      expect(stderr).toContain("it goes through a proxy");
    },
  );

  it.each([
    ["docker", "x.test", '"no-proxy" of "proxies" in /etc/docker/daemon.json'],
    ["docker", "hub.test", "it knows another CA"],
    ["k3s", "", "(NO_PROXY in the environment of its service), then restart it"],
  ])("of a service is a matter of that service: %s, without %s", (runtime, noProxy, advice) => {
    program("docker", `echo '${proxy} ${noProxy}'`);
    const words = runtime === "k3s" ? "proxyconnect tcp: refused" : "x509: unknown authority";
    const { stdout, stderr } = run(
      `find_user
      account=root docker=docker own_host=hub.test certificates=/certs.d words='${words}'
      mend_pull ${runtime} hub.test:5443`,
      { env },
    );
    expect(stderr).toBe("");
    expect(stdout).toContain(advice);
    expect(stdout).not.toContain("joe");
  });

  it("is not that of ctr, which stands in for containerd's service", () => {
    program("ctr", `[ -z "\${https_proxy-}\${HTTPS_PROXY-}" ] || { echo x509:; exit 1; }`);
    const { stderr, stdout } = run(
      `find_user
      find_service() { ctr=ctr ask=: logged_in=yes; }
      proved=hub.test account=root names=
      pull_with_ctr microk8s /socket ctr /certs.d`,
      { login, env },
    );
    expect(stderr).toBe("");
    expect(stdout).toContain("microk8s: pulled an image");
  });
});
