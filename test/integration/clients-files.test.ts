import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type ClientScriptValues, renderClientScript } from "../../components/render/client-script";
import { listing, type Machine, startMachine } from "../support/machine";

// What the clients' script does to files that others write too, to the machine's services, and to the
// set-up of other registries. The registry itself is none: a curl that says so stands in for it.

const ca = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
const name = "private-registry-test";
const state = `/var/lib/private-registry/${name}`;
const yaml = "/etc/rancher/k3s/registries.yaml";
const anchors = "/usr/local/share/ca-certificates";

let machine: Machine;
let clean: string;

beforeAll(async () => {
  machine = await startMachine({ kind: "plain", runArguments: ["--tmpfs", "/small:size=64k"] });
  await program("curl", "printf '\\n401'");
  await program("dockerd", "exit 0");
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
async function program(path: string, text: string): Promise<void> {
  const file = path.startsWith("/") ? path : `/usr/local/bin/${path}`;
  await machine.exec(`cat >${file}; chmod 755 ${file}`, { stdin: `#!/bin/sh\n${text}\n` });
}

async function withProgram<T>(path: string, text: string, run: () => Promise<T>): Promise<T> {
  const before = clean;
  await program(path, text);
  try {
    return await run();
  } finally {
    await machine.exec(`rm /usr/local/bin/${path}`);
    clean = before;
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

const landedBody = readFileSync("test/support/landed-client-script.sh", "utf8");

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
    expect(await apply()).toContain("k3s: trusts hub.test, hub.test:443\n");
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
