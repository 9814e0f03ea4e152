import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { setCommand } from "../components/config-commands";
import type { PrivateRegistryArgs } from "../components/private-registry";
import { quote } from "../components/render/shell";
import { formatPath } from "../components/rules/configuration";
import { registryRules } from "../components/rules/registry";
import { nearest } from "../components/rules/schema";
import { checkArgs, checkedLater, findProblems } from "../components/validation";
import { encrypted, issue } from "./support/certificates";
import { resolved } from "./support/mocks";

const namespace = "private-registry";
const domains = ["registry.example.com"];
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";

const root = issue({ subject: "Root", ca: true });
const leaf = issue({ subject: "leaf", issuer: root, sans: "DNS:registry.example.com" });

/** The problems that otherwise valid settings have with `settings`. */
function problemsOf(settings: Record<string, unknown>): string[] {
  return findProblems({ domains, ...settings }, registryRules, { where: "", namespace });
}

const everything: PrivateRegistryArgs = {
  domains: ["registry.example.com", "localhost", "10.0.0.5", "::1"],
  httpsPort: 5443,
  bindAddress: "127.0.0.1",
  users: { alice: { password: "hunter2", access: "pull" }, "a.b@c-d_e": {} },
  anonymousPull: true,
  certificate: {
    keyAlgorithm: "RSA-4096",
    caGeneration: 3,
    retiredCaGeneration: 1,
    caValidityDays: 3651,
    validityDays: 398,
    renewalDays: 397,
  },
  images: { registry: "registry:3", nginx: "nginx" },
  dockerHost: "ssh://ops@registry.example.com",
  dataPath: "/srv/registry",
  replaces: "0123456789abcdef",
  keepData: false,
  registryAddress: "10.0.0.5",
  clients: {
    web1: {
      host: "10.0.0.11",
      port: 2222,
      user: "ops",
      privateKey: leaf.privateKeyPem,
      hostKey,
      proxy: { host: "bastion", port: 65535, hostKey, password: "x" },
      sudo: true,
      runtimes: ["docker", "podman"],
      systemTrust: true,
      hostsEntry: true,
    },
    web2: {
      host: "web2",
      privateKey: encrypted(leaf.privateKeyPem),
      privateKeyPassword: "secret",
    },
  },
};

describe("valid settings", () => {
  it.each([
    ["the least", {}],
    ["everything at once", everything],
    ["nobody who may log in, but anybody who may pull", { users: {}, anonymousPull: true }],
    [
      "an own certificate beside an empty `certificate`",
      { certificate: {}, ownCertificate: { ...leaf, caPem: root.certificatePem } },
    ],
    ["empty maps where those mean the default", { certificate: {}, images: {}, clients: {} }],
    ["what is undefined", { users: undefined, certificate: undefined, httpsPort: undefined }],
    ["a name without dots with a port", { domains: ["registry"], httpsPort: 5443 }],
    ["a name without dots behind another", { domains: [...domains, "registry"] }],
    ["a short CA for a shorter certificate", { certificate: { caValidityDays: 366 } }],
    ["the machine that runs Pulumi", { clients: { here: { local: true, password: "x" } } }],
    [
      "one address behind two bastions",
      {
        clients: {
          a: { host: "10.0.0.1", proxy: { host: "a.test" } },
          b: { host: "10.0.0.1", proxy: { host: "b.test" } },
        },
      },
    ],
    [
      "a login of a user",
      { users: { ci: {} }, clients: { web1: { host: "h", hostKey, login: "ci" } } },
    ],
    ["no hosts entry without an address", { clients: { web1: { host: "h", hostsEntry: false } } }],
  ] as [string, Record<string, unknown>][])("may have %s", (_, settings) => {
    expect(problemsOf(settings)).toEqual([]);
  });
});

const set = "set it with: pulumi config set";

/** A problem without its mend. */
function titleOf([line = ""]: readonly string[]): string {
  return line.split("; ")[0] ?? line;
}

