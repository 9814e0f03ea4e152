/** The rules of every setting, in the order of the settings table. */
import { z } from "zod";
import { accessLevels, defaultUsers } from "../credentials";
import { runtimes } from "../client-trust";
import type { PrivateRegistryArgs } from "../private-registry";
import { indexPlatforms } from "../registry-server";
import { keyAlgorithms } from "../tls-identity";
import * as names from "./names";
import {
  certificateKey,
  certificates,
  namesOf,
  ownCertificateTogether,
  serverCertificate,
  uncovered,
} from "./own-certificate";
import { re2Pattern } from "./patterns";
import {
  choice,
  type Container,
  type Finding,
  flag,
  integer,
  isMap,
  list,
  map,
  nearest,
  object,
  text,
  textInput,
} from "./schema";
import { hostKey, isEncryptedKey, password, privateKey } from "./secrets";

/** What `certificate` says when it says nothing; needed to compare what was set with it. */
const certificateDefaults = { caValidityDays: 3650, validityDays: 365, renewalDays: 30 };

const maxCaGeneration = 999;

/** Further away than any machine's life, and within what X.509 dates can say. */
const maxCaDays = 36_500;

const aListOfDomains = "a list of at least one DNS name or IP address";

const domains = list(
  text({
    expected:
      "a DNS name in lower case, or an IP address, without scheme, port, path, wildcard or " +
      "trailing dot",
    example: (index) => `registry${index === 0 ? "" : index}.example.com`,
    check: names.domain,
  }),
  {
    expected: aListOfDomains,
    example: { at: [0], value: "registry.example.com" },
    fromText: separated((word) => {
      const complaint = names.domain(word);
      return complaint === undefined ? word : complaint.instead;
    }),
  },
);

const user = object(
  {
    password: textInput({
      expected: "a password of 1 to 72 bytes (bcrypt reads no more), without control characters",
      secret: true,
      check: password,
    }).optional(),
    // Whoever meant to restrict somebody must not be told to do the opposite.
    access: choice(accessLevels, "pull").optional(),
  },
  {
    expected: "a map with password, access",
    example: { at: ["access"], value: "push" },
  },
);

const users = map(user, {
  expected: "a map of users by name",
  example: { at: ["alice", "access"], value: "push" },
  whole: (value) =>
    badNames(value, names.userName, {
      expected:
        "a user name of 1 to 64 letters, digits and . _ @ -, with a letter or digit in front",
    }),
});

const validation = object(
  {
    foreignLayerUrls: list(
      text({
        expected: "a regular expression (RE2) for the URLs of layers that are kept elsewhere",
        example: "^https://mcr\\.microsoft\\.com/",
        check: re2Pattern,
      }),
      {
        expected: "a list of regular expressions (RE2)",
        example: { at: [0], value: "^https://mcr\\.microsoft\\.com/" },
        fromText: (text) => (re2Pattern(text) ? undefined : [{ at: [0], value: text }]),
      },
    ).optional(),
    indexPlatforms: choice(indexPlatforms).optional(),
  },
  {
    expected: "a map with foreignLayerUrls, indexPlatforms",
    example: { at: ["indexPlatforms"], value: "all" },
    whole: (value) => repeated(value.foreignLayerUrls, ["foreignLayerUrls"]),
  },
);

const certificate = object(
  {
    keyAlgorithm: choice(keyAlgorithms).optional(),
    caGeneration: integer(1, maxCaGeneration, { example: 1 }).optional(),
    retiredCaGeneration: integer(0, maxCaGeneration, { example: 0 }).optional(),
    caValidityDays: integer(1, maxCaDays, { example: 3650, unit: "days" }).optional(),
    // Clients of Apple refuse more: support.apple.com/102028.
    validityDays: integer(1, 398, { example: 365, unit: "days" }).optional(),
    renewalDays: integer(1, 397, { example: 30, unit: "days" }).optional(),
  },
  {
    expected:
      "a map with keyAlgorithm, caGeneration, retiredCaGeneration, caValidityDays, validityDays, " +
      "renewalDays",
    example: { at: ["validityDays"], value: "365" },
    whole: (value) => [...generations(value), ...lifetimes(value)],
  },
);

