import { describe, expect, it } from "vitest";
import {
  clientName,
  dataPath,
  dockerHost,
  domain,
  imageReference,
  ipAddress,
  loginName,
  reachableAddress,
  sshHost,
  userName,
} from "../../components/rules/names";

const label63 = "a".repeat(63);
const longest = `${label63}.${label63}.${label63}.${"b".repeat(61)}`;

describe("a domain", () => {
  it.each([
    "localhost",
    "registry.example.com",
    "a-b.c1",
    "xn--bcher-kva.example",
    "1password.example",
    "10.0.0.5",
    "127.0.0.1",
    "::1",
    "2001:db8::5",
    longest,
  ])("may be %s", (value) => {
    expect(domain(value)).toBeUndefined();
  });

  it.each([
    ["has a scheme", "https://registry.example.com", "registry.example.com"],
    ["has a scheme, a port and a path", "https://r.example.com:5000/v2/", "r.example.com"],
    ["has a port", "registry.example.com:5000", "registry.example.com"],
    ["has a path", "registry.example.com/app", "registry.example.com"],
    ["has a trailing dot", "registry.example.com.", "registry.example.com"],
    ["is in upper case", "Registry.Example.com", "registry.example.com"],
    ["has spaces around it", " registry.example.com ", "registry.example.com"],
    ["is not ASCII", "bücher.example", "xn--bcher-kva.example"],
    ["is a bracketed IPv6 address", "[2001:db8::5]", "2001:db8::5"],
    ["is a bracketed IPv6 address with a port", "[2001:db8::5]:5000", "2001:db8::5"],
    ["is a long-winded IPv6 address", "2001:0DB8:0::5", "2001:db8::5"],
    ["is an IPv4 address with a port", "10.0.0.5:5000", "10.0.0.5"],
    ["holds a user", "alice@registry.example.com", "registry.example.com"],
    ["is a wildcard", "*.example.com", undefined],
    ["has an underscore", "_dmarc.example.com", undefined],
    ["has an underscore inside", "my_registry.example.com", undefined],
    ["has an empty label", "registry..example.com", undefined],
    ["has a label that begins with a dash", "-a.example.com", undefined],
    ["has a label that ends with a dash", "a-.example.com", undefined],
    ["has a label of 64 characters", `${label63}a.example.com`, undefined],
    ["has 254 characters", `${longest}b`, undefined],
    ["is no IPv4 address after all", "10.0.0.256", undefined],
    ["ends in a number", "registry.5", undefined],
    ["has a space inside", "registry example", undefined],
    ["has a line break", "registry.example.com\nevil", undefined],
    ["has a comma", "a.example.com,b.example.com", undefined],
    ["is where one can only listen", "0.0.0.0", undefined],
    ["is where one can only listen, in IPv6", "::", undefined],
    ["has an IPv6 zone", "fe80::1%eth0", undefined],
  ])("is refused when it %s", (_, value, instead) => {
    expect(domain(value)).toEqual({ instead });
  });
});

describe("an IP address", () => {
  it.each(["0.0.0.0", "10.0.0.5", "::", "::1", "2001:DB8::5"])("may be %s", (value) => {
    expect(ipAddress(value)).toBeUndefined();
  });

  it("is offered for localhost, which is this machine alone", () => {
    expect(ipAddress("localhost")).toEqual({ instead: "127.0.0.1" });
  });

  it.each(["10.0.0", "10.0.0.256", "10.0.0.5/24", "[::1]", "fe80::1%eth0", ":5443"])(
    "is not %s",
    (value) => {
      expect(ipAddress(value)).toEqual({});
    },
  );

  it.each(["0.0.0.0", "::", "0:0::0"])("that clients can reach is not %s", (value) => {
    expect(ipAddress(value)).toBeUndefined();
    expect(reachableAddress(value)).toEqual({});
  });

  it.each(["127.0.0.1", "10.0.0.5", "::1"])("that clients can reach may be %s", (value) => {
    expect(reachableAddress(value)).toBeUndefined();
  });
});

describe("a host for SSH", () => {
  it.each(["web1", "web_1.lan", "Web1.Example.com", "10.0.0.5", "fe80::5"])(
    "may be %s",
    (value) => {
      expect(sshHost(value)).toBeUndefined();
    },
  );

  it.each([
    ["ssh://web1.lan", "web1.lan"],
    ["ops@web1.lan", "web1.lan"],
    ["web1.lan:22", "web1.lan"],
    ["-oProxyCommand=x", undefined],
    ["web 1", undefined],
    ["0.0.0.0", undefined],
  ])("is not %s", (value, instead) => {
    expect(sshHost(value)).toEqual({ instead });
  });
});

describe("a login name", () => {
  it.each(["root", "ops", "svc-registry", "a.b", "_apt", "1000"])("may be %s", (value) => {
    expect(loginName(value)).toBeUndefined();
  });

  it.each(["-l", "a b", "a:b", "a@b", "a\nb"])("is not %j", (value) => {
    expect(loginName(value)).toEqual({});
  });
});

