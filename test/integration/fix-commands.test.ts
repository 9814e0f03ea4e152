import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { readSettings } from "../../components/settings";
import { issue } from "../support/certificates";

// Every command that a refused configuration is told, given to the real CLI in the order of the
// lines, makes it one that is accepted, and never one that lets in somebody who was not meant to be.

const secret = "from standard input";
const root = issue({ subject: "Root", ca: true });
const leaf = issue({ subject: "leaf", issuer: root, sans: "DNS:registry.example.com" });
const domains = ["registry.example.com"];

let folder: string;
let environment: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "private-registry-test-"));
  await mkdir(join(folder, ".ssh"));
  await mkdir(join(folder, "state"));
  await writeFile(join(folder, "Pulumi.yaml"), await readFile(resolve("Pulumi.yaml")));
  await writeFile(join(folder, ".ssh/id_ed25519"), leaf.privateKeyPem);
  await writeFile(join(folder, "fullchain.pem"), leaf.certificatePem);
  await writeFile(join(folder, "privkey.pem"), leaf.privateKeyPem);
  await writeFile(join(folder, "ca.pem"), root.certificatePem);
  environment = {
    HOME: folder,
    PULUMI_HOME: folder,
    PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
    PULUMI_CONFIG_PASSPHRASE: "x",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  await run("pulumi stack init fixes");
  const mocks = { newResource: () => ({ id: "", state: {} }), call: () => ({}) };
  await pulumi.runtime.setMocks(mocks, "private-registry", "fixes");
  vi.spyOn(pulumi.log, "warn").mockResolvedValue();
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function run(command: string): Promise<string> {
  const { stdout } = await execa("sh", ["-c", command], {
    cwd: folder,
    env: environment,
    input: secret,
  });
  return stdout;
}

/** The settings as the program gets them, secrets as they are. */
async function settings(): Promise<Record<string, unknown>> {
  const stored = JSON.parse(await run("pulumi config --show-secrets --json")) as Record<
    string,
    { value: string; secret: boolean }
  >;
  const all = Object.entries(stored);
  pulumi.runtime.setAllConfig(
    Object.fromEntries(all.map(([key, { value }]) => [key, value])),
    all.filter(([, { secret }]) => secret).map(([key]) => key),
  );
  return readSettings() as unknown as Record<string, unknown>;
}

async function refusal(): Promise<string> {
  return settings().then(
    () => "",
    (error: unknown) => (error as Error).message,
  );
}

type Yaml = Record<string, unknown>;

/** A stack's file with `config`, and what is left of it once all commands were given. */
async function fixed(config: Yaml): Promise<Yaml> {
  const keyed = Object.entries({ domains, ...config }).map(([key, value]) => [
    `private-registry:${key}`,
    value,
  ]);
  await writeFile(
    join(folder, "Pulumi.fixes.yaml"),
    stringify({ config: Object.fromEntries(keyed) as Yaml }),
  );
  const problems = (await refusal()).split("\n").slice(1);
  expect(problems).not.toEqual([]);
  for (const problem of problems) {
    const command = /; (?:set|move|remove) it with: (.*)$/.exec(problem)?.[1];
    expect(command, problem).toBeDefined();
    await run(command ?? "");
  }
  return settings();
}

const aSecret = expect.any(pulumi.Output) as unknown;
const push = { access: "push" };
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0n4lTN0yLDVJq1Uhh0M0p2hQdJX0Wy4J9s6qZ0mQ8v";
const admin = { admin: {} };

describe("the commands that are told for", () => {
  it.each<[string, Yaml, Yaml]>([
    // names with a dot
    ["a user's name", { users: { john: { doe: push } } }, { users: { "john.doe": push } }],
    [
      "a user's name beside others, with pull",
      { users: { ...admin, john: { doe: { access: "pull" } } } },
      { users: { ...admin, "john.doe": { access: "pull" } } },
    ],
    [
      "a user's name of three parts",
      { users: { a: { b: { "c@d": { access: "pull" } } } } },
      { users: { "a.b.c@d": { access: "pull" } } },
    ],
    [
      "a user's password",
      { users: { john: { doe: { password: "x" } } } },
      { users: { "john.doe": { password: aSecret } } },
    ],
    [
      "two users of one first name, who is a user too",
      { users: { john: { access: "pull", doe: push, roe: { access: "pull" } } } },
      {
        users: { john: { access: "pull" }, "john.doe": push, "john.roe": { access: "pull" } },
      },
    ],
    ["what is left of such a user", { users: { ...admin, john: { doe: {} } } }, { users: admin }],
    [
      "a client's name",
      { clients: { web1: { example: { com: { host: "10.0.0.1", port: 23 } } } } },
      { clients: { "web1.example.com": { host: "10.0.0.1", port: 23 } } },
    ],
    [
      "a client's name that is an address",
      { clients: { "10": { "0": { "0": { "1": { host: "h", runtimes: ["docker"] } } } } } },
      { clients: { "10.0.0.1": { host: "h", runtimes: ["docker"] } } },
    ],
    // keys
    [
      "a misspelled right",
      { users: { bob: { acess: "pull" } } },
      { users: { bob: { access: "pull" } } },
    ],
    [
      "a misspelled right in words of one's own",
      { users: { bob: { acess: "readonly" } } },
      { users: { bob: { access: "pull" } } },
    ],
    [
      "a misspelled password",
      { users: { bob: { pasword: "x", access: "pull" } } },
      { users: { bob: { password: aSecret, access: "pull" } } },
    ],
    [
      "two misspelled keys and an unknown one",
      { users: { bob: { pasword: "x", acess: "pull", team: "a" } } },
      { users: { bob: { password: aSecret, access: "pull" } } },
    ],
    [
      "a user with nothing but unknown keys",
      { users: { ...admin, bob: { role: "reader", team: "a" } } },
      { users: admin },
    ],
    [
      "an unknown key beside a known one",
      { users: { bob: { role: "reader", access: "pull" } } },
      { users: { bob: { access: "pull" } } },
    ],
    ["a key in another case", { HttpsPort: "5443" }, { httpsPort: 5443 }],
    ["a key that is there twice", { httpsPort: 5443, httpsport: 444 }, { httpsPort: 5443 }],
    [
      "a misspelled map",
      { client: { web1: { host: "h", sudo: "true" } } },
      { clients: { web1: { host: "h", sudo: true } } },
    ],
    [
      "a misspelled list",
      { domains: undefined, domain: ["a.example.com", "10.0.0.1"] },
      { domains: ["a.example.com", "10.0.0.1"] },
    ],
    [
      "a setting without --path",
      { "users.john.doe.access": "pull", "images.nginx": "nginx:1" },
      { users: { "john.doe": { access: "pull" } }, images: { nginx: "nginx:1" } },
    ],
    [
      "a list without --path",
      { domains: undefined, "domains[0]": "a.example.com" },
      { domains: ["a.example.com"] },
    ],
    // rights
    [
      "a right that is none",
      { users: { bob: { access: "read" } } },
      { users: { bob: { access: "pull" } } },
    ],
    ["an empty right", { users: { bob: { access: "" } } }, { users: { bob: { access: "pull" } } }],
    ["anonymous pull, in other words", { anonymousPull: "no" }, { anonymousPull: false }],
    ["anonymous pull, in no words", { anonymousPull: "perhaps" }, { anonymousPull: false }],
    ["anonymous pull, on purpose", { anonymousPull: "Yes" }, { anonymousPull: true }],
    [
      "an address for this machine alone",
      { bindAddress: "localhost" },
      { bindAddress: "127.0.0.1" },
    ],
    [
      "a retired CA in words",
      { certificate: { retiredCaGeneration: "none", caGeneration: "first" } },
      { certificate: { retiredCaGeneration: 0, caGeneration: 1 } },
    ],
    // lists
    [
      "names that are there again",
      { domains: ["a.example.com", "a.example.com", "a.example.com", "b.example.com"] },
      { domains: ["a.example.com", "b.example.com"] },
    ],
    [
      "a name that is there again before a wrong one",
      { domains: ["a.example.com", "a.example.com", "B.example.com"] },
      { domains: ["a.example.com", "b.example.com"] },
    ],
    [
      "two names that nobody can read",
      { domains: ["*.example.com", "*.example.org"] },
      { domains: ["registry.example.com", "registry1.example.com"] },
    ],
    ["an empty name", { domains: ["a.example.com", ""] }, { domains: ["a.example.com"] }],
    ["nothing but an empty name", { domains: [""] }, { domains }],
    [
      "names as one text",
      { domains: "a.example.com, https://B.example.com:5443" },
      { domains: ["a.example.com", "b.example.com"] },
    ],
    ["a blank at the end", { domains: ["a.example.com "] }, { domains: ["a.example.com"] }],
    [
      "runtimes as one text",
      { clients: { web1: { host: "h", runtimes: "docker,Podman" } } },
      { clients: { web1: { host: "h", runtimes: ["docker", "podman"] } } },
    ],
    // another type
    ["users as a list", { users: ["alice", "bob"] }, { users: { alice: push } }],
    ["a user as a text", { users: { bob: "hunter2" } }, { users: { bob: push } }],
    ["a user as nothing", { users: { bob: null } }, { users: { bob: push } }],
    ["users as nothing", { users: null }, { users: admin }],
    [
      "a client as its address",
      { clients: { web2: "10.0.0.11" } },
      { clients: { web2: { host: "10.0.0.11" } } },
    ],
    [
      "a bastion as its address",
      { clients: { web2: { host: "h", proxy: "10.0.0.11" } } },
      { clients: { web2: { host: "h", proxy: { host: "10.0.0.11" } } } },
    ],
    ["clients as a list", { clients: ["h"] }, { clients: { web1: { host: "10.0.0.5" } } }],
    ["names as a map", { domains: { a: "b" } }, { domains }],
    // texts, numbers
    ["a number with blanks", { httpsPort: " 5443 " }, { httpsPort: 5443 }],
    ["a number with decimals", { httpsPort: "5443.0" }, { httpsPort: 5443 }],
    ["an empty address", { registryAddress: "", dataPath: null }, {}],
    [
      "an empty image",
      { images: { nginx: "", registry: "registry:3" } },
      { images: { registry: "registry:3" } },
    ],
    // what a removal leaves
    [
      "a client without anything",
      { clients: { web1: {} } },
      { clients: { web1: { host: "10.0.0.5" } } },
    ],
    [
      "a local client with a host",
      { clients: { here: { local: true, host: "h", port: 1 } } },
      { clients: { here: { local: true } } },
    ],
    [
      "a machine that is there twice",
      { clients: { a: { host: "h" }, b: { host: "h" } } },
      { clients: { a: { host: "h" } } },
    ],
    [
      "a login of somebody who may not log in",
      {
        users: { ...admin, ci: { access: "none" } },
        clients: { a: { host: "h", hostKey, login: "ci" } },
      },
      { clients: { a: { host: "h", hostKey, login: "admin" } } },
    ],
    [
      "nobody",
      { users: { bob: { access: "none" } } },
      { users: { alice: push, bob: { access: "none" } } },
    ],
    // files
    [
      "certificates",
      {
        ownCertificate: {
          certificatePem: "fullchain.pem",
          privateKeyPem: "privkey.pem",
          caPem: "x",
        },
      },
      { ownCertificate: { certificatePem: leaf.certificatePem.trim() } },
    ],
    ["a key", { clients: { web1: { host: "h", privateKey: "~/.ssh/id_ed25519" } } }, {}],
    [
      "a name for a user that cannot be one",
      { users: { ...admin, "a b": {}, "it's": {}, 'a"b': {}, "-x": {} } },
      { users: admin },
    ],
  ])("%s", async (_, config, expected) => {
    const left = await fixed(config);
    expect(left).toMatchObject(expected);
    if (expected.users !== undefined) expect(left.users).toEqual(expected.users);
  });
});