const ownCertificate = object(
  {
    certificatePem: textInput({
      expected: "a PEM certificate, followed by its intermediates if there are any",
      file: "fullchain.pem",
      shown: false,
      check: serverCertificate,
    }),
    privateKeyPem: textInput({
      expected: "an unencrypted private key in PEM",
      file: "privkey.pem",
      secret: true,
      check: certificateKey,
    }),
    caPem: textInput({
      expected: "the PEM certificate of a CA",
      file: "ca.pem",
      shown: false,
      check: certificates,
    }).optional(),
  },
  {
    expected: "a map with certificatePem, privateKeyPem, caPem",
    example: { at: ["certificatePem"], file: "fullchain.pem" },
    whole: ownCertificateTogether,
  },
);

const image = (example: string) =>
  text({
    expected:
      "an image reference such as [host[:port]/]name[:tag][@digest], the name in lower case",
    example,
    check: names.imageReference,
  }).optional();

const images = object(
  { registry: image("registry:3.1.2"), nginx: image("nginx:1.30") },
  {
    expected: "a map with registry, nginx",
    example: { at: ["registry"], value: "registry:3.1.2" },
  },
);

const aHost = "a host name or IP address";

const ssh = {
  host: textInput({
    expected: aHost,
    example: "10.0.0.5",
    check: names.sshHost,
  }),
  port: integer(1, 65535, { example: 22 }).optional(),
  user: text({
    expected: "a login name without spaces, colons and @",
    example: "ops",
    check: names.loginName,
  }).optional(),
  privateKey: textInput({
    expected: "a private key, PEM or OpenSSH",
    file: "~/.ssh/id_ed25519",
    secret: true,
    check: privateKey,
  }).optional(),
  privateKeyPassword: textInput({
    expected: "the passphrase of privateKey",
    secret: true,
  }).optional(),
  password: textInput({ expected: "the password of the user", secret: true }).optional(),
  hostKey: textInput({
    expected: "a public key as in authorized_keys (ssh-keyscan prints it after the host's name)",
    example: "ssh-ed25519 AAAA...",
    check: hostKey,
  }).optional(),
};

const proxy = object(ssh, {
  expected: `a map with ${Object.keys(ssh).join(", ")}`,
  example: { at: ["host"], value: "bastion.example.com" },
  fromText: addressOf,
  whole: (value) => [...keyAndPassphrase(value), ...unprovenMachine(value)],
});

/** What is of use only where there is an SSH connection. */
const sshOnly = [...Object.keys(ssh).filter((key) => key !== "password"), "proxy"];

const client = object(
  {
    ...ssh,
    host: ssh.host.optional(),
    local: flag(false).optional(),
    proxy: proxy.optional(),
    sudo: flag(true).optional(),
    runtimes: list(choice(runtimes), {
      expected: `a list of ${runtimes.join(", ")}`,
      example: { at: [0], value: runtimes[0] },
      fromText: separated((word) => nearest(word, runtimes)),
    }).optional(),
    systemTrust: flag(false).optional(),
    hostsEntry: flag(false).optional(),
    login: text({ expected: "a user of the registry", example: "admin" }).optional(),
  },
  {
    expected: "a map with host and other settings of one client",
    example: { at: ["host"], value: "10.0.0.5" },
    fromText: addressOf,
    whole: (value) => [
      ...whichMachine(value),
      ...keyAndPassphrase(value),
      ...unprovenMachine(value),
      ...repeated(value.runtimes, ["runtimes"]),
    ],
  },
);

const clients = map(client, {
  expected: "a map of clients by name",
  example: { at: ["web1", "host"], value: "10.0.0.5" },
  whole: (value) => [
    ...badNames(value, names.clientName, {
      expected:
        "a client's name of 1 to 63 letters, digits and . _ -, with a letter or digit in front",
    }),
    ...sameMachine(value),
  ],
});

