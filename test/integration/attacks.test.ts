import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { headerSeconds, nginxPort } from "../../components/render/layout";
import { quietScript } from "../../components/render/engine-scripts";
import { Deployment, type Settings } from "../support/deployment";
import { docker, freePort, serving } from "../support/engine";
import { basic, RegistryClient } from "../support/registry-client";

// Strangers who mean ill, and what those who are logged in notice of them.

type User = readonly [string, string];

const pusher: User = ["pusher", "Pushes-1 thing"];
const puller: User = ["puller", "Pulls-1 thing"];
const others = Array.from({ length: 40 }, (_, n): User => [`user-${n}`, `Is-number ${n}`]);

let deployment: Deployment;
let settings: Settings;
let port: number;
let caPem: string;
let client: RegistryClient;
let nginx: string;
let auth: string;

beforeAll(async () => {
  deployment = await Deployment.create();
  port = await freePort();
  const named = others.map(([name, password]) => [name, { password }]);
  settings = {
    domains: ["localhost"],
    httpsPort: port,
    bindAddress: "127.0.0.1",
    users: {
      pusher: { password: pusher[1] },
      puller: { password: puller[1], access: "pull" },
      ...(Object.fromEntries(named) as object),
    },
  };
  await deployment.up(settings);
  caPem = deployment.output("caCertificate");
  client = new RegistryClient({ port, host: "localhost", caPem });
  await findContainers();
});

afterAll(async () => {
  await deployment.remove();
});

async function findContainers(): Promise<void> {
  const found = await serving(deployment.installation);
  [nginx, auth] = [found.nginx.Id, found.auth?.Id ?? ""];
}

const status = async (user?: User, method = "GET", path = "/v2/") =>
  (await client.request(method, path, { user })).status;

/** nginx's network, and its address there: past Docker's proxy, which has limits of its own. */
async function nginxInside(): Promise<{ network: string; address: string }> {
  const found = await serving(deployment.installation);
  const [network = ""] = Object.keys(found.nginx.NetworkSettings.Networks);
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
  return { network, address: await docker("inspect", "--format", format, nginx) };
}

/** {@link status} from another address: that of a container in nginx's network. */
async function statusFromElsewhere([name, password]: User): Promise<number> {
  const { network, address } = await nginxInside();
  const said = await docker(
    ...["run", "--rm", "--network", network, "--entrypoint", "curl", "nginx:1.30"],
    ...["--insecure", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}"],
    ...["--max-time", "30", "--user", `${name}:${password}`],
    `https://${address}:${nginxPort}/v2/`,
  );
  return Number(said);
}

/** What is said while no password can be checked: only what is remembered is answered. */
async function whileNothingIsChecked<T>(ask: () => Promise<T>): Promise<T> {
  await docker("pause", auth);
  try {
    return await ask();
  } finally {
    await docker("unpause", auth);
  }
}

describe("a login", () => {
  it("is remembered, and so is that a user may only pull", async () => {
    for (const user of [pusher, puller]) expect(await status(user)).toBe(200);
    const push = () => status(puller, "POST", "/v2/a/blobs/uploads/");
    expect(await push()).toBe(403);
    const seen = await whileNothingIsChecked(async () => [
      await status(pusher),
      await status(puller),
      await push(),
    ]);
    expect(seen).toEqual([200, 200, 403]);
  });

  it("outlives a change that does not concern the user, and no other", async () => {
    expect(await status(others[0])).toBe(200);
    const users = settings["users"] as Record<string, object>;
    const changed = { ...users, puller: { password: puller[1] }, joiner: {} };
    await deployment.up({ ...settings, users: { ...changed, "user-0": { password: "Is-new 0" } } });
    await whileNothingIsChecked(async () => {
      expect(await status(pusher)).toBe(200);
    });
    expect(await status(others[0])).toBe(401);
    expect(await status(["user-0", "Is-new 0"])).toBe(200);
    expect(await status(puller, "POST", "/v2/a/blobs/uploads/")).toBe(202);
    await deployment.up(settings);
    expect(await status(puller, "POST", "/v2/a/blobs/uploads/")).toBe(403);
  });

  it("waits for its turn when forty users come at once", async () => {
    const all = await Promise.all(others.map((user) => status(user)));
    expect(all).toEqual(others.map(() => 200));
  });
});

describe("a machine with an old password", () => {
  it("costs one check, and keeps nobody at its address out", async () => {
    const checks = async () => (await written(auth)).split("password mismatch").length;
    const before = await checks();
    const old: User = ["user-1", "Was-number 1"];
    const began = performance.now();
    for (let n = 0; n < 300; n++) expect(await status(old)).toBe(401);
    // Each is remembered for ten seconds.
    const most = 1 + Math.ceil((performance.now() - began) / 10_000);
    expect((await checks()) - before).toBeLessThanOrEqual(most);
    const another: User = ["user-1", "Is-number 1"];
    expect(await status(another)).toBe(200);
  });
});

