import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type ClientScriptValues, renderClientScript } from "../../components/render/client-script";
import { landedClientScript } from "../support/landed";
import { listing, type Machine, startMachine } from "../support/machine";

// What the clients' script does to files that others write too, to the machine's services, and to the
// set-up of other registries. The registry itself is none: a curl that says so stands in for it.

const ca = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
const name = "private-registry-test";
const state = `/var/lib/private-registry/${name}`;
const yaml = "/etc/rancher/k3s/registries.yaml";
const anchors = "/usr/local/share/ca-certificates";

/** Stands in for sleep. */
const quick = "exec /bin/sleep 0.05";

let machine: Machine;
let clean: string;

beforeAll(async () => {
  machine = await startMachine({ kind: "plain", runArguments: ["--tmpfs", "/small:size=64k"] });
  await program("curl", "printf '\\n401'");
  await program("dockerd", "exit 0");
  await program("sleep", quick);
  await machine.exec("mkdir -p /etc/rancher/k3s");
  clean = await listing(machine);
});
afterAll(() => machine.stop());

afterEach(async ({ task }) => {
  const leftover = await listing(machine);
  // What one test leaves must not fail the next one.
  await machine.exec(
    `rm -rf /var/lib/private-registry* /etc/rancher/k3s/* /etc/docker /etc/containers /etc/containerd \\
      /run/private-registry* ${anchors}/*
    sed '/^# BEGIN private-registry/,/^# END/d' /etc/hosts >/hosts; cat /hosts >/etc/hosts; rm /hosts`,
  );
  if (task.result?.state !== "fail") expect(leftover).toBe(clean);
});

/** Puts a program in front of all others. */
async function program(file: string, text: string): Promise<void> {
  await machine.exec(`cd /usr/local/bin; cat >${file}; chmod 755 ${file}`, {
    stdin: `#!/bin/sh\n${text}\n`,
  });
}

async function withProgram<T>(file: string, text: string, run: () => Promise<T>): Promise<T> {
  await program(file, text);
  try {
    return await run();
  } finally {
    await machine.exec(`rm /usr/local/bin/${file}`);
  }
}

function script(overrides: Partial<ClientScriptValues> = {}): string {
  return renderClientScript({
    name,
    hosts: ["hub.test"],
    httpsPort: 443,
    caPem: ca("ours"),
    registryAddress: "10.0.0.5",
    ...overrides,
  });
}

const landedBody = await landedClientScript();

/** The script as the first version had it, which machines are set up with. */
function landed(overrides: Partial<ClientScriptValues> = {}): string {
  return `${script(overrides).split("\n# ---")[0] ?? ""}\n${landedBody}`;
}

async function apply(overrides: Partial<ClientScriptValues> = {}): Promise<string> {
  return (await machine.exec("sh -s -- apply", { stdin: script(overrides) })).stdout;
}

async function remove(overrides: Partial<ClientScriptValues> = {}): Promise<string> {
  return (await machine.exec("sh -s -- remove", { stdin: script(overrides) })).stdout;
}

async function read(file: string): Promise<string> {
  return (await machine.exec(`cat '${file}'`)).stdout;
}

async function write(file: string, text: string): Promise<void> {
  await machine.exec(`cat >'${file}'`, { stdin: text });
}

const entry = (registry: string, of = name, auth = "") =>
  `  "${registry}":\n    tls:\n      ca_file: /var/lib/private-registry/${of}/ca.crt\n${auth}`;
const block = (entries: string, of = name) =>
  `# BEGIN private-registry ${of}\n${entries}# END private-registry ${of}\n`;
const both = (of = name, auth = "") =>
  block(entry("hub.test", of, auth) + entry("hub.test:443", of, auth), of);