describe("a problem is told with what was expected, what was got and its mend", () => {
  const aDomain =
    "expected a DNS name in lower case, or an IP address, without scheme, port, path, wildcard " +
    "or trailing dot";
  const aPort = "expected a whole number from 1 to 65535";
  const aPassword =
    "expected a password of 1 to 72 bytes (bcrypt reads no more), without control characters";
  const aUserName =
    "expected a user name of 1 to 64 letters, digits and . _ @ -, with a letter or digit in front";
  const aClientName =
    "expected a client's name of 1 to 63 letters, digits and . _ -, with a letter or digit in front";
  const anImage =
    "expected an image reference such as [host[:port]/]name[:tag][@digest], the name in lower case";
  const aKey = "expected a private key, PEM or OpenSSH";
  const aHostKey =
    "expected a public key as in authorized_keys (ssh-keyscan prints it after the host's name)";
  const topKeys = Object.keys(registryRules.shape).join(", ");
  const sshKeys = "host, port, user, privateKey, privateKeyPassword, password, hostKey";
  const inWeb1 = (key: string, value = "") =>
    `${set} --path private-registry:clients.web1.${key}${value}`;
  const web1 = (settings: Record<string, unknown>) => ({
    clients: { web1: { host: "h", ...settings } },
  });

  const table: [Record<string, unknown>, ...string[]][] = [
    // domains
    [
      { domains: undefined },
      "domains: expected a list of at least one DNS name or IP address, got nothing; " +
        `${set} --path 'private-registry:domains[0]' registry.example.com`,
    ],
    [
      { domains: [] },
      "domains: expected a list of at least one DNS name or IP address, got an empty list; " +
        `${set} --path 'private-registry:domains[0]' registry.example.com`,
    ],
    [
      { domains: "a.example.com,b.example.com" },
      "domains: expected a list of at least one DNS name or IP address, got a text of 27 bytes; " +
        `${set} --path 'private-registry:domains[0]' a.example.com && ` +
        "pulumi config set --path 'private-registry:domains[1]' b.example.com",
    ],
    [
      { domains: ["https://Reg.example.com:5000/"] },
      `domains[0]: ${aDomain}, got "https://Reg.example.com:5000/"; ` +
        `${set} --path 'private-registry:domains[0]' reg.example.com`,
    ],
    [
      { domains: [...domains, "*.example.com"] },
      `domains[1]: ${aDomain}, got "*.example.com"; ` +
        `${set} --path 'private-registry:domains[1]' registry1.example.com`,
    ],
    [
      { domains: [...domains, ""] },
      `domains[1]: ${aDomain}, got ""; remove it with: ` +
        "pulumi config rm --path 'private-registry:domains[1]'",
    ],
    [
      { domains: [...domains, ...domains] },
      'domains[1]: expected each one once, got "registry.example.com"; remove it with: ' +
        "pulumi config rm --path 'private-registry:domains[1]'",
    ],
    [
      { domains: ["registry"] },
      "domains[0]: expected a name with a dot, or an httpsPort other than 443 (Docker looks for " +
        'registry/app on Docker Hub), got "registry"; ' +
        `${set} --path 'private-registry:domains[0]' registry.example.com`,
    ],
    // httpsPort, bindAddress
    ...[0, 65536, 1.5, -1, true].map((httpsPort): [Record<string, unknown>, string] => [
      { httpsPort },
      `httpsPort: ${aPort}, got ${String(httpsPort)}; ${set} private-registry:httpsPort 5443`,
    ]),
    [
      { httpsPort: "https" },
      `httpsPort: ${aPort}, got "https"; ${set} private-registry:httpsPort 5443`,
    ],
    [
      { bindAddress: "localhost" },
      'bindAddress: expected an IP address of the Docker host, got "localhost"; ' +
        `${set} private-registry:bindAddress 127.0.0.1`,
    ],
    [
      { bindAddress: null },
      "bindAddress: expected an IP address of the Docker host, got null; " +
        "remove it with: pulumi config rm private-registry:bindAddress",
    ],
    // users
    [
      { users: "alice:hunter2" },
      "users: expected a map of users by name, got a text of 13 bytes; " +
        `${set} --path private-registry:users.alice.access push`,
    ],
    [
      { users: '{"alice": }' },
      "users: expected a map of users by name, got a text of 11 bytes that is not valid JSON; " +
        `${set} --path private-registry:users.alice.access push`,
    ],
    [
      { users: ["alice"] },
      "users: expected a map of users by name, got a list; " +
        "set it with: pulumi config rm private-registry:users && " +
        "pulumi config set --path private-registry:users.alice.access push",
    ],
    [
      { users: {} },
      "users: expected at least one user, or anonymousPull (nobody could log in), got no user; " +
        `${set} --path private-registry:users.alice.access push`,
    ],
    [
      { users: { bob: "hunter2" } },
      "users.bob: expected a map with password, access, got a text of 7 bytes; " +
        "set it with: pulumi config rm --path private-registry:users.bob && " +
        "pulumi config set --path private-registry:users.bob.access push",
    ],
    [
      { users: { "a b": {} } },
      `users["a b"]: ${aUserName}, got "a b"; remove it with: ` +
        `pulumi config rm --path 'private-registry:users["a b"]'`,
    ],
    [
      { users: { "alice:hunter2": {} } },
      `users["alice:…"]: ${aUserName}, got one with a colon; remove or rename it`,
    ],
    [
      { users: { "alice:hunter2": { access: "pul" } } },
      `users["alice:…"]: ${aUserName}, got one with a colon; remove or rename it`,
      'users["alice:…"].access: expected one of push, pull, none, got "pul"',
    ],
    [
      JSON.parse('{"users": {"__proto__": {}}}') as Record<string, unknown>,
      `users.__proto__: ${aUserName}, got "__proto__"; remove it with: ` +
        "pulumi config rm --path private-registry:users.__proto__",
    ],
    [
      { users: { alice: { password: "x".repeat(80) } } },
      `users.alice.password: ${aPassword}, got a text of 80 bytes; ` +
        `${set} --secret --path private-registry:users.alice.password`,
    ],
    [
      { users: { "a.b": { password: "" } } },
      `users["a.b"].password: ${aPassword}, got an empty text; ` +
        `${set} --secret --path 'private-registry:users["a.b"].password'`,
    ],
    [
      { users: { alice: { password: "a\nb" } } },
      `users.alice.password: ${aPassword}, got one with a line break or another control ` +
        `character; ${set} --secret --path private-registry:users.alice.password`,
    ],
    [
      { users: { alice: { password: 12345678 } } },
      `users.alice.password: ${aPassword}, got a number; ` +
        `${set} --secret --path private-registry:users.alice.password`,
    ],
    [
      { users: { alice: { access: "pusk" } } },
      'users.alice.access: expected one of push, pull, none, got "pusk"; ' +
        `${set} --path private-registry:users.alice.access push`,
    ],
    [
      { users: { "a.b": { access: "PULL" } } },
      'users["a.b"].access: expected one of push, pull, none, got "PULL"; ' +
        `${set} --path 'private-registry:users["a.b"].access' pull`,
    ],
    [
      { users: { alice: { acess: "pull" } } },
      "users.alice.acess: expected one of password, access, got an unknown key (did you mean " +
        "access?); move it with: pulumi config rm --path private-registry:users.alice.acess && " +
        "pulumi config set --path private-registry:users.alice.access pull",
    ],
    [
      { users: { john: { doe: { access: "pull" } } } },
      "users.john.doe: expected one of password, access, got an unknown key (is the name " +
        'users["john.doe"]?); move it with: pulumi config rm --path private-registry:users.john && ' +
        `pulumi config set --path 'private-registry:users["john.doe"].access' pull`,
    ],
    [
      { users: { "john:hunter2": { doe: { access: "pull" } } } },
      `users["john:…"]: ${aUserName}, got one with a colon; remove or rename it`,
      'users["john:…"].doe: expected one of password, access, got an unknown key (is the name ' +
        'users["john:…"]?); remove or rename it',
    ],
    [
      { users: { alice: { role: "reader" } } },
      "users.alice.role: expected one of password, access, got an unknown key; remove it with: " +
        "pulumi config rm --path private-registry:users.alice",
    ],
    // anonymousPull, keepData
    [
      { anonymousPull: "yes" },
      'anonymousPull: expected true or false, got "yes"; ' +
        `${set} private-registry:anonymousPull true`,
    ],
    [
      { keepData: 1 },
      `keepData: expected true or false, got 1; ${set} private-registry:keepData true`,
    ],
    // certificate
    [
      { certificate: "ECDSA-P256" },
      "certificate: expected a map with keyAlgorithm, caGeneration, retiredCaGeneration, " +
        `caValidityDays, validityDays, renewalDays, got a text of 10 bytes; ${set} --path private-registry:certificate.validityDays 365`,
    ],
    [
      { certificate: { keyAlgorithm: "ECDSA-P25" } },
      "certificate.keyAlgorithm: expected one of ECDSA-P256, ECDSA-P384, RSA-2048, RSA-4096, " +
        `got "ECDSA-P25"; ${set} --path private-registry:certificate.keyAlgorithm ECDSA-P256`,
    ],
    [
      { certificate: { caGeneration: 0 } },
      "certificate.caGeneration: expected a whole number from 1 to 999, got 0; " +
        `${set} --path private-registry:certificate.caGeneration 1`,
    ],
    [
      { certificate: { retiredCaGeneration: "none" } },
      "certificate.retiredCaGeneration: expected a whole number from 0 to 999, " +
        `got "none"; ${set} --path private-registry:certificate.retiredCaGeneration 0`,
    ],
    [
      { certificate: { retiredCaGeneration: 1 } },
      "certificate.caGeneration: expected 2, or 3 with two CAs trusted, as " +
        "retiredCaGeneration is 1, got 1; " +
        `${set} --path private-registry:certificate.caGeneration 2`,
    ],
    [
      { certificate: { caGeneration: 3 } },
      "certificate.caGeneration: expected 1, or 2 with two CAs trusted, as " +
        "retiredCaGeneration is 0, got 3; " +
        `${set} --path private-registry:certificate.caGeneration 2`,
    ],
    [
      { certificate: { caValidityDays: 36501 } },
      "certificate.caValidityDays: expected a whole number of days from 1 to 36500, got 36501; " +
        `${set} --path private-registry:certificate.caValidityDays 3650`,
    ],
    [
      { certificate: { validityDays: 399 } },
      "certificate.validityDays: expected a whole number of days from 1 to 398, got 399; " +
        `${set} --path private-registry:certificate.validityDays 365`,
    ],
    [
      { certificate: { renewalDays: 0 } },
      "certificate.renewalDays: expected a whole number of days from 1 to 397, got 0; " +
        `${set} --path private-registry:certificate.renewalDays 30`,
    ],
    [
      { certificate: { caValidityDays: 365 } },
      "certificate.caValidityDays: expected more days than validityDays (365), got 365; " +
        `${set} --path private-registry:certificate.caValidityDays 3650`,
    ],
    [
      { certificate: { validityDays: 30 } },
      "certificate.renewalDays: expected fewer days than validityDays (30), got 30; " +
        `${set} --path private-registry:certificate.renewalDays 2`,
    ],
    // ownCertificate
    [
      { certificate: { validityDays: 90 }, ownCertificate: leaf },
      "certificate: expected nothing, because ownCertificate is set and no certificate is made, " +
        "got a map; remove it with: pulumi config rm private-registry:certificate",
    ],
    [
      { ownCertificate: { privateKeyPem: leaf.privateKeyPem } },
      "ownCertificate.certificatePem: expected a PEM certificate, followed by its intermediates " +
        `if there are any, got nothing; ${set} --path ` +
        "private-registry:ownCertificate.certificatePem < fullchain.pem",
    ],
    [
      { ownCertificate: { ...leaf, certificatePem: "hunter2" } },
      "ownCertificate.certificatePem: expected a PEM certificate, followed by its intermediates " +
        `if there are any, got a text of 7 bytes; ${set} --path ` +
        "private-registry:ownCertificate.certificatePem < fullchain.pem",
    ],
    [
      { ownCertificate: { ...leaf, privateKeyPem: "privkey.pem" } },
      "ownCertificate.privateKeyPem: expected an unencrypted private key in PEM, got the path of " +
        `a file; ${set} --secret --path ` +
        "private-registry:ownCertificate.privateKeyPem < privkey.pem",
    ],
    [
      { ownCertificate: { ...leaf, privateKeyPem: root.privateKeyPem } },
      "ownCertificate.privateKeyPem: expected the private key of the first certificate " +
        `(CN=leaf), got the key of another one; ${set} --secret --path ` +
        "private-registry:ownCertificate.privateKeyPem < privkey.pem",
    ],
    [
      { ownCertificate: { ...leaf, caPem: "x" } },
      "ownCertificate.caPem: expected the PEM certificate of a CA, got a text of 1 bytes; " +
        `${set} --path private-registry:ownCertificate.caPem < ca.pem`,
    ],
    [
      { ownCertificate: leaf, domains: [...domains, "localhost", "10.0.0.5"] },
      "ownCertificate.certificatePem: expected a certificate for every domain (localhost, " +
        `10.0.0.5 missing), got DNS:registry.example.com; ${set} --path ` +
        "private-registry:ownCertificate.certificatePem < fullchain.pem",
    ],
    // images, dockerHost, dataPath, registryAddress
    [
      { images: { registry: "Registry:3" } },
      `images.registry: ${anImage}, got "Registry:3"; ` +
        `${set} --path private-registry:images.registry registry:3.1.2`,
    ],
    [
      { images: { nginx: "" } },
      `images.nginx: ${anImage}, got ""; remove it with: ` +
        "pulumi config rm --path private-registry:images.nginx",
    ],
    [
      { images: { ngnix: "nginx" } },
      "images.ngnix: expected one of registry, nginx, got an unknown key (did you mean nginx?); " +
        "move it with: pulumi config rm --path private-registry:images.ngnix && " +
        "pulumi config set --path private-registry:images.nginx nginx",
    ],
    [
      { dockerHost: "registry.example.com" },
      "dockerHost: expected ssh://[user@]host[:port], unix:///path or tcp://host:port, got " +
        `"registry.example.com"; ${set} private-registry:dockerHost ` +
        "ssh://ops@registry.example.com",
    ],
    [
      { dataPath: "data" },
      'dataPath: expected an absolute path on the Docker host, other than /, got "data"; ' +
        `${set} private-registry:dataPath /srv/registry`,
    ],
    [
      { registryAddress: "registry.example.com" },
      'registryAddress: expected an IP address that clients can reach, got "registry.example.com"; ' +
        `${set} private-registry:registryAddress 10.0.0.5`,
    ],
    // clients
    [
      { clients: [] },
      "clients: expected a map of clients by name, got a list; set it with: " +
        "pulumi config rm private-registry:clients && " +
        "pulumi config set --path private-registry:clients.web1.host 10.0.0.5",
    ],
    [
      { clients: { web2: "10.0.0.11" } },
      "clients.web2: expected a map with host and other settings of one client, got a text of 9 " +
        "bytes; set it with: pulumi config rm --path private-registry:clients.web2 && " +
        "pulumi config set --path private-registry:clients.web2.host 10.0.0.11",
    ],
    [
      { clients: { "web 1": { host: "h" } } },
      `clients["web 1"]: ${aClientName}, got "web 1"; remove it with: ` +
        `pulumi config rm --path 'private-registry:clients["web 1"]'`,
    ],
    [
      { clients: { "web1.lan": {} } },
      'clients["web1.lan"].host: expected a host name or IP address, or local for the machine that ' +
        "runs Pulumi, got nothing; " +
        `${set} --path 'private-registry:clients["web1.lan"].host' 10.0.0.5`,
    ],
    [
      { clients: { web1: { host: "" } } },
      'clients.web1.host: expected a host name or IP address, got ""; ' +
        inWeb1("host", " 10.0.0.5"),
    ],
    [
      web1({ host: "ssh://root:hunter2@web1.lan" }),
      'clients.web1.host: expected a host name or IP address, got "ssh:…@web1.lan"; ' +
        inWeb1("host", " web1.lan"),
    ],
    [web1({ port: 65536 }), `clients.web1.port: ${aPort}, got 65536; ${inWeb1("port", " 22")}`],
    [
      web1({ user: "" }),
      'clients.web1.user: expected a login name without spaces, colons and @, got ""; ' +
        "remove it with: pulumi config rm --path private-registry:clients.web1.user",
    ],
    [
      web1({ user: "root@web1" }),
      'clients.web1.user: expected a login name without spaces, colons and @, got "root@web1"; ' +
        inWeb1("user", " ops"),
    ],
    [
      web1({ privateKey: "~/.ssh/id_ed25519" }),
      `clients.web1.privateKey: ${aKey}, got the path of a file; ${set} --secret --path ` +
        "private-registry:clients.web1.privateKey < ~/.ssh/id_ed25519",
    ],
    [
      web1({ privateKeyPassword: "x" }),
      "clients.web1.privateKey: expected the key that privateKeyPassword is for, got nothing; " +
        `${set} --secret --path private-registry:clients.web1.privateKey < ~/.ssh/id_ed25519`,
    ],
    [
      web1({ privateKey: encrypted(leaf.privateKeyPem) }),
      "clients.web1.privateKeyPassword: expected the passphrase of privateKey, which is " +
        `encrypted, got nothing; ${set} --secret --path ` +
        "private-registry:clients.web1.privateKeyPassword",
    ],
    [
      web1({ password: "" }),
      "clients.web1.password: expected the password of the user, got an empty text; " +
        `${set} --secret --path private-registry:clients.web1.password`,
    ],
    [
      web1({ password: "x" }),
      "clients.web1.hostKey: expected the machine's public key, as a password goes to it, got " +
        "nothing; `ssh-keyscan -t ed25519 h` prints it after the host's name: compare it with the " +
        "one on the machine, and set it",
    ],
    [
      web1({ hostKey: `web1 ${hostKey}` }),
      `clients.web1.hostKey: ${aHostKey}, got a line of known_hosts; ` +
        inWeb1("hostKey", ` '${hostKey}'`),
    ],
    [
      web1({ sudo: "yes" }),
      `clients.web1.sudo: expected true or false, got "yes"; ${inWeb1("sudo", " true")}`,
    ],
    [
      web1({ systemTrust: 0 }),
      `clients.web1.systemTrust: expected true or false, got 0; ${inWeb1("systemTrust", " false")}`,
    ],
    [
      web1({ runtimes: "docker" }),
      "clients.web1.runtimes: expected a list of docker, containerd, podman, got a text of 6 " +
        "bytes; set it with: pulumi config rm --path private-registry:clients.web1.runtimes && " +
        "pulumi config set --path 'private-registry:clients.web1.runtimes[0]' docker",
    ],
    [
      web1({ runtimes: ["docker", "cri-o"] }),
      'clients.web1.runtimes[1]: expected one of docker, containerd, podman, got "cri-o"; ' +
        `${set} --path 'private-registry:clients.web1.runtimes[1]' docker`,
    ],
    [
      web1({ runtimes: ["docker", "docker"] }),
      'clients.web1.runtimes[1]: expected each one once, got "docker"; remove it with: ' +
        "pulumi config rm --path 'private-registry:clients.web1.runtimes[1]'",
    ],
    [
      web1({ hostsEntry: "maybe", runtime: [] }),
      `clients.web1.hostsEntry: expected true or false, got "maybe"; ${inWeb1("hostsEntry", " false")}`,
      `clients.web1.runtime: expected one of ${sshKeys}, local, proxy, sudo, runtimes, systemTrust, ` +
        "hostsEntry, login, got an unknown key (did you mean runtimes?); move it with: " +
        "pulumi config rm --path private-registry:clients.web1.runtime && " +
        "pulumi config set --path 'private-registry:clients.web1.runtimes[0]' docker",
    ],
    [
      { clients: { here: { local: true, host: "h", port: 22, user: "ops" } } },
      ...["host", "port", "user"].map(
        (key) =>
          `clients.here.${key}: expected nothing, because the client is local and not reached over ` +
          `SSH, got a value; remove it with: pulumi config rm --path ` +
          `private-registry:clients.here.${key}`,
      ),
    ],
    [
      { clients: { web1: { host: "h" }, web2: { host: "h", port: 22, user: "ops" } } },
      "clients.web2: expected a machine that is no other client's (it is web1's), got h:22; remove " +
        "it with: pulumi config rm --path private-registry:clients.web2",
    ],
    [
      web1({ hostKey, login: "nobody" }),
      'clients.web1.login: expected one of the users (admin), got "nobody"; ' +
        inWeb1("login", " admin"),
    ],
    [
      { users: { alice: {}, ci: {} }, ...web1({ hostKey, login: "admin" }) },
      'clients.web1.login: expected one of the users (alice, ci), got "admin"; ' +
        inWeb1("login", " alice"),
    ],
    [
      web1({ hostsEntry: true }),
      "registryAddress: expected the IP address for the hosts entries of web1, got nothing; " +
        `${set} private-registry:registryAddress 10.0.0.5`,
    ],
    [
      web1({ proxy: "bastion" }),
      `clients.web1.proxy: expected a map with ${sshKeys}, got a text of 7 bytes; set it with: ` +
        "pulumi config rm --path private-registry:clients.web1.proxy && " +
        "pulumi config set --path private-registry:clients.web1.proxy.host bastion.example.com",
    ],
    [
      web1({ proxy: { host: "b", proxy: { host: "c" } } }),
      `clients.web1.proxy.proxy: expected one of ${sshKeys}, got an unknown key; remove it with: ` +
        "pulumi config rm --path private-registry:clients.web1.proxy.proxy",
    ],
    [
      web1({ proxy: { host: "b", privateKeyPassword: "x" } }),
      "clients.web1.proxy.privateKey: expected the key that privateKeyPassword is for, got " +
        `nothing; ${set} --secret --path ` +
        "private-registry:clients.web1.proxy.privateKey < ~/.ssh/id_ed25519",
    ],
    // keys that do not exist
    [
      { domians: domains },
      `domians: expected one of ${topKeys}, got an unknown key (did you mean domains?); ` +
        "remove it with: pulumi config rm private-registry:domians",
    ],
    [
      { "users.alice.password": "hunter2" },
      `["users.alice.password"]: expected one of ${topKeys}, got an unknown key (set without ` +
        "--path?); move it with: pulumi config rm private-registry:users.alice.password && " +
        "pulumi config set --secret --path private-registry:users.alice.password",
    ],
    ...['users["john.doe"].access', "users.john.doe.access"].map(
      (key): [Record<string, unknown>, string] => [
        { [key]: "pull" },
        `[${JSON.stringify(key)}]: expected one of ${topKeys}, got an unknown key (set without ` +
          `--path?); move it with: pulumi config rm ${quote(`private-registry:${key}`)} && ` +
          `pulumi config set --path 'private-registry:users["john.doe"].access' pull`,
      ],
    ),
    [
      { "users.alice.role": "x" },
      `["users.alice.role"]: expected one of ${topKeys}, got an unknown key (set without --path?); ` +
        "remove it with: pulumi config rm private-registry:users.alice.role",
    ],
  ];

  it.each(table.map(([settings, ...lines]) => ({ settings, lines, title: titleOf(lines) })))(
    "$title",
    ({ settings, lines }) => {
      expect(problemsOf(settings)).toEqual(lines);
    },
  );
});

