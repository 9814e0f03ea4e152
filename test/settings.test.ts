import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { registryRules } from "../components/rules/registry";
import { declaredDefaults, readSettings } from "../components/settings";

/** The parser that Pulumi's own package brings along. */
const yaml = createRequire(createRequire(import.meta.url).resolve("@pulumi/pulumi"))("js-yaml") as {
  load: (text: string) => unknown;
};

const checkout = new URL("..", import.meta.url);
const domains = ["registry.example.com"];
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0n4lTN0yLDVJq1Uhh0M0p2hQdJX0Wy4J9s6qZ0mQ8v";
const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();

beforeAll(async () => {
  const mocks = {
    newResource: () => ({ id: "", state: {} }),
    call: () => ({}),
  };
  await pulumi.runtime.setMocks(mocks, "some-project", "prod");
});

beforeEach(() => {
  warn.mockClear();
});

/** A configuration as the CLI hands it over: scalars as text, maps and lists as JSON. */
function configure(values: Record<string, unknown>, options: { secretKeys?: string[] } = {}) {
  const full = (key: string) => (key.includes(":") ? key : `private-registry:${key}`);
  const texts = Object.entries(values).map(([key, value]) => [
    full(key),
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  pulumi.runtime.setAllConfig(
    Object.fromEntries(texts) as Record<string, string>,
    (options.secretKeys ?? []).map(full),
  );
}

function settingsOf(values: Record<string, unknown>): unknown {
  configure({ domains, ...values }, { secretKeys: ["users", "clients"] });
  return readSettings();
}

/** The lines of the error that reading throws. */
function refusal(): string[] {
  try {
    readSettings();
  } catch (error) {
    expect(pulumi.RunError.isInstance(error)).toBe(true);
    return (error as Error).message.split("\n");
  }
  throw new Error("nothing was refused");
}

/** `value` with each secret output as `{ secret: … }`. */
async function revealed(value: unknown): Promise<unknown> {
  if (pulumi.Output.isInstance(value)) {
    const secret = await pulumi.isSecret(value);
    const plain = await new Promise((resolve) => value.apply(resolve));
    return secret ? { secret: plain } : plain;
  }
  if (Array.isArray(value)) {
    return Promise.all(value.map(revealed));
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const entries = Object.entries(value).map(async ([key, child]) => [key, await revealed(child)]);
  return Object.fromEntries((await Promise.all(entries)) as [string, unknown][]);
}

describe("readSettings", () => {
  it("reads its own namespace, whatever the project is called", () => {
    configure({
      domains,
      "some-project:httpsPort": 1,
      "private-registry-2:x": 1,
      "docker:host": "unix:///x",
    });
    expect(readSettings()).toEqual({ domains });
  });

  it("warns of settings in a namespace that nobody reads, with the command that moves them", () => {
    configure({
      domains,
      "some-project:httpsPort": 5443,
      "some-project:anonymousPull": false, // Pulumi.yaml's default in a project of that name
      "some-project:users": { alice: { access: "pull" }, bob: { password: "hunter2" } },
      "private-registy:domains": ["other.example.com"],
      "some-project:other": 1,
      "docker:host": "unix:///x",
    });
    readSettings();
    const words = "is not read, as settings are in the namespace private-registry; move it with: ";
    expect(warn.mock.calls.map(([line]) => line)).toEqual([
      `some-project:httpsPort ${words}pulumi config rm some-project:httpsPort && ` +
        "pulumi config set private-registry:httpsPort 5443",
      `some-project:users ${words}pulumi config rm some-project:users && ` +
        "pulumi config set --path private-registry:users.alice.access pull && " +
        "pulumi config set --secret --path private-registry:users.bob.password",
      `private-registy:domains ${words}pulumi config rm private-registy:domains`,
    ]);
  });

  it.each([
    ["whole numbers", { httpsPort: 5443 }],
    ["booleans", { anonymousPull: true, keepData: false }],
    ["texts", { bindAddress: "::1", dataPath: "/srv/registry", registryAddress: "10.0.0.5" }],
    ["lists", { domains: ["localhost", "10.0.0.5"] }],
    [
      "maps",
      {
        users: { "a.b": { access: "pull" }, "5": {} },
        certificate: { keyAlgorithm: "RSA-2048", validityDays: 90 },
        images: { nginx: "nginx:1.30-alpine" },
      },
    ],
    [
      "maps in maps, with their numbers, booleans and lists",
      {
        clients: {
          web1: {
            host: "10.0.0.11",
            port: 2222,
            sudo: true,
            runtimes: ["docker"],
            proxy: { host: "bastion", port: 22 },
          },
        },
      },
    ],
  ])("reads %s", (_, values) => {
    expect(settingsOf(values)).toEqual({ domains, ...values });
  });

  it("reads numbers and booleans that stand as text in a map", () => {
    const clients = { web1: { host: "h", port: "2222", sudo: "true", systemTrust: "false" } };
    expect(settingsOf({ clients, certificate: { validityDays: "90" } })).toEqual({
      domains,
      clients: { web1: { host: "h", port: 2222, sudo: true, systemTrust: false } },
      certificate: { validityDays: 90 },
    });
  });

  it("reads texts that `config set --path` has stored as numbers and booleans", async () => {
    const values = {
      users: { a: { password: 12345678 }, b: { password: true }, c: { password: "0123" } },
      clients: { web1: { host: "h", hostKey, user: 1000, password: 5 } },
    };
    expect(await revealed(settingsOf(values))).toEqual({
      domains,
      users: {
        a: { password: { secret: "12345678" } },
        b: { password: { secret: "true" } },
        c: { password: { secret: "0123" } },
      },
      clients: { web1: { host: "h", hostKey, user: "1000", password: { secret: "5" } } },
    });
  });

  it.each(["1234567890123456789", "1.5", "1e400"])(
    "refuses the password %s, which may not be what was typed, without repeating it",
    (number) => {
      pulumi.runtime.setAllConfig({
        "private-registry:domains": '["localhost"]',
        "private-registry:users": `{"alice": {"password": ${number}}}`,
      });
      expect(refusal()).toEqual([
        "1 problem in the configuration of stack prod; nothing was touched:",
        "  - users.alice.password: expected a password of 1 to 72 bytes (bcrypt reads no more), " +
          "without control characters, got a number; set it with: pulumi config set --secret " +
          "--path private-registry:users.alice.password",
      ]);
    },
  );

  it("takes a single domain for a list of one", () => {
    configure({ domains: "localhost" });
    expect(readSettings()).toEqual({ domains: ["localhost"] });
  });

  it.each([
    ["a.example.com,b.example.com", "a.example.com"],
    ["https://a.example.com", "a.example.com"],
    ["", "registry.example.com"],
  ])("does not take %j for a list, and tells how to set one", (value, first) => {
    configure({ domains: value });
    expect(refusal()[1]).toMatch(/^ {2}- domains: expected a list /);
    expect(refusal()[1]).toContain(`'private-registry:domains[0]' ${first}`);
  });

  it("takes an empty own certificate, which `config rm` leaves behind, for none", () => {
    expect(settingsOf({ ownCertificate: {} })).toEqual({ domains });
  });

  it("takes an empty bastion for none, and an empty user for one with the defaults", () => {
    const clients = { web1: { host: "h", proxy: {} } };
    expect(settingsOf({ clients, users: { alice: {} } })).toEqual({
      domains,
      clients: { web1: { host: "h" } },
      users: { alice: {} },
    });
  });

  it("takes one setting of a map without losing the defaults of the others", () => {
    const values = { images: { nginx: "nginx:1" }, certificate: { validityDays: 90 } };
    expect(settingsOf(values)).toEqual({ domains, ...values });
  });

  it("wraps every secret, and nothing else, as a secret", async () => {
    const key = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----";
    const connection = {
      ...{ host: "h", hostKey, privateKey: key, privateKeyPassword: "x", password: "y" },
    };
    const values = {
      users: { alice: { password: "hunter2", access: "pull" }, bob: {} },
      clients: { web1: { ...connection, proxy: connection } },
    };
    const wrapped = {
      host: "h",
      hostKey,
      privateKey: { secret: key },
      privateKeyPassword: { secret: "x" },
      password: { secret: "y" },
    };
    expect(await revealed(settingsOf(values))).toEqual({
      domains,
      users: { alice: { password: { secret: "hunter2" }, access: "pull" }, bob: {} },
      clients: { web1: { ...wrapped, proxy: wrapped } },
    });
  });

  it("refuses everything that is wrong at once, each with the command that mends it", () => {
    configure({
      httpsPort: "abc",
      anonymousPull: "yes",
      dockerHost: { password: "hunter2" },
      users: "{",
      keepdata: true,
    });
    expect(refusal()).toEqual([
      "6 problems in the configuration of stack prod; nothing was touched:",
      "  - domains: expected a list of at least one DNS name or IP address, got nothing; set it " +
        "with: pulumi config set --path 'private-registry:domains[0]' registry.example.com",
      '  - httpsPort: expected a whole number from 1 to 65535, got "abc"; set it with: pulumi ' +
        "config set private-registry:httpsPort 5443",
      "  - users: expected a map of users by name, got a text of 1 bytes that is not valid JSON; " +
        "set it with: pulumi config set --path private-registry:users.alice.access push",
      '  - anonymousPull: expected true or false, got "yes"; set it with: pulumi config set ' +
        "private-registry:anonymousPull true",
      "  - dockerHost: expected ssh://[user@]host[:port], unix:///path or tcp://host:port, got a " +
        "map; set it with: pulumi config set private-registry:dockerHost " +
        "ssh://ops@registry.example.com",
      `  - keepdata: expected one of ${Object.keys(registryRules.shape).join(", ")}, got an ` +
        "unknown key (did you mean keepData?); move it with: pulumi config rm " +
        "private-registry:keepdata && pulumi config set private-registry:keepData true",
    ]);
  });

  it("does not repeat a value that was stored as a secret", () => {
    configure({ domains, registryAddress: "hunter2" }, { secretKeys: ["registryAddress"] });
    expect(refusal()[1]).toContain("got a text of 7 bytes");
  });
});

describe("users who are there by default", () => {
  const users = { alice: { access: "pull" } };

  it("stay beside those who are named, with a warning that says how to decide", () => {
    configure({ domains, users });
    expect(readSettings(["admin"])).toEqual({ domains, users: { admin: {}, ...users } });
    expect(warn.mock.calls).toEqual([
      [
        [
          "The user admin was there by default and stays, as nothing says otherwise.",
          "  Keep it, without this warning: pulumi config set --path " +
            "private-registry:users.admin.access push",
          "  Delete it: pulumi config set --path private-registry:users.admin.access none",
        ].join("\n"),
      ],
    ]);
  });

  it.each([
    ["are what the configuration says of them", { ...users, admin: { access: "none" } }],
    ["have a setting of their own", { admin: { access: "pull" } }],
  ])("%s, if it names them", (_, named) => {
    configure({ domains, users: named });
    expect(readSettings(["admin"])).toEqual({ domains, users: named });
    expect(warn).not.toHaveBeenCalled();
  });

  it("can be logged in as on clients", () => {
    const clients = { web1: { host: "h", hostKey, login: "admin" } };
    configure({ domains, users, clients });
    expect(() => readSettings(["admin"])).not.toThrow();
    expect(() => readSettings()).toThrow(/clients\.web1\.login/);
  });
});

describe("a command that is told", () => {
  it("begins with how Pulumi is called here", () => {
    vi.stubEnv("PRIVATE_REGISTRY_PULUMI", "npm run pulumi --");
    configure({ domains, httpsPort: 0 });
    expect(refusal()[1]).toMatch(
      /set it with: npm run pulumi -- config set private-registry:httpsPort 5443$/,
    );
    vi.unstubAllEnvs();
  });
});

describe("secrets in plain text", () => {
  const values = {
    domains,
    users: { alice: { password: "hunter2" }, bob: {} },
    clients: {
      web1: {
        host: "h",
        hostKey,
        password: "hunter3",
        proxy: { host: "b", hostKey, password: "x" },
      },
    },
  };

  it("are refused, each with the command that encrypts it, and without the secret", () => {
    configure(values);
    const command = "got plain text; set it with: pulumi config set --secret --path";
    expect(refusal()).toEqual([
      "3 problems in the configuration of stack prod; nothing was touched:",
      `  - users.alice.password: expected it encrypted, ${command} private-registry:users.alice.password`,
      expect.stringContaining("clients.web1.password: expected it encrypted"),
      expect.stringContaining("clients.web1.proxy.password: expected it encrypted"),
    ]);
  });

  it("are not seen where the key has encrypted values", () => {
    configure(values, { secretKeys: ["users", "clients"] });
    readSettings();
    expect(warn).not.toHaveBeenCalled();
  });
});

describe("the project's files", () => {
  const committed = (name: string) =>
    spawnSync("git", ["show", `:./${name}`], { cwd: checkout, encoding: "utf8" }).stdout ||
    file(name);
  const file = (name: string) => readFileSync(new URL(name, checkout), "utf8");
  const project = yaml.load(file("Pulumi.yaml")) as {
    config: Record<string, { default?: unknown; type?: string; description?: string }>;
  };
  // As it was committed: Pulumi and `config set` rewrite the one in the checkout.
  const stack = yaml.load(committed("Pulumi.dev.yaml")) as { config: Record<string, unknown> };
  const defaults = Object.fromEntries(
    Object.entries(project.config).map(([key, entry]) => [key, entry.default]),
  );

  it("have a stack that is valid as it is, with the documented defaults", () => {
    configure({ ...defaults, ...stack.config });
    expect(readSettings()).toMatchObject({ domains: ["localhost"] });
    configure({ ...defaults, domains });
    expect(readSettings()).toEqual({
      domains,
      httpsPort: 443,
      bindAddress: "0.0.0.0",
      users: { admin: {} },
      anonymousPull: false,
      validation: {},
      certificate: {},
      images: { registry: "registry:3.1.2", nginx: "nginx:1.30" },
      keepData: true,
      clients: {},
    });
  });

  it("have the defaults that the program knows them by", () => {
    expect(defaults).toEqual(declaredDefaults);
  });

  it("publish the dev stack on this machine alone", () => {
    expect(stack.config).toMatchObject({
      "private-registry:httpsPort": 5443,
      "private-registry:bindAddress": "127.0.0.1",
    });
  });

  it("have settings of the dev stack that no version changes", () => {
    // Pulumi rewrites this file on every machine, and git refuses to pull a change to such a file.
    // A new default belongs in Pulumi.yaml or in the program.
    const hash = createHash("sha256").update(committed("Pulumi.dev.yaml")).digest("hex");
    expect(hash).toBe("40b98cd5f74b668d3b663f89864c12f674551efd43548e5c040af5f24a91016c");
  });

  it("leave every check to the program, which tells all problems at once", () => {
    for (const entry of Object.values(project.config)) {
      expect(entry.type).toBeUndefined();
      expect(entry.default).toBeDefined();
    }
  });

  it("describe every key, and every key inside of it", () => {
    const undeclared = [
      "domains",
      "dockerHost",
      "dataPath",
      "dataVolume",
      "replaces",
      "registryAddress",
    ];
    const keys = Object.keys(registryRules.shape);
    expect([...Object.keys(project.config), ...undeclared].sort()).toEqual([...keys].sort());
    for (const key of undeclared) {
      expect(file("Pulumi.yaml")).toMatch(new RegExp(`^# {3}${key} +\\S+`, "m"));
    }
    const inside = {
      users: ["password", "access"],
      validation: Object.keys(registryRules.shape.validation.unwrap().shape),
      certificate: Object.keys(registryRules.shape.certificate.unwrap().shape),
      ownCertificate: ["certificatePem", "privateKeyPem", "caPem"],
      images: ["registry", "nginx"],
      clients: Object.keys(registryRules.shape.clients.unwrap().valueType.shape),
    };
    for (const [key, names] of Object.entries(inside)) {
      for (const name of names) {
        expect(project.config[key]?.description).toMatch(new RegExp(`\\b${name}\\b`));
      }
    }
  });
});