describe("registries.yaml", () => {
  afterEach(async () => {
    await machine.exec(`rm -f ${yaml}`);
  });

  // `¦` is where the block goes.
  it.each([
    [
      "has other registries",
      'configs:\n¦  "a.test":\n    tls:\n      insecure_skip_verify: true\n',
    ],
    [
      "has mirrors before and behind, and comments",
      "# ours\n\nmirrors:\n  docker.io:\n    endpoint:\n      - https://m.test\nconfigs: # x\n¦\n# y\n  a.test:\n    auth: {username: a, password: 'b&*c'}\n\nother: 1\n",
    ],
    [
      "has another indentation",
      "configs:\n¦    'a.test:5000':\n        auth:\n            auth: x\n",
    ],
    ["has no end of line", "mirrors:\n  x:\nconfigs:\n¦  a.test:\n    auth:"],
    ["has configs that are empty", "configs:\n¦mirrors:\n"],
    ["begins with ---", "---\n# x\nconfigs:\n¦  a.test:\n"],
  ])("of others that %s is left as it was, but for the block", async (_, marked) => {
    const text = marked.replace("¦", "");
    const indent = /¦( {4})/.exec(marked)?.[1] ?? "  ";
    const added = both().replace(/^ {2}/gm, indent);
    await write(yaml, text);
    await machine.exec(`chmod 640 ${yaml}`);
    expect(await apply()).toContain("k3s: trusts hub.test, hub.test:443");
    expect(await read(yaml)).toBe(marked.replace("¦", added));
    expect(await apply()).toContain("k3s: trusts");
    expect(await read(yaml)).toBe(marked.replace("¦", added));
    await remove();
    expect(await read(yaml)).toBe(text);
    expect((await machine.exec(`stat -c %a ${yaml}`)).stdout).toBe("640\n");
  });

  it("of others without configs is given one, and loses it again", async () => {
    const text = "# first\nmirrors:\n  docker.io:\n    endpoint:\n      - x";
    await write(yaml, text);
    await apply();
    expect(await read(yaml)).toBe(
      text.replace("mirrors", `configs: # private-registry\n${both()}mirrors`),
    );
    await remove();
    expect(await read(yaml)).toBe(text);
  });

  it.each([
    ["flow style", "configs: {}\n"],
    ["flow style on lines of its own", "configs:\n  {a.test: {}}\n"],
    ["anchors", "x: &a\n  b: c\nconfigs:\n  a.test: *a\n"],
    ["tabs", "configs:\n  a.test:\n\t  auth:\n"],
    ["quoted keys", '"configs":\n  a.test:\n'],
    ["line ends of Windows", "configs:\r\n  a.test:\r\n"],
    ["two documents", "configs:\n  a.test:\n---\nconfigs:\n"],
    ["the key twice", "configs:\n  a.test:\nconfigs:\n  b.test:\n"],
    ["nothing that is YAML", "nonsense\n"],
    ["no end of its only line", "configs:"],
  ])("with %s is not understood, and stays with a word of what to add", async (_, text) => {
    await write(yaml, text);
    const said = await apply();
    expect(said).toContain(
      `k3s: ${yaml} is not this script's and stays as it is; add below its line`,
    );
    expect(said).toContain(entry("hub.test:443"));
    expect(await read(yaml)).toBe(text);
    await remove();
    expect(await read(yaml)).toBe(text);
  });

  it("keeps an entry of somebody else for the same registry, and says what it lacks", async () => {
    const text = 'configs:\n  hub.test:\n    auth:\n      username: "x"\n';
    await write(yaml, text);
    const said = await apply();
    expect(said).toContain(`${yaml} has entries of somebody else for that and stays as it is`);
    expect(said).toContain(entry("hub.test"));
    expect(said).not.toContain(entry("hub.test:443"));
    await remove();
    expect(await read(yaml)).toBe(text);
  });

  const theirs = '  "a.test":\n    auth:\n      username: x\n';

  it("that this script made keeps what others add to it, when it is updated and removed", async () => {
    await apply();
    await machine.exec(`cat >>${yaml}`, { stdin: `${theirs}mirrors:\n  b.test:\n` });
    await apply({ hosts: ["new.test"] });
    expect(await read(yaml)).toBe(
      `configs: # private-registry\n${block(entry("new.test") + entry("new.test:443"))}${theirs}mirrors:\n  b.test:\n`,
    );
    await remove();
    expect(await read(yaml)).toBe(`configs:\n${theirs}mirrors:\n  b.test:\n`);
  });

  it("keeps what others have added within the block", async () => {
    await apply();
    await machine.exec(`sed -i 's/^# END/${theirs.replaceAll("\n", "\\n")}&/' ${yaml}`);
    await apply();
    expect(await read(yaml)).toBe(`configs: # private-registry\n${both()}${theirs}`);
    await machine.exec(`sed -i 's/^  "hub.test:443":/    auth:\\n      username: u\\n&/' ${yaml}`);
    await apply();
    expect(await read(yaml)).toContain(`${entry("hub.test")}    auth:\n      username: u\n`);
    await remove();
    expect(await read(yaml)).toBe(
      `configs:\n  "hub.test":\n    auth:\n      username: u\n${theirs}`,
    );
  });

  it("has a block for each registry, and goes with the last one", async () => {
    const second = { name: "second", hosts: ["b.test"] };
    await apply();
    await apply(second);
    expect(await read(yaml)).toBe(
      `configs: # private-registry\n${block(entry("b.test", "second") + entry("b.test:443", "second"), "second")}${both()}`,
    );
    expect(await apply()).toContain("k3s: trusts");
    await remove();
    expect(await read(yaml)).toContain(entry("b.test", "second"));
    expect(await remove(second)).toContain("removed");
  });

  it.each(["the first", "the second"])(
    "is handed over when %s of two installations of one registry goes",
    async (which) => {
      const [gone, stays] = which === "the first" ? [name, "renamed"] : ["renamed", name];
      await apply();
      await apply({ name: "renamed" });
      expect(await read(yaml)).toBe(`configs: # private-registry\n${both("renamed")}`);
      await remove({ name: gone });
      expect(await read(yaml)).toBe(`configs: # private-registry\n${both(stays)}`);
      await remove({ name: stays });
    },
  );

  it("shows credentials to root only, and has its mode again afterwards", async () => {
    const login = { user: "ci", password: "pw" };
    const auth = `    auth:\n      auth: ${Buffer.from("ci:pw").toString("base64")}\n`;
    await write(yaml, "configs:\n");
    await machine.exec(`chmod 644 ${yaml}`);
    const values = { login, runtimes: ["containerd"] };
    await apply(values);
    await apply(values);
    expect(await read(yaml)).toBe(`configs:\n${both(name, auth)}`);
    expect((await machine.exec(`stat -c %a ${yaml}`)).stdout).toBe("600\n");
    await remove();
    expect(await read(yaml)).toBe("configs:\n");
    expect((await machine.exec(`stat -c %a ${yaml}`)).stdout).toBe("644\n");
  });

  it("that the first version made as a whole gets a block, and goes with it", async () => {
    await machine.exec("sh -s", { stdin: landed() });
    expect(await read(yaml)).toBe(`configs:\n${entry("hub.test")}${entry("hub.test:443")}`);
    await apply();
    expect(await read(yaml)).toBe(`configs: # private-registry\n${both()}`);
    await remove();
  });

  it("that the first version made keeps what others added to it", async () => {
    await machine.exec("sh -s", { stdin: landed() });
    await machine.exec(`cat >>${yaml}`, { stdin: theirs });
    await apply();
    expect(await read(yaml)).toBe(`configs: # private-registry\n${both()}${theirs}`);
    await remove();
    expect(await read(yaml)).toBe(`configs:\n${theirs}`);
    await machine.exec(`rm ${yaml}`);
    await machine.exec("sh -s", { stdin: landed() });
    await machine.exec(`cat >>${yaml}`, { stdin: theirs });
    await remove();
    expect(await read(yaml)).toBe(`configs:\n${theirs}`);
  });

  it("of an installation of the first version is taken over by a renamed one", async () => {
    await machine.exec("sh -s", { stdin: landed() });
    await apply({ name: "renamed" });
    expect(await read(yaml)).toContain(both("renamed"));
    await remove();
    expect(await read(yaml)).toContain(both("renamed"));
    await remove({ name: "renamed" });
  });
});