describe("all problems", () => {
  it("are told at once, in the order of the settings table and of the entries", () => {
    const problems = problemsOf({
      nonsense: 1,
      clients: { web2: { port: 0, host: "" }, web1: { host: "", hostsEntry: true } },
      users: { zoe: { acess: "pull", access: 1, password: "" }, adam: { access: "x" } },
      certificate: { renewalDays: 300, validityDays: 200 },
      httpsPort: 0,
      domains: ["localhost", "A", "localhost"],
    });
    expect(problems.map((problem) => problem.split(": ")[0])).toEqual([
      // From its end, as the last one is taken out.
      "domains[2]",
      "domains[1]",
      "httpsPort",
      "users.zoe.password",
      "users.zoe.access",
      "users.zoe.acess",
      "users.adam.access",
      "certificate.renewalDays",
      "registryAddress",
      "clients.web2.host",
      "clients.web2.port",
      "clients.web1.host",
      "nonsense",
    ]);
  });
});

describe("checkArgs", () => {
  it("passes valid arguments", () => {
    expect(() => checkArgs("hub", everything)).not.toThrow();
  });

  it("throws a RunError, which Pulumi prints without a stack trace, with every problem", () => {
    const args = { domains: ["A"], httpsPort: 0, users: { alice: { password: "" } } };
    let thrown: unknown;
    try {
      checkArgs("hub", args);
    } catch (error) {
      thrown = error;
    }
    expect(pulumi.RunError.isInstance(thrown)).toBe(true);
    expect((thrown as Error).message.split("\n")).toEqual([
      '3 problems in the arguments of PrivateRegistry "hub"; nothing was touched:',
      "  - domains[0]: expected a DNS name in lower case, or an IP address, without scheme, " +
        'port, path, wildcard or trailing dot, got "A"; such as a',
      "  - httpsPort: expected a whole number from 1 to 65535, got 0; such as 5443",
      "  - users.alice.password: expected a password of 1 to 72 bytes (bcrypt reads no more), " +
        "without control characters, got an empty text",
    ]);
  });

  it("counts a single problem in the singular", () => {
    expect(() => checkArgs("hub", { domains: [] })).toThrow(/^1 problem in the arguments of/);
  });

  it("passes over outputs and promises where the value may come late", () => {
    const late = pulumi.output("x");
    const promised = Promise.resolve("x");
    const connection = {
      host: late,
      privateKey: promised,
      privateKeyPassword: late,
      password: late,
      hostKey: promised,
    };
    const args: PrivateRegistryArgs = {
      domains,
      users: { alice: { password: pulumi.secret("x") }, bob: { password: promised } },
      ownCertificate: { certificatePem: late, privateKeyPem: pulumi.secret("x"), caPem: promised },
      registryAddress: late,
      clients: { web1: { ...connection, proxy: connection, hostsEntry: true } },
    };
    expect(() => checkArgs("hub", args)).not.toThrow();
  });

  it("refuses outputs where the value decides what exists", () => {
    const args = {
      domains: pulumi.output(domains),
      httpsPort: pulumi.output(443),
      users: { alice: pulumi.output({}) },
    };
    const problems = findProblems(args, registryRules, { where: "" });
    expect(problems).toEqual([
      expect.stringMatching(/^domains: .*, got an Output or a promise/),
      expect.stringMatching(/^httpsPort: .*, got an Output or a promise/),
      expect.stringMatching(/^users\.alice: .*, got an Output or a promise/),
    ]);
  });
});