describe("a user of the registry", () => {
  it.each(["alice", "A.b_c@d-e", "1", "a".repeat(64)])("may be called %s", (name) => {
    expect(name).toMatch(userName);
  });

  it.each(["", "a:b", "a\nb", "a b", ".a", "-a", "@a", "_a", "ä", "a".repeat(65), "a\n"])(
    "may not be called %j",
    (name) => {
      expect(name).not.toMatch(userName);
    },
  );
});

describe("a client", () => {
  it.each(["web1", "web-1.example.com", "1", "a".repeat(63)])("may be called %s", (name) => {
    expect(name).toMatch(clientName);
  });

  it.each(["", "a@b", "a:b", "a b", "-a", "_a", "a/b", "a".repeat(64), "a\n"])(
    "may not be called %j",
    (name) => {
      expect(name).not.toMatch(clientName);
    },
  );
});

describe("an image reference", () => {
  const sha256 = `sha256:${"0a".repeat(32)}`;

  it.each([
    "registry",
    "registry:3.1.2",
    "library/registry:3",
    "registry.example.com/a/b_c/d--e:1.0",
    "Registry.Example.com:5000/app",
    "localhost:5000/app:V1_x.y-z",
    "[::1]:5000/app",
    `nginx@${sha256}`,
    `nginx:1.30@${sha256}`,
  ])("may be %s", (value) => {
    expect(imageReference(value)).toBeUndefined();
  });

  it.each([
    "Registry:3",
    "https://registry.example.com/app",
    "registry :3",
    "registry:",
    "registry:-3",
    `registry:${"a".repeat(129)}`,
    "a//b",
    "/a",
    "a/",
    "a..b",
    "nginx@sha256:abc",
    "nginx@sha256",
    `nginx@md5:${"0a".repeat(32)}`,
    `nginx@${sha256}00`,
    "a".repeat(256),
  ])("is not %s", (value) => {
    expect(imageReference(value)).toEqual({});
  });
});

describe("a Docker host", () => {
  it.each([
    "ssh://registry.example.com",
    "ssh://ops@registry.example.com",
    "ssh://ops@10.0.0.5:2222",
    "ssh://ops@[2001:db8::5]:22",
    "unix:///var/run/docker.sock",
    "tcp://10.0.0.5:2376",
    "npipe:////./pipe/docker_engine",
  ])("may be %s", (value) => {
    expect(dockerHost(value)).toBeUndefined();
  });

  it.each([
    "registry.example.com",
    "ops@registry.example.com",
    "http://registry.example.com",
    "ssh://",
    "ssh://ops@",
    "ssh://host:port",
    "ssh://host:0",
    "ssh://host:65536",
    "ssh://a b",
    "ssh://host?x=1",
    "unix://var/run/docker.sock",
    "unix:///",
    "tcp://",
  ])("is not %s", (value) => {
    expect(dockerHost(value)).toEqual({});
  });

  it.each(["ssh://ops:hunter2@host", "ssh://-x@host", "tcp://ops@host:1"])(
    "is not %s, and its user is not repeated",
    (value) => {
      expect(dockerHost(value)).toEqual({ got: expect.stringContaining("a URL with") as unknown });
    },
  );
});

describe("a data path", () => {
  it.each(["/srv/registry", "/srv/registry/", "/data", "/srv/my registry"])(
    "may be %s",
    (value) => {
      expect(dataPath(value)).toBeUndefined();
    },
  );

  it.each([
    "/home/ops/registry",
    "/mnt",
    "/mnt/data",
    "/var/lib/registry",
    "/etcetera",
    "/usr/local/registry",
  ])("may be %s", (value) => {
    expect(dataPath(value)).toBeUndefined();
  });

  it.each([
    ...["/etc", "/etc/registry", "/usr/local", "/proc/self", "/run/registry", "/boot/"],
    ...["/var/lib/docker", "/var/lib/docker/volumes/x", "/var/log", "/dev/shm", "/var/tmp/../run"],
  ])("is not the system's %s", (value) => {
    expect(dataPath(value)?.expected).toMatch(/not one of the system's/);
  });

  it.each(["/root", "/home", "/home/ops", "/home/ops/", "/Users/ops", "/var", "/var/lib", "/tmp"])(
    "is not %s, where others have things too",
    (value) => {
      const instead = `${value.replace(/\/$/, "")}/registry`;
      expect(dataPath(value)).toMatchObject({ instead });
    },
  );

  it.each([
    ["data", undefined],
    ["./data", undefined],
    ["~/data", undefined],
    ["C:\\data", undefined],
    ["/", undefined],
    ["//", undefined],
    ["/srv/..", undefined],
    ["/a\nb", undefined],
    ["/a:b", undefined],
    ["/srv//registry", "/srv/registry"],
    ["/srv/../data", "/data"],
    [" /srv/registry", "/srv/registry"],
  ])("is not %j", (value, instead) => {
    expect(dataPath(value)).toEqual(instead === undefined ? {} : { instead });
  });
});