describe("a machine that the first version set up", () => {
  const everything = {
    hosts: ["hub.test", "10.0.0.5"],
    systemTrust: true,
    runtimes: ["docker", "podman", "containerd"],
    caPem: ca("one") + ca("two"),
  };

  it.each(["apply", "remove"])("is as before after %s and a removal", async (command) => {
    await withProgram("update-ca-certificates", "exit 0", async () => {
      await machine.exec("sh -s", { stdin: landed(everything) });
      if (command === "apply") await apply({ ...everything, caPem: ca("new") });
      expect(await remove(everything)).toContain("removed");
    });
  });

  it("keeps what others added to its files", async () => {
    const file = "/etc/docker/certs.d/hub.test/ca.crt";
    const toml = "/etc/containerd/certs.d/hub.test/hosts.toml";
    await machine.exec("sh -s", { stdin: landed(everything) });
    await machine.exec(`cat >>${file}`, { stdin: ca("theirs") });
    await machine.exec(`echo '[host."https://m.test"]' >>${toml}`);
    await remove(everything);
    expect(await read(file)).toBe(ca("theirs"));
    expect(await read(toml)).toBe('[host."https://m.test"]\n');
    await machine.exec("rm -r /etc/docker /etc/containerd");
  });
});

describe("a file of this script's that somebody has changed", () => {
  const docker = "/etc/docker/certs.d/hub.test/ca.crt";
  const toml = "/etc/containerd/certs.d/hub.test/hosts.toml";
  const kept = "/var/lib/private-registry.saved";

  it("keeps what was added, when the CA changes and when it is removed", async () => {
    const containerd = { runtimes: ["docker", "containerd"] };
    await apply(containerd);
    await machine.exec(`cat >>${docker}`, { stdin: ca("theirs") });
    await write(toml, `# theirs\n${await read(toml)}[host."https://m.test"]\n`);
    await apply({ ...containerd, caPem: ca("new") });
    expect(await read(docker)).toBe(ca("new") + ca("theirs"));
    const login = { user: "ci", password: "pw" };
    await apply({ ...containerd, caPem: ca("new"), login });
    expect(await read(toml)).toMatch(
      /^# theirs\nserver = (.*\n)+ {2}authorization = .*\n\[host."https:\/\/m.test"\]\n$/,
    );
    // The text without a login is how the one with it begins.
    await apply({ ...containerd, caPem: ca("new") });
    expect(await read(toml)).not.toContain("authorization");
    await remove();
    expect(await read(docker)).toBe(ca("theirs"));
    expect(await read(toml)).toBe('# theirs\n[host."https://m.test"]\n');
    await machine.exec("rm -r /etc/docker /etc/containerd");
  });

  it("is kept aside when it says something else by now", async () => {
    await apply();
    await write(docker, "nonsense\n");
    expect(await apply()).toContain(
      `${docker}: somebody has changed it since this script wrote it; what it held is now ${kept}${docker}\n`,
    );
    expect(await read(docker)).toBe(ca("ours"));
    await write(docker, "more\n");
    expect(await remove()).toContain(`is now ${kept}${docker}.2\n`);
    expect(await read(`${kept}${docker}`)).toBe("nonsense\n");
    expect(await read(`${kept}${docker}.2`)).toBe("more\n");
  });

  it("is no file any more, and says so", async () => {
    await apply();
    await machine.exec(`rm ${docker}; mkdir ${docker}`);
    const { exitCode, stderr } = await machine.exec("sh -s", { stdin: script(), reject: false });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${docker}: expected a file or nothing, got a folder; remove it`);
    await machine.exec(`rmdir ${docker}`);
    await remove();
  });

  it("is left of others' lines in a block of /etc/hosts", async () => {
    await apply();
    await machine.exec("sed 's/^# END private-registry/10.9.9.9 theirs\\n&/' /etc/hosts >/h");
    await machine.exec("cat /h >/etc/hosts; rm /h");
    await apply({ registryAddress: "10.0.0.6" });
    expect(await read("/etc/hosts")).toContain("10.0.0.6 hub.test\n");
    await remove();
    const hosts = await read("/etc/hosts");
    expect(hosts).toMatch(/^10.9.9.9 theirs\n/);
    expect(hosts).not.toContain("private-registry private-registry-test");
    await machine.exec("sed 1d /etc/hosts >/h; cat /h >/etc/hosts; rm /h");
  });
});

describe("two installations of one registry on a machine", () => {
  const toml = "/etc/containerd/certs.d/hub.test/hosts.toml";
  const values = { runtimes: ["docker", "containerd"] };
  const renamed = { ...values, name: "renamed" };

  it.each([
    ["the first", name, "renamed"],
    ["the second", "renamed", name],
  ])("leave the other one's set-up when %s goes", async (_, gone, stays) => {
    await apply(values);
    await apply(renamed);
    await remove({ name: gone });
    expect(await read(toml)).toContain(`/var/lib/private-registry/${stays}/ca.crt`);
    const { stdout } = await machine.exec(
      `cat $(sed -n 's/^ca = "\\(.*\\)"$/\\1/p' ${toml}) /etc/docker/certs.d/hub.test/*.crt`,
    );
    expect(stdout).toBe(ca("ours") + ca("ours"));
    await remove({ name: stays });
  });
});

describe("a run that is cut off while it writes", () => {
  /** Ends the script, with its subshells, in the moment in which the file is empty. */
  const killer = (file: string) => `
[ "$(readlink /proc/$$/fd/1)" != ${file} ] || kill -9 0
exec /bin/cat "$@"`;

  it.each(["/etc/hosts", yaml])(
    "%s is as before at the next run, whoever's it is",
    async (file) => {
      if (file === yaml) await write(yaml, "configs:\n  a.test:\n");
      const text = await read(file);
      for (const command of ["apply", "remove"]) {
        if (command === "remove") await apply();
        const before = await read(file);
        await withProgram("cat", killer(file), async () => {
          await machine.exec(`sh -s -- ${command}`, { stdin: script(), reject: false });
        });
        expect(await read(file)).toBe("");
        // One for another registry finds it.
        const other = { name: "second", hosts: ["b.test"], registryAddress: undefined };
        const { stderr } = await machine.exec("sh -s", {
          stdin: script({ ...other, runtimes: ["docker"] }),
        });
        expect(stderr).toContain(`${file}: a run that was cut off had left it unfinished`);
        expect(await read(file)).toBe(before);
        await remove({ name: "second" });
      }
      await remove();
      expect(await read(file)).toBe(text);
      await machine.exec(`rm -f ${yaml}`);
    },
  );

  it("leaves alone what somebody has written there since, and keeps the rest", async () => {
    const text = await read("/etc/hosts");
    await withProgram("cat", killer("/etc/hosts"), async () => {
      await machine.exec("sh -s", { stdin: script(), reject: false });
    });
    await write("/etc/hosts", "127.0.0.1 me\n");
    const { stderr } = await machine.exec("sh -s -- remove", { stdin: script() });
    expect(stderr).toContain("/etc/hosts: a run was cut off while it wrote that, and somebody has");
    expect(await read("/etc/hosts")).toBe("127.0.0.1 me\n");
    expect(await read("/var/lib/private-registry.saved/etc/hosts")).toBe(text);
    await write("/etc/hosts", text);
    await machine.exec("rm -r /var/lib/private-registry.saved");
  });

  it("loses nothing on a full disk", async () => {
    await machine.exec(
      `rmdir /etc/rancher/k3s; mkdir /small/k3s; ln -s /small/k3s /etc/rancher/k3s
      printf 'configs:\\n%4000s\\n  a.test:\\n' '#' >${yaml}; cp ${yaml} /theirs
      dd if=/dev/zero of=/small/full 2>/dev/null || :`,
    );
    const { exitCode, stderr } = await machine.exec("sh -s", { stdin: script(), reject: false });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(yaml);
    await machine.exec(`rm /small/full`);
    await machine.exec("sh -s -- check", { stdin: script(), reject: false });
    await apply();
    await remove();
    await machine.exec(
      `cmp ${yaml} /theirs; rm -r /etc/rancher/k3s /small/k3s /theirs; mkdir /etc/rancher/k3s`,
    );
  });

  it("leaves no file that it was writing", async () => {
    await apply();
    await machine.exec(
      `cd /etc/docker/certs.d/hub.test; touch .private-registry-new ${state}/manifest.new`,
    );
    await remove();
  });
});

describe("one run at a time", () => {
  const lock = "/run/private-registry.lock";

  it("holds for 40 registries at once", async () => {
    const names = Array.from({ length: 40 }, (_, index) => `registry-${index}`);
    const all = (command: string) =>
      Promise.all(
        names.map((each) =>
          machine.exec(`sh -s -- ${command}`, {
            stdin: script({ name: each, hosts: [`${each}.test`] }),
            reject: false,
          }),
        ),
      );
    for (const command of ["apply", "remove"]) {
      await program("sleep", "exec /bin/sleep 1");
      const results = await all(command);
      await program("sleep", quick);
      expect(results.map(({ exitCode, stderr }) => `${exitCode}${stderr}`)).toEqual(
        names.map(() => "0"),
      );
      if (command === "apply") {
        expect((await read(yaml)).match(/BEGIN/g)).toHaveLength(40);
      }
    }
    expect((await machine.exec("ls /run")).stdout).not.toContain("private-registry");
  });

  it("ends with a run that was killed, though its process number is another's by now", async () => {
    for (const holder of ["999999.1", "1.1", "nonsense"]) {
      await machine.exec(`ln -s ${holder} ${lock}`);
      await Promise.all([apply(), apply({ name: "second", hosts: ["b.test"] })]);
      await Promise.all([remove(), remove({ name: "second" })]);
    }
    // Whoever was about to end that lock was killed as well.
    await machine.exec(`ln -s 999999.1 ${lock}; ln -s 999998.1 ${lock}.999999.1`);
    await apply();
    await remove();
    expect((await machine.exec("ls /run")).stdout).not.toContain("private-registry");
  });

  it("is not waited for without an end", async () => {
    await machine.exec(`ln -s 1.$(sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20) ${lock}`);
    await program("sleep", "exit 0");
    const { exitCode, stderr } = await machine.exec("sh -s", { stdin: script(), reject: false });
    await program("sleep", quick);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("process 1 on this machine is setting up or removing a registry here");
    await machine.exec(`rm ${lock}`);
  });
});

describe("what is due after a change", () => {
  const failing = "echo fail >>/var/log/store; exit 1";
  const working = 'echo "$*" >>/var/log/store';
  const calls = async () => (await machine.exec("cat /var/log/store; rm -f /var/log/store")).stdout;

  it("is done by the next run when it failed: the trust store", async () => {
    const values = { systemTrust: true };
    await apply();
    await withProgram("update-ca-certificates", failing, async () => {
      for (let run = 0; run < 2; run++) {
        const { exitCode, stderr } = await machine.exec("sh -s", {
          stdin: script(values),
          reject: false,
        });
        expect(exitCode).toBe(1);
        expect(stderr).toContain("update-ca-certificates failed: ");
      }
      expect(await calls()).toBe("fail\nfail\n");
      const { stdout } = await machine.exec("sh -s -- check", { stdin: script(values) });
      expect(stdout).toContain("changed: the certificates that update-ca-certificates reads\n");
    });
    await withProgram("update-ca-certificates", working, async () => {
      await apply(values);
      await apply(values);
      expect(await calls()).toBe("\n");
    });
    await withProgram("update-ca-certificates", failing, async () => {
      const { exitCode } = await machine.exec("sh -s -- remove", {
        stdin: script(values),
        reject: false,
      });
      expect(exitCode).toBe(1);
      expect(await calls()).toBe("fail\n");
    });
    await withProgram("update-ca-certificates", working, async () => {
      expect(await remove()).toContain("removed");
      expect(await calls()).toBe("--fresh\n");
    });
  });

  it("is done by a removal when a first set-up failed on it", async () => {
    await withProgram("update-ca-certificates", failing, async () => {
      await machine.exec("sh -s", { stdin: script({ systemTrust: true }), reject: false });
    });
    await calls();
    await withProgram("update-ca-certificates", working, async () => {
      expect(await remove()).toContain("removed");
      expect(await calls()).toBe("--fresh\n");
    });
  });

  it("is done by the next run when it failed: the restart of a service", async () => {
    await machine.exec("mkdir -p /run/k3s/containerd; touch /run/k3s/containerd/containerd.sock");
    await withProgram("rc-service", '[ "$2" = status ] || { echo broken; exit 1; }', async () => {
      await machine.exec("printf '#!/bin/sh\\n' >/etc/init.d/k3s; chmod 755 /etc/init.d/k3s");
      await apply({ hosts: ["a.test"], runtimes: ["docker"] });
      for (let run = 0; run < 2; run++) {
        const { stderr } = await machine.exec("sh -s", { stdin: script(), reject: false });
        expect(stderr).toContain("rc-service failed: broken");
      }
    });
    await withProgram("rc-service", '[ "$2" = status ] || touch /restarted', async () => {
      await apply();
      await machine.exec("rm /restarted");
      await remove();
    });
    await machine.exec("rm -r /run/k3s /etc/init.d/k3s");
  });
});

describe("a removal that fails half-way", () => {
  it("loses nothing, and can be repeated", async () => {
    const file = "/etc/docker/certs.d/hub.test/ca.crt";
    await apply();
    const broken = `case "$*" in *${file}) echo "rm: cannot" >&2; exit 1 ;; esac; exec /bin/rm "$@"`;
    await withProgram("rm", broken, async () => {
      for (let run = 0; run < 2; run++) {
        const { exitCode } = await machine.exec("sh -s -- remove", {
          stdin: script(),
          reject: false,
        });
        expect(exitCode).toBe(1);
      }
      expect(await read(`${state}/manifest`)).toContain(`file ${file}\n`);
    });
    expect(await remove()).toContain("removed");
  });
});

describe("the script by hand", () => {
  const managed = { client: "web1 at 10.0.0.11:22" };
  const login = { user: "ci", password: "pw" };
  const basic = Buffer.from("ci:pw").toString("base64");
  const toml = "/etc/containerd/certs.d/hub.test/hosts.toml";
  const containerd = { runtimes: ["containerd"] };
  const put = () => write("/trust.sh", script(containerd));
  const run = (args: string, stdin = "", before = "") =>
    machine.exec(`${before} sh /trust.sh ${args}`, { stdin, reject: false });

  it("says how it is used, to anybody", async () => {
    await put();
    const { stdout } = await machine.exec("sh /trust.sh --help", { user: "nobody" });
    expect(stdout).toContain("usage: sudo sh trust.sh [apply] [--system-trust] [--login USER]\n");
    await machine.exec("rm /trust.sh");
  });

  it.each([
    ["install", 'expected apply, check, remove, --system-trust or --login USER, got "install"'],
    ["apply --force", 'got "--force"'],
    ["apply remove", 'expected one command, got "apply" and "remove"'],
    ["--login", "expected a user of the registry after --login, got nothing"],
    ["--login=", 'expected a user of the registry, got ""'],
    ["--login 'a b'", 'expected a user of the registry, got "a b"'],
    ["check --system-trust", "check takes no --system-trust"],
  ])("refuses %s, and changes nothing", async (args, words) => {
    await put();
    const { exitCode, stderr } = await run(args);
    await machine.exec("rm /trust.sh");
    expect(exitCode).toBe(2);
    expect(stderr).toContain(words);
    expect(stderr).toContain("usage: ");
  });

  it("logs in with a password from its standard input", async () => {
    await put();
    expect((await run("--login ci", "pw\n")).stdout).toContain("logs in as ci");
    expect(await read(toml)).toContain(`authorization = "Basic ${basic}"`);
    expect((await run("check")).stdout).not.toContain("changed");
    const { exitCode, stderr } = await run("apply --login=ci");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("--login: expected the password of ci, got nothing");
    await run("remove");
    await machine.exec("rm /trust.sh");
  });

  it("refuses a login when it is itself the standard input and there is no terminal", async () => {
    const { exitCode, stderr } = await machine.exec("sh -s -- --login ci", {
      stdin: script(containerd),
      reject: false,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("there is no terminal to ask for the password of ci");
  });

  it("asks for the password on a terminal, and does not show it", async () => {
    await put();
    const { stdout } = await machine.exec(
      `(sleep 1; /bin/sleep 1; echo pw; /bin/sleep 3) | script -qec 'sh /trust.sh --login ci' /dev/null`,
    );
    expect(stdout).toContain("Password of ci at hub.test: ");
    expect(stdout).not.toContain("pw");
    expect(await read(toml)).toContain(basic);
    await run("remove");
    await machine.exec("rm /trust.sh");
  });

  it.each(["this version", "the first version"])(
    "keeps what Pulumi has chosen for the machine, as %s wrote it down",
    async (version) => {
      const chosen = { ...managed, login, systemTrust: true, registryAddress: undefined };
      const text = version === "this version" ? script(chosen) : landed(chosen);
      await machine.exec("mkdir -p /etc/rancher/k3s");
      await withProgram("containerd", "exit 1", async () => {
        await withProgram("crictl", "exit 0", async () => {
          await withProgram("update-ca-certificates", "exit 0", async () => {
            await machine.exec("sh -s", { stdin: text });
            await write("/trust.sh", script({ caPem: ca("new") }));
            const { stdout } = await run("");
            expect(stdout).toContain("managed by Pulumi as web1 at 10.0.0.11:22");
            expect(stdout).toContain("containerd: logs in as ci");
            expect(await read(toml)).toContain(`authorization = "Basic ${basic}"`);
            expect(await read(yaml)).toContain(`auth: ${basic}`);
            expect(await read(`${anchors}/${name}.crt`)).toBe(ca("new"));
            expect(await read("/etc/hosts")).not.toContain("hub.test");
            expect((await run("check")).stdout).not.toContain("changed");
            expect((await run("")).stdout).toContain("managed by Pulumi");
            // Pulumi's own next run goes by its settings.
            await apply({ ...managed, caPem: ca("new") });
            expect(await read(yaml)).not.toContain("auth");
            const removed = await run("remove");
            expect(removed.stdout).toContain(
              "managed by Pulumi as web1 at 10.0.0.11:22, which may",
            );
            expect(removed.stdout).toContain("removed");
          });
        });
      });
      await machine.exec("rm /trust.sh");
    },
  );

  it("keeps the runtimes that Pulumi has chosen", async () => {
    for (const text of [script, landed]) {
      await withProgram("podman", "exit 0", async () => {
        await machine.exec("sh -s", { stdin: text({ ...managed, runtimes: ["podman"] }) });
        await machine.exec("sh -s", { stdin: script() });
        await machine.exec("ls /etc/containers/certs.d/hub.test; ! [ -e /etc/docker ]");
        await remove();
      });
      // Of itself, the script would set up Docker, and no containerd.
      await machine.exec("sh -s", { stdin: text({ ...managed, ...containerd }) });
      await machine.exec("sh -s", { stdin: script() });
      await machine.exec(`ls ${toml}; ! [ -e /etc/docker ]`);
      await remove();
    }
  });
});

describe("kinds of machines", () => {
  it("has the names in the template that cloud-init makes /etc/hosts of", async () => {
    const template = "/etc/cloud/templates/hosts.debian.tmpl";
    const text = "## template:jinja\n127.0.0.1 {{hostname}}\n";
    await machine.exec(
      `mkdir -p /etc/cloud/templates /etc/cloud/cloud.cfg.d; echo x >/etc/cloud/templates/hosts.redhat.tmpl
      cat >${template}; echo 'manage_etc_hosts: true' >/etc/cloud/cloud.cfg`,
      { stdin: text },
    );
    expect(await apply()).toContain(`hosts: the same in ${template}`);
    expect(await read(template)).toBe(text.replace("\n", `\n${block("10.0.0.5 hub.test\n")}`));
    await apply();
    await machine.exec("echo 'manage_etc_hosts: localhost' >/etc/cloud/cloud.cfg.d/9.cfg");
    await apply();
    expect(await read(template)).toBe(text);
    await machine.exec("rm /etc/cloud/cloud.cfg.d/9.cfg");
    await apply();
    await remove();
    expect(await read(template)).toBe(text);
    await machine.exec(`rm ${template}`);
    expect(await apply()).toContain(
      "hosts: cloud-init makes /etc/hosts anew at each start, from a",
    );
    await remove();
    await machine.exec("rm -r /etc/cloud");
  });

  it("is told that WSL makes /etc/hosts anew", async () => {
    const hosts = await read("/etc/hosts");
    await write("/etc/hosts", `# This file was automatically generated by WSL.\n${hosts}`);
    expect(await apply()).toContain(
      "hosts: WSL makes /etc/hosts anew at each start; to keep these",
    );
    await write("/etc/wsl.conf", "[network]\ngenerateHosts = false\n");
    expect(await apply()).not.toContain("WSL");
    await remove();
    await machine.exec("rm /etc/wsl.conf");
    await write("/etc/hosts", hosts);
  });

  it("with Docker from a snap has the CA in the snap's folder, and not in /etc", async () => {
    const folder = "/var/snap/docker/current";
    await machine.exec(`mkdir -p ${folder} /snap/bin; mv /usr/local/bin/dockerd /dockerd
      printf '#!/bin/sh\\n' >/snap/bin/docker; chmod 755 /snap/bin/docker`);
    expect(await apply()).toContain("docker: trusts hub.test");
    expect(await read(`${folder}/etc/docker/certs.d/hub.test:443/ca.crt`)).toBe(ca("ours"));
    await machine.exec("! [ -e /etc/docker ]");
    await remove();
    await machine.exec(`find ${folder} -mindepth 1 | grep . && exit 1; rm -r ${folder} /snap
      mv /dockerd /usr/local/bin/dockerd`);
  });

  it("is told of a builder that runs in a container, with what to make it anew with", async () => {
    await machine.exec("mkdir -p /root/.docker/buildx/instances");
    await write(
      "/root/.docker/buildx/instances/multi",
      '{"Name":"multi","Driver":"docker-container"}',
    );
    await write("/root/.docker/buildx/instances/plain", '{"Name":"plain","Driver":"docker"}');
    const said = await apply();
    expect(said).toContain("docker: what buildx builds with multi does not trust the registry");
    expect(said).toContain(
      `--driver-opt network=host --buildkitd-config ${state}/buildkitd.toml\n`,
    );
    expect(await read(`${state}/buildkitd.toml`)).toBe(
      `[registry."hub.test"]\n  ca = ["${state}/ca.crt"]\n` +
        `[registry."hub.test:443"]\n  ca = ["${state}/ca.crt"]\n`,
    );
    await machine.exec("rm -r /root/.docker");
    await remove();
  });

  it("with rootless Docker in ~/bin logs its user in there", async () => {
    const socket = "/run/user/$(id -u ops)/docker.sock";
    await machine.exec(
      `useradd --create-home ops; mv /usr/local/bin/dockerd /dockerd
      mkdir -p /run/user/$(id -u ops) ~ops/bin ~ops/.docker
      perl -e 'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un($ARGV[0]))' ${socket}
      printf '#!/bin/sh\\n[ "$1" != login ] || echo "$* $DOCKER_HOST" >~/called\\n' >~ops/bin/docker
      chmod 755 ~ops/bin/docker; chown -R ops ~ops`,
    );
    const stdin = script({ login: { user: "ci", password: "pw" }, runtimes: ["docker"] });
    const { stdout } = await machine.exec("SUDO_USER=ops sh -s", { stdin });
    expect(stdout).toContain("docker: ops is logged in as ci\n");
    expect(stdout).not.toContain("not in use: docker");
    expect((await machine.exec("cat ~ops/called")).stdout).toMatch(
      /^login --username ci --password-stdin hub.test unix:\/\/\/run\/user\/\d+\/docker.sock\n$/,
    );
    await machine.exec("! [ -e /etc/docker ]");
    await machine.exec("SUDO_USER=ops sh -s -- remove", { stdin });
    await machine.exec(
      "userdel -r ops; rm -rf /run/user /etc/*-; mv /dockerd /usr/local/bin/dockerd",
    );
    clean = await listing(machine);
  });

  it("with a home that has a space in it has rootless Docker's folder there", async () => {
    await machine.exec(
      "useradd --home-dir '/home/o p s' --create-home ops; mkdir -p '/home/o p s/.config/docker'; " +
        "chown -R ops: '/home/o p s'",
    );
    const before = await listing(machine);
    const stdin = script();
    await machine.exec("SUDO_USER=ops sh -s", { stdin });
    expect(await read("/home/o p s/.config/docker/certs.d/hub.test/ca.crt")).toBe(ca("ours"));
    await machine.exec("SUDO_USER=ops sh -s -- remove", { stdin });
    expect(await listing(machine)).toBe(before);
    await machine.exec("userdel -r ops; rm -f /etc/*-");
    clean = await listing(machine);
  });
});