describe("no message has a secret", () => {
  const marker = "MARKER";

  /** Every shape that a secret may be given in by mistake. */
  const shapes: [string, unknown][] = [
    ["text", marker],
    ["a text with a line break", `${marker}\n${marker}`],
    ["a long text", marker.repeat(40)],
    ["a line of htpasswd", `alice:${marker}`],
    ["a URL", `https://alice:${marker}@example.com/`],
    ["broken JSON", `{"password": "${marker}`],
    ["a PEM key", `-----BEGIN PRIVATE KEY-----\n${marker}\n-----END PRIVATE KEY-----`],
    ["a cut-off PEM key", `-----BEGIN OPENSSH PRIVATE KEY-----\n${marker}`],
    ["a PEM certificate", `-----BEGIN CERTIFICATE-----\n${marker}\n-----END CERTIFICATE-----`],
    ["a path", `/${marker}.pem`],
    ["a public key", `ssh-ed25519 ${marker}`],
    ["a list", [marker]],
    ["a map", { value: marker }],
    ["a map in a map", { value: { value: marker } }],
    ["a map with a password", { password: marker }],
    ["a number", 987654321],
    ["an inexact number", 987654321.5],
  ];

  const at = (path: string[], value: unknown): Record<string, unknown> =>
    path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Record<string, unknown>;

  const places = [
    ["users"],
    ["users", "alice"],
    ["users", "alice", "password"],
    ["users", "alice", "pasword"],
    ["users", "alice:MARKER", "password"],
    ["ownCertificate"],
    ["ownCertificate", "certificatePem"],
    ["ownCertificate", "privateKeyPem"],
    ["ownCertificate", "caPem"],
    ["ownCertificate", "key"],
    ["clients"],
    ["clients", "web1"],
    ["clients", "web1", "privateKey"],
    ["clients", "web1", "privateKeyPassword"],
    ["clients", "web1", "password"],
    ["clients", "web1", "secret"],
    ["clients", "web1", "proxy"],
    ["clients", "web1", "proxy", "privateKey"],
    ["clients", "web1", "proxy", "privateKeyPassword"],
    ["clients", "web1", "proxy", "password"],
    ["password"],
    ["users.alice.password"],
  ];

  it.each(places.flatMap((path) => shapes.map(([shape, value]) => ({ path, shape, value }))))(
    "with $shape in $path",
    ({ path, value }) => {
      for (const source of [{ where: "" }, { where: "", namespace }]) {
        const problems = findProblems({ domains, ...at(path, value) }, registryRules, source);
        expect(problems.join("\n")).not.toMatch(/MARKER|987654321/);
      }
    },
  );

  it.each(["dockerHost", "bindAddress", "registryAddress", "dataPath"])(
    "with a password in the URL that %s is given",
    (key) => {
      for (const value of [`ssh://ops:${marker}@host?x`, `ssh://ops:${marker}@${marker}@host?x`]) {
        const problems = problemsOf({ [key]: value });
        expect(problems).toHaveLength(1);
        expect(problems.join("\n")).not.toContain(marker);
      }
    },
  );

  it.each([["clients", "web1", "host"], ["clients", "web1", "hostKey"], ["dataPath"]])(
    "with a private key in the place of %s",
    (...path) => {
      const key = `-----BEGIN PRIVATE KEY-----\n${marker}\n-----END PRIVATE KEY-----`;
      const problems = problemsOf(at(path, key));
      expect(problems).not.toEqual([]);
      expect(problems.join("\n")).not.toContain(marker);
    },
  );

  it("with a value that the user stored as a secret", () => {
    const isSecret = (key: string) => key === "registryAddress";
    const source = { where: "", namespace, isSecret };
    const problems = findProblems({ domains, registryAddress: marker }, registryRules, source);
    expect(problems).toHaveLength(1);
    expect(problems.join("\n")).not.toContain(marker);
  });
});