/** A rule for every argument: one that is missing here, or too many, does not compile. */
const shape = {
  domains,
  httpsPort: integer(1, 65535, { example: 5443 }).optional(),
  bindAddress: text({
    expected: "an IP address of the Docker host",
    example: "0.0.0.0",
    check: names.ipAddress,
  }).optional(),
  users: users.optional(),
  anonymousPull: flag(false).optional(),
  validation: validation.optional(),
  certificate: certificate.optional(),
  ownCertificate: ownCertificate.optional(),
  images: images.optional(),
  dockerHost: text({
    expected: "ssh://[user@]host[:port], unix:///path or tcp://host:port",
    example: "ssh://ops@registry.example.com",
    check: names.dockerHost,
  }).optional(),
  dataPath: text({
    expected: "an absolute path on the Docker host, other than /",
    example: "/srv/registry",
    check: names.dataPath,
  }).optional(),
  dataVolume: text({
    expected: "the name of a volume: letters, digits and . _ -, with a letter or digit in front",
    example: "private-registry-dev-registry-data",
    check: names.volumeName,
  }).optional(),
  replaces: text({
    expected: "the id of an installation, as up tells it",
    example: "0123456789abcdef",
    check: names.installationId,
  }).optional(),
  keepData: flag(true).optional(),
  registryAddress: textInput({
    expected: "an IP address that clients can reach",
    example: "10.0.0.5",
    check: names.reachableAddress,
  }).optional(),
  clients: clients.optional(),
} satisfies Record<keyof Required<PrivateRegistryArgs>, z.ZodType>;

/** All rules of {@link PrivateRegistryArgs}. */
export const registryRules = object(shape, {
  expected: `a map with ${Object.keys(shape).join(", ")}`,
  example: { at: ["domains", 0], value: "registry.example.com" },
  whole: (args) => [
    ...noDomains(args.domains),
    ...repeated(args.domains, ["domains"]),
    ...hubName(args),
    ...twoPlaces(args),
    ...nobody(args),
    ...twoCertificates(args),
    ...uncoveredDomains(args),
    ...hostsWithoutAddress(args),
    ...unknownLogins(args),
  ],
}) satisfies z.ZodType<PrivateRegistryArgs>;

/** Reads `a, b` as a list, if every part of it is something. */
function separated(read: (word: string) => string | undefined): Container["fromText"] {
  return (text) => {
    const words = text.split(/[\s,;]+/).filter((word) => word !== "");
    const values = words.map(read).filter((value) => value !== undefined);
    const isList = words.length > 0 && values.length === words.length;
    return isList
      ? [...new Set(values)].map((value, index) => ({ at: [index], value }))
      : undefined;
  };
}

/** A machine of which only the address was given. A name may as well be a password. */
function addressOf(text: string): ReturnType<NonNullable<Container["fromText"]>> {
  const value = text.trim();
  return names.isIpAddress(value) ? [{ at: ["host"], value }] : undefined;
}

function badNames(
  value: Readonly<Record<string, unknown>>,
  pattern: RegExp,
  { expected }: { expected: string },
): Finding[] {
  return Object.keys(value)
    .filter((name) => !pattern.test(name))
    .map((name) => ({ path: [name], expected, got: printableName(name), mend: "remove" as const }));
}

/** A name for a message; what follows a colon may be the password of an htpasswd line. */
function printableName(name: string): string {
  return name.includes(":") ? "one with a colon" : JSON.stringify(name.slice(0, 80));
}

function generations(certificate: Readonly<Record<string, unknown>>): Finding[] {
  const { caGeneration = 1, retiredCaGeneration: retired = 0 } = certificate;
  if (!isGeneration(caGeneration, 1) || !isGeneration(retired, 0)) {
    return []; // Told already.
  }
  // GnuTLS does not find its way from a third one.
  const [least, most] = [retired + 1, retired + 2];
  if (caGeneration === least || caGeneration === most) {
    return [];
  }
  return [
    {
      path: ["caGeneration"],
      expected: `${least}, or ${most} with two CAs trusted, as retiredCaGeneration is ${retired}`,
      got: String(caGeneration),
      instead: String(caGeneration < least ? least : most),
    },
  ];
}

function isGeneration(value: unknown, least: number): value is number {
  return typeof value === "number" && value >= least && value <= maxCaGeneration;
}