/** What a container wrote. */
async function written(container: string): Promise<string> {
  const { all } = await execa("docker", ["logs", container], { all: true });
  return all;
}

describe("a flood of wrong passwords from one address", () => {
  it("forgets no login, and keeps nobody else out", async () => {
    expect(await status(pusher)).toBe(200);
    const guesses = Promise.all(
      Array.from({ length: 600 }, async (_, n) => {
        await new Promise((resolve) => setTimeout(resolve, n * 10));
        return status([n % 2 === 0 ? "user-2" : `nobody-${n}`, `guess-${n}`]);
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(await status(pusher)).toBe(200);
    // Of user-39 nothing is remembered where the password was never asked for from.
    expect(await statusFromElsewhere(["user-39", "Is-number 39"])).toBe(200);
    const all = await guesses;
    expect(new Set(all)).toEqual(new Set([401, 429]));
    expect(all.filter((one) => one === 429).length).toBeGreaterThan(300);
    expect(await status(pusher)).toBe(200);
    const own = () => status(["user-2", "Is-number 2"]);
    await expect.poll(own, { timeout: 30_000, interval: 1_000 }).toBe(200);
  });
});

/** Connections in which a request was begun, as long as nginx has not ended them. */
interface HalfRequests {
  open(): number;
  end(): void;
}

async function sendHalves(count: number): Promise<HalfRequests> {
  const sockets: Socket[] = [];
  const open = new Set<Socket>();
  const one = () =>
    new Promise<void>((resolve) => {
      const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
        open.add(socket);
        socket.write("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n");
        resolve();
      });
      sockets.push(socket);
      socket.on("error", () => resolve());
      socket.on("close", () => {
        open.delete(socket);
        resolve();
      });
      socket.resume();
    });
  for (let begun = 0; begun < count; begun += 50) {
    await Promise.all(Array.from({ length: 50 }, one));
  }
  return {
    open: () => open.size,
    end: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

describe("requests that are sent by half", () => {
  it("keep nobody out, and are given up", async () => {
    const halves = await sendHalves(3_000);
    try {
      expect(await status(pusher)).toBe(200);
      expect(await status()).toBe(401);
      await expect
        .poll(() => halves.open(), { timeout: (headerSeconds + 5) * 1_000, interval: 500 })
        .toBe(0);
    } finally {
      halves.end();
    }
  });

  it("do not hold up the replacement of nginx", async () => {
    const halves = await sendHalves(50);
    try {
      const began = performance.now();
      const waited = await docker("exec", nginx, "sh", "-c", quietScript);
      expect(waited).toBe("");
      expect(performance.now() - began).toBeLessThan(headerSeconds * 1_000);
      expect(halves.open()).toBe(50);
    } finally {
      halves.end();
    }
  });
});

describe("more connections than there can be", () => {
  it("are refused, and nginx lives on", async () => {
    // Not the process that looks through the cache once, a minute after the start.
    const processes = async () => {
      const all = await docker("top", nginx, "-o", "pid,args");
      return all.split("\n").filter((line) => /master|worker/.test(line));
    };
    const before = await processes();
    const { address } = await nginxInside();
    const sockets = Array.from({ length: 9_500 }, () => {
      const socket = connectPlain(nginxPort, address);
      // nginx sees no connection before its first byte, here that of a handshake.
      socket.on("error", () => undefined).write("\x16");
      return socket.resume();
    });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => status(pusher).catch(String), { timeout: 30_000 }).toBe(200);
    expect(await processes()).toEqual(before);
  });
});

describe("the log of requests", () => {
  it("has paths, and not the registry's signed state of an upload", async () => {
    await client.push("team/app", "1", pusher);
    const log = await written(nginx);
    expect(log).toMatch(/"PUT \/v2\/team\/app\/blobs\/uploads\/[0-9a-f-]+ HTTP\/1.1" 201/);
    expect(log).not.toContain("_state");
  });
});

describe("with anonymousPull", () => {
  it("a token that names another user than it is of is none", async () => {
    await deployment.up({ ...settings, anonymousPull: true });
    await findContainers();
    const bearer = async (token: string) => {
      const headers = { Authorization: `Bearer ${token}` };
      return (await client.request("GET", "/v2/_catalog", { headers })).status;
    };
    const answer = await client.request("GET", "/token", { user: puller });
    const { token } = JSON.parse(answer.body) as { token: string };
    const credentials = basic(...puller).slice("Basic ".length);
    expect(token).toBe(`puller~${credentials}`);
    expect(await bearer(token)).toBe(200);
    expect(await bearer(`pusher~${credentials}`)).toBe(401);
    expect(await bearer(`nobody~${credentials}`)).toBe(401);
    // Of the version before, which an upgrade finds in clients' hands.
    expect(await bearer(credentials)).toBe(200);
    await whileNothingIsChecked(async () => {
      expect(await bearer(token)).toBe(200);
      expect(await bearer("anonymous")).toBe(200);
    });
  });
});