describe("a path", () => {
  it.each([
    [["domains", 0], "domains[0]"],
    [["users", "alice", "access"], "users.alice.access"],
    [["users", "a@b-c_d", "access"], "users.a@b-c_d.access"],
    [["users", "a.b", "access"], 'users["a.b"].access'],
    [["users", 'a"b'], 'users["a\\"b"]'],
    [["users", "a\nb"], 'users["a\\nb"]'],
  ])("%j is written %s", (path, text) => {
    expect(formatPath(path)).toBe(text);
  });

  it("is quoted for the shell where it has to be", () => {
    const target = { path: ["users", "it's me"], value: "$x", secret: false };
    expect(setCommand(namespace, target)).toBe(
      `pulumi config set --path 'private-registry:users["it'\\''s me"]' '$x'`,
    );
  });
});

describe("a near miss", () => {
  const words = ["access", "password", "privateKey", "privateKeyPassword", "proxy"];

  it.each([
    ["acess", "access"],
    ["acccess", "access"],
    ["accses", "access"],
    ["Password", "password"],
    ["private_key", "privateKey"],
    ["privatekey", "privateKey"],
    ["porxy", "proxy"],
  ])("%s means %s", (typed, meant) => {
    expect(nearest(typed, words)).toBe(meant);
  });

  it.each(["", "x", "key", "hunter2"])("is not made of %j", (typed) => {
    expect(nearest(typed, words)).toBeUndefined();
  });
});