function lifetimes(certificate: Readonly<Record<string, unknown>>): Finding[] {
  const days = (key: keyof typeof certificateDefaults) =>
    typeof certificate[key] === "number" ? certificate[key] : certificateDefaults[key];
  const validity = days("validityDays");
  const findings: Finding[] = [];
  if (days("caValidityDays") <= validity) {
    findings.push({
      path: ["caValidityDays"],
      expected: `more days than validityDays (${validity})`,
      got: String(days("caValidityDays")),
    });
  }
  if (days("renewalDays") >= validity) {
    findings.push({
      path: ["renewalDays"],
      expected: `fewer days than validityDays (${validity})`,
      got: String(days("renewalDays")),
      instead: String(Math.max(1, Math.floor(validity / 12))),
    });
  }
  return findings;
}

function whichMachine(client: Readonly<Record<string, unknown>>): Finding[] {
  if (client.local !== true) {
    const expected = `${aHost}, or local for the machine that runs Pulumi`;
    // The host of web1.lan is told where the name web1.lan is.
    const isPartOfName = Object.entries(client).some(([key, v]) => key !== "proxy" && isMap(v));
    return client.host === undefined && !isPartOfName
      ? [{ path: ["host"], expected, got: "nothing" }]
      : [];
  }
  return sshOnly
    .filter((key) => client[key] !== undefined)
    .map((key) => ({
      path: [key],
      expected: "nothing, because the client is local and not reached over SSH",
      got: "a value",
      mend: "remove" as const,
    }));
}

/** A password must not go to a machine that only says that it is the one which is meant. */
function unprovenMachine(machine: Readonly<Record<string, unknown>>): Finding[] {
  const { host, hostKey: given, local, login, password: own } = machine;
  const goesThere = [login, own].some((value) => value !== undefined && value !== "");
  if (given !== undefined || local === true || !goesThere) return [];
  const name = typeof host === "string" ? host : "HOST";
  const expected = "the machine's public key, as a password goes to it";
  const words =
    `\`ssh-keyscan -t ed25519 ${name}\` prints it after the host's name: compare it with the one on ` +
    "the machine, and set it";
  return [{ path: ["hostKey"], expected, got: "nothing", mend: { words } }];
}

/** Two clients on one machine would undo each other's settings. */
function sameMachine(clients: Readonly<Record<string, unknown>>): Finding[] {
  const first = new Map<string, string>();
  return Object.entries(clients).flatMap(([name, client]) => {
    const machine = machineOf(client);
    const other = machine && first.get(machine);
    if (machine && !other) first.set(machine, name);
    const expected = `a machine that is no other client's (it is ${other ?? ""}'s)`;
    return other ? [{ path: [name], expected, got: machine, mend: "remove" as const }] : [];
  });
}

/** Undefined if that is not known yet. */
function machineOf(client: unknown): string | undefined {
  if (!isMap(client)) return undefined;
  const { host, port = 22, local, proxy } = client;
  if (local === true) return "the machine that runs Pulumi";
  if (typeof host !== "string" || typeof port !== "number") return undefined;
  // A private address may mean another machine behind another bastion.
  const bastion = isMap(proxy) && typeof proxy.host === "string" ? ` through ${proxy.host}` : "";
  return `${host}:${port}${bastion}`;
}

function unknownLogins({ clients, users }: Readonly<Record<string, unknown>>): Finding[] {
  const known = whoMayLogIn(isMap(users) ? users : defaultUsers);
  const [readers, writers] = [known.filter(mayOnlyPull), known.filter((who) => !mayOnlyPull(who))];
  const names = known.map(([name]) => name);
  return Object.entries(isMap(clients) ? clients : {}).flatMap(([name, client]) => {
    const login = isMap(client) ? client.login : undefined;
    if (typeof login !== "string" || names.includes(login)) return [];
    return [
      {
        path: ["clients", name, "login"],
        expected: `one of the users (${names.join(", ") || "there is none"})`,
        got: JSON.stringify(login),
        instead: nearest(login, names) ?? [...readers, ...writers][0]?.[0],
      },
    ];
  });
}

function whoMayLogIn(users: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(users).filter(([, user]) => !isMap(user) || user.access !== "none");
}

function mayOnlyPull([, user]: readonly [string, unknown]): boolean {
  return isMap(user) && user.access === "pull";
}