describe("what is known only during the deployment", () => {
  const later = (args: Partial<PrivateRegistryArgs>) => checkedLater("hub", { domains, ...args });
  /** What makes an Output fail; all that it promises does, and has to be waited for. */
  const refusal = async (value: unknown) => {
    const output = value as Record<"isKnown" | "isSecret", Promise<boolean>> &
      Record<"allResources" | "promise", () => Promise<unknown>>;
    const { isKnown, isSecret } = output;
    const all = [output.promise(), output.allResources(), isKnown, isSecret];
    const failed = (await Promise.allSettled(all)).find(({ status }) => status === "rejected");
    return String((failed as PromiseRejectedResult | undefined)?.reason ?? "");
  };

  it.each(["", "x".repeat(73), "a\nb"])("is checked then: the password %j", async (password) => {
    const { users } = later({ users: { bob: { password: pulumi.secret(password) } } });
    const said = await refusal(users?.bob?.password);
    expect(said).toMatch(/^Error: 1 problem in the arguments of PrivateRegistry "hub"/);
    expect(said).toContain("users.bob.password: expected a password of 1 to 72 bytes");
    if (password !== "") expect(said).not.toContain(password);
  });

  it("is checked with what is beside it", async () => {
    const other = issue({ subject: "other", sans: "DNS:registry.example.com" });
    const { ownCertificate } = later({
      ownCertificate: {
        certificatePem: pulumi.output(leaf.certificatePem),
        privateKeyPem: pulumi.secret(other.privateKeyPem),
      },
    });
    expect(await refusal(ownCertificate?.certificatePem)).toBe("");
    expect(await refusal(ownCertificate?.privateKeyPem)).toContain(
      "ownCertificate.privateKeyPem: expected the private key of the first certificate",
    );
  });

  it("stays as it is if nothing is wrong with it: a host, a password that is secret", async () => {
    const { clients } = later({
      clients: {
        a: { host: pulumi.output("10.0.0.5"), hostKey, password: pulumi.secret("x") },
        b: { host: Promise.resolve("not a host") },
      },
    });
    expect(await resolved(clients?.a?.host as pulumi.Output<string>)).toEqual({
      value: "10.0.0.5",
      secret: false,
    });
    expect(await resolved(clients?.a?.password as pulumi.Output<string>)).toEqual({
      value: "x",
      secret: true,
    });
    expect(await refusal(clients?.b?.host)).toContain("clients.b.host: expected a host name");
  });
});