function keyAndPassphrase(connection: Readonly<Record<string, unknown>>): Finding[] {
  const { privateKey: key, privateKeyPassword: passphrase } = connection;
  if (key === undefined && passphrase !== undefined) {
    return [
      {
        path: ["privateKey"],
        expected: "the key that privateKeyPassword is for",
        got: "nothing",
      },
    ];
  }
  if (typeof key === "string" && isEncryptedKey(key) && passphrase === undefined) {
    return [
      {
        path: ["privateKeyPassword"],
        expected: "the passphrase of privateKey, which is encrypted",
        got: "nothing",
      },
    ];
  }
  return [];
}

function repeated(values: unknown, path: readonly string[]): Finding[] {
  if (!Array.isArray(values)) {
    return [];
  }
  return values.flatMap((value: unknown, index) =>
    typeof value === "string" && values.indexOf(value) < index
      ? [
          {
            path: [...path, index],
            expected: "each one once",
            got: JSON.stringify(value),
            mend: "remove" as const,
          },
        ]
      : [],
  );
}

function noDomains(values: unknown): Finding[] {
  return Array.isArray(values) && values.length === 0
    ? [{ path: ["domains"], expected: aListOfDomains, got: "an empty list" }]
    : [];
}

/** Docker takes the first part of a name for a host only if it has a dot or colon, or is localhost. */
function hubName({ domains, httpsPort }: Readonly<Record<string, unknown>>): Finding[] {
  const first: unknown = Array.isArray(domains) ? domains[0] : undefined;
  const portless = httpsPort === undefined || httpsPort === 443;
  if (typeof first !== "string" || !portless || first === "localhost") {
    return [];
  }
  if (!names.isDnsName(first) || first.includes(".")) {
    return [];
  }
  return [
    {
      path: ["domains", 0],
      expected:
        `a name with a dot, or an httpsPort other than 443 (Docker looks for ${first}/app on ` +
        "Docker Hub)",
      got: JSON.stringify(first),
      instead: `${first}.example.com`,
    },
  ];
}

function twoPlaces({ dataPath, dataVolume }: Readonly<Record<string, unknown>>): Finding[] {
  if (dataPath === undefined || dataVolume === undefined) return [];
  const expected = "nothing, because dataPath is set and the images are there";
  return [{ path: ["dataVolume"], expected, got: "a volume", mend: "remove" }];
}

function nobody({ users, anonymousPull }: Readonly<Record<string, unknown>>): Finding[] {
  if (!isMap(users) || whoMayLogIn(users).length > 0 || anonymousPull === true) {
    return [];
  }
  return [
    {
      path: ["users"],
      expected: "at least one user, or anonymousPull (nobody could log in)",
      got: "no user",
    },
  ];
}

function twoCertificates(args: Readonly<Record<string, unknown>>): Finding[] {
  const { certificate, ownCertificate } = args;
  const isSet = isMap(certificate) && Object.keys(certificate).length > 0;
  if (!isSet || ownCertificate === undefined) {
    return [];
  }
  return [
    {
      path: ["certificate"],
      expected: "nothing, because ownCertificate is set and no certificate is made",
      got: "a map",
      mend: "remove",
    },
  ];
}

function uncoveredDomains({
  ownCertificate,
  domains,
}: Readonly<Record<string, unknown>>): Finding[] {
  if (!isMap(ownCertificate) || !Array.isArray(domains)) {
    return [];
  }
  const valid = domains.filter(
    (domain): domain is string => typeof domain === "string" && names.domain(domain) === undefined,
  );
  const missing = uncovered(ownCertificate.certificatePem, valid);
  if (missing.length === 0) {
    return [];
  }
  return [
    {
      path: ["ownCertificate", "certificatePem"],
      expected: `a certificate for every domain (${missing.join(", ")} missing)`,
      got: namesOf(ownCertificate.certificatePem),
    },
  ];
}

function hostsWithoutAddress(args: Readonly<Record<string, unknown>>): Finding[] {
  const { clients, registryAddress } = args;
  if (!isMap(clients) || registryAddress !== undefined) {
    return [];
  }
  const asking = Object.entries(clients)
    .filter(([name, client]) => names.clientName.test(name) && hasHostsEntry(client))
    .map(([name]) => name);
  const expected = `the IP address for the hosts entries of ${asking.join(", ")}`;
  return asking.length === 0 ? [] : [{ path: ["registryAddress"], expected, got: "nothing" }];
}

function hasHostsEntry(client: unknown): boolean {
  return isMap(client) && client.hostsEntry === true;
}
