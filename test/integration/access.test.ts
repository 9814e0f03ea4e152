import { Agent } from "node:https";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  admitted,
  apiPaths,
  attempt,
  badAuthorizations,
  methods,
  oddPaths,
} from "../support/access-matrix";
import { Deployment, type Settings } from "../support/deployment";
import { type DockerCli, localDocker } from "../support/docker-cli";
import { docker, freePort, listing, serving } from "../support/engine";
import {
  basic,
  RegistryClient,
  type RegistryClientOptions,
  type Reply,
  type StoredImage,
} from "../support/registry-client";

// Who may do what, and how that changes while the registry runs.

type User = readonly [string, string];

const pusher: User = ["pusher", "Pushes-1 thing"];
const puller: User = ["puller", "Pulls-1 thing"];
const leaver: User = ["leaver", "Leaves-1 day"];
const changer: User = ["changer", "Changes-1 day"];
const demoted: User = ["demoted", "Demoted-1 day"];
const joiner: User = ["joiner", "Joins-1 day"];

let deployment: Deployment;
let settings: Settings;
let port: number;
let options: RegistryClientOptions;
let client: RegistryClient;
let image: StoredImage;

beforeAll(async () => {
  deployment = await Deployment.create();
  port = await freePort();
  settings = {
    domains: ["localhost"],
    httpsPort: port,
    bindAddress: "127.0.0.1",
    users: {
      pusher: { password: pusher[1] },
      puller: { password: puller[1], access: "pull" },
      leaver: { password: leaver[1] },
      changer: { password: changer[1] },
      demoted: { password: demoted[1], access: "push" },
    },
  };
  await deployment.up(settings);
  options = { port, host: "localhost", caPem: deployment.output("caCertificate") };
  client = new RegistryClient({
    ...options,
    agent: new Agent({ keepAlive: true, maxSockets: 1 }),
  });
  image = await client.push("team/app", "1", pusher);
  // Both of what they may do is remembered from now on, and the client's one connection is kept.
  for (const user of [pusher, leaver, changer, demoted]) {
    expect(await status(user)).toBe(200);
    expect(await status(user, "DELETE", "/v2/none/manifests/x")).toBe(404);
  }
});

afterAll(async () => {
  await deployment.remove();
});

/** What the storage holds must be the same after `attempts`. */
async function expectUntouched(attempts: () => Promise<void>): Promise<void> {
  const before = await listing(deployment.dataVolume);
  expect(before.length).toBeGreaterThan(10);
  await attempts();
  expect(await listing(deployment.dataVolume)).toEqual(before);
}

/** First and wrong logins wait for their turn; waits until nobody has to. */
async function untilLoginsAreAllowed(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 4500));
}

/** What is said to a request that is not turned away for coming too soon. */
async function untilItIsLookedAt(
  method: string,
  path: string,
  authorization: string,
): Promise<Reply> {
  for (;;) {
    const reply = await client.request(method, path, { headers: { Authorization: authorization } });
    if (reply.status !== 429) {
      return reply;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

const status = async (user: User, method = "GET", path = "/v2/_catalog") =>
  (await client.request(method, path, { user })).status;

describe("without credentials", () => {
  it("no method on any path reaches the registry", async () => {
    await expectUntouched(async () => {
      const paths = [...apiPaths(image), ...oddPaths(image)];
      expect(admitted(await attempt(client, { methods, paths }))).toEqual([]);
    });
  });

  it("every API path asks for a login, and says so in the API's words", async () => {
    for (const { method, path, reply } of await attempt(client, {
      methods: methods.filter((method) => method !== "TRACE"),
      paths: apiPaths(image),
    })) {
      expect(reply.status, `${method} ${path}`).toBe(401);
      expect(reply.headers["www-authenticate"]).toBe('Basic realm="Registry"');
      if (method !== "HEAD") {
        expect(reply.body).toContain('"UNAUTHORIZED"');
      }
    }
  });

  it("requests are not counted as failed logins, however many there are", async () => {
    const replies = await Promise.all(
      Array.from({ length: 100 }, () => client.request("GET", "/v2/")),
    );
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([401]));
    expect(await status(demoted)).toBe(200);
  });

  it("does not show what is not the API's", async () => {
    for (const path of ["/", "/_auth", "/users", "/token", "/ready", "/metrics"]) {
      expect((await client.request("GET", path)).status, path).toBe(404);
    }
  });
});

describe("with credentials that prove nothing", () => {
  afterAll(untilLoginsAreAllowed);

  it.each(Object.entries(badAuthorizations(pusher)))("%s is refused", async (_, authorization) => {
    const path = `/v2/team/app/manifests/${image.manifest}`;
    for (const method of ["GET", "DELETE"]) {
      const { status, headers } = await untilItIsLookedAt(method, path, authorization);
      expect(status, method).toSatisfy((status) => [400, 401].includes(status as number));
      expect(headers).not.toHaveProperty("x-content-type-options");
    }
  });

  it("takes as long to refuse a name that nobody has as a wrong password", async () => {
    await untilLoginsAreAllowed();
    const milliseconds = async (user: string, method: string) => {
      const times: number[] = [];
      for (let guess = 0; guess < 3; guess++) {
        // Of the same one, the refusal would be remembered.
        const password = `wrong-${method}-${guess}`;
        const began = performance.now();
        const { status } = await client.request(method, "/v2/", { user: [user, password] });
        times.push(performance.now() - began);
        expect(status).toBe(401);
      }
      return Math.min(...times);
    };
    for (const method of ["GET", "POST"]) {
      const known = await milliseconds("pusher", method);
      // A check with bcrypt takes some 50 ms, one without less than 2.
      expect(await milliseconds("nobody-is-called-this", method)).toBeGreaterThan(known / 2);
      expect(await milliseconds("puller", method)).toBeGreaterThan(known / 2);
    }
  });

  it("no method on any path reaches the registry", async () => {
    await expectUntouched(async () => {
      const paths = [...apiPaths(image), ...oddPaths(image)];
      const authorization = basic("pusher", "wrong");
      expect(admitted(await attempt(client, { methods, paths, authorization }))).toEqual([]);
    });
  });

  it("guesses are slowed down, and logins that are remembered are not", async () => {
    expect(await status(pusher)).toBe(200);
    const many = new RegistryClient(options);
    const guesses: Reply[] = await Promise.all(
      Array.from({ length: 100 }, (_, guess) =>
        many.request("GET", "/v2/", { user: ["pusher", `guess-${guess}`] }),
      ),
    );
    expect(guesses.filter(({ status }) => status === 429).length).toBeGreaterThan(0);
    expect(guesses.filter(({ status }) => status !== 429 && status !== 401)).toEqual([]);
    expect(await status(pusher)).toBe(200);
  });
});

describe("a user who may only pull", () => {
  it("reads everything", async () => {
    const paths = ["/v2/", "/v2/_catalog", "/v2/team/app/tags/list", "/v2/team/app/manifests/1"];
    for (const path of [...paths, `/v2/team/app/blobs/${image.layer}`]) {
      for (const method of ["GET", "HEAD"]) {
        const { status } = await client.request(method, path, {
          user: puller,
          headers: { Accept: "application/vnd.oci.image.manifest.v1+json" },
        });
        // The registry knows no HEAD of its lists.
        const expected = method === "HEAD" && /_catalog|list/.test(path) ? 405 : 200;
        expect(status, `${method} ${path}`).toBe(expected);
      }
    }
  });

  it("writes and deletes nothing, by no method on any path", async () => {
    await expectUntouched(async () => {
      const writing = methods.filter((method) => method !== "GET" && method !== "HEAD");
      const paths = [...apiPaths(image), ...oddPaths(image)];
      const attempts = await attempt(client, {
        ...{ methods: writing, paths, authorization: basic(...puller) },
      });
      expect(admitted(attempts)).toEqual([]);
    });
  });

  it("is told that this is what is denied", async () => {
    const reply = await client.request("POST", "/v2/team/app/blobs/uploads/", { user: puller });
    expect(reply.status).toBe(403);
    expect(JSON.parse(reply.body)).toHaveProperty("errors.0.code", "DENIED");
    expect(reply.headers).not.toHaveProperty("www-authenticate");
  });
});

describe("a user who may push", () => {
  it("writes, reads and deletes", async () => {
    const { manifest, layer } = await client.push("team/short", "1", pusher);
    expect(await status(pusher, "HEAD", `/v2/team/short/blobs/${layer}`)).toBe(200);
    expect(await status(pusher, "DELETE", `/v2/team/short/manifests/${manifest}`)).toBe(202);
    expect(await status(pusher, "DELETE", `/v2/team/short/blobs/${layer}`)).toBe(202);
    expect(await status(pusher, "HEAD", `/v2/team/short/blobs/${layer}`)).toBe(404);
  });
});

describe("once up has changed the users", () => {
  const changedPassword: User = ["changer", "Changed-1 day"];
  let containers: unknown;

  const ids = async () => {
    const { nginx, registry } = await serving(deployment.installation);
    return [nginx.Id, nginx.RestartCount, registry.Id, registry.RestartCount];
  };

  beforeAll(async () => {
    containers = await ids();
    await deployment.up({
      ...settings,
      users: {
        pusher: { password: pusher[1] },
        puller: { password: puller[1], access: "pull" },
        changer: { password: changedPassword[1] },
        demoted: { password: demoted[1], access: "pull" },
        joiner: { password: joiner[1] },
      },
    });
  });

  it("refuses a removed user, on an open connection and with a remembered password", async () => {
    await expectUntouched(async () => {
      const attempts = await attempt(client, {
        methods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        paths: apiPaths(image),
        authorization: basic(...leaver),
      });
      expect(admitted(attempts)).toEqual([]);
    });
    await untilLoginsAreAllowed();
  });

  it("refuses the password of before, and takes the new one", async () => {
    expect(await status(changer)).toBe(401);
    expect(await status(changedPassword)).toBe(200);
  });

  it("lets a user whose access went from push to pull read only", async () => {
    expect(await status(demoted)).toBe(200);
    expect(await status(demoted, "DELETE", "/v2/team/app/manifests/1")).toBe(403);
    expect(await status(demoted, "GET", "/v2/team/app/tags/list")).toBe(200);
  });

  it("lets an added user log in and push", async () => {
    expect((await client.push("team/joined", "1", joiner)).tag).toBe("1");
  });

  it("has replaced and restarted no container", async () => {
    expect(await ids()).toEqual(containers);
  });
});

describe("with anonymousPull", () => {
  let cli: DockerCli;
  let registry: string;
  let containers: string[];

  beforeAll(async () => {
    const { nginx, registry: behind } = await serving(deployment.installation);
    containers = [nginx.Id, behind.Id];
    await deployment.up({
      ...settings,
      anonymousPull: true,
      users: { pusher: { password: pusher[1] }, puller: { password: puller[1], access: "pull" } },
    });
    cli = await localDocker();
    registry = `localhost:${port}`;
  });
  afterAll(async () => {
    await cli.remove();
    for (const tag of ["anonymous", "pushed"]) {
      await cli.docker("image", "rm", `${registry}/team/${tag}`);
    }
  });

  it("replaced no container to switch it on", async () => {
    const { nginx, registry } = await serving(deployment.installation);
    expect([nginx.Id, registry.Id]).toEqual(containers);
  });

  it("docker refuses a wrong password, logs in with the right one, and pushes", async () => {
    const wrong = await cli.login(registry, "pusher", "wrong");
    expect(wrong.exitCode).toBe(1);
    expect(wrong.output).toMatch(/unauthorized/);
    const right = await cli.login(registry, ...pusher);
    expect(right.output).toContain("Login Succeeded");
    await docker("tag", "registry:3.1.2", `${registry}/team/pushed`);
    const push = await cli.docker("push", `${registry}/team/pushed`);
    expect(push.output).toMatch(/latest: digest: sha256:/);
  });

  it("docker pulls without a login", async () => {
    await cli.docker("logout", registry);
    await docker("image", "rm", `${registry}/team/pushed`);
    const pull = await cli.docker("pull", `${registry}/team/pushed`);
    expect(pull.output).toMatch(/Status: Downloaded newer image|Status: Image is up to date/);
    expect(pull.exitCode).toBe(0);
  });

  it("docker may not push without a login, and is told at once", async () => {
    await docker("tag", "registry:3.1.2", `${registry}/team/anonymous`);
    const push = await cli.docker("push", `${registry}/team/anonymous`);
    expect(push.exitCode).toBe(1);
    expect(push.output).toContain("unauthorized: authentication required");
    expect(push.output).not.toContain("Retrying");
  });

  it("docker may push as no user with pull access", async () => {
    expect((await cli.login(registry, ...puller)).output).toContain("Login Succeeded");
    const push = await cli.docker("push", `${registry}/team/anonymous`);
    expect(push.exitCode).toBe(1);
    expect(push.output).toContain("denied");
  });

  it("anybody reads, and nobody writes without credentials", async () => {
    const reads = ["/v2/_catalog", "/v2/team/app/tags/list", `/v2/team/app/blobs/${image.layer}`];
    for (const path of reads) {
      expect((await client.request("GET", path)).status, path).toBe(200);
    }
    await expectUntouched(async () => {
      const writing = methods.filter((method) => method !== "GET" && method !== "HEAD");
      const paths = [...apiPaths(image), ...oddPaths(image)];
      expect(admitted(await attempt(client, { methods: writing, paths }))).toEqual([]);
      const authorization = "Bearer anonymous";
      const bearer = await attempt(client, { methods: writing, paths, authorization });
      expect(admitted(bearer)).toEqual([]);
    });
  });

  it("wrong credentials are refused, also for reading", async () => {
    for (const authorization of Object.values(badAuthorizations(pusher))) {
      const { status, headers } = await untilItIsLookedAt("GET", "/v2/_catalog", authorization);
      expect(status, authorization).toSatisfy((status) => [400, 401].includes(status as number));
      expect(headers).not.toHaveProperty("x-content-type-options");
    }
  });

  it("the token of a user is good for what the user may do, and needs the password", async () => {
    await untilLoginsAreAllowed();
    const challenge = await client.request("GET", "/v2/");
    expect(challenge.status).toBe(401);
    expect(challenge.headers["www-authenticate"]).toBe(
      `Bearer realm="https://${registry}/token",service="registry"`,
    );
    const token = async (user?: User) => {
      const path = "/token?service=registry&scope=repository:team/app:pull,push&account=pusher";
      const reply = await client.request("GET", path, { user });
      return reply.status === 200
        ? (JSON.parse(reply.body) as { token: string }).token
        : reply.status;
    };
    const upload = async (bearer: string | number) =>
      client.request("POST", "/v2/team/app/blobs/uploads/", {
        headers: { Authorization: `Bearer ${bearer}` },
      });
    expect(await token(["pusher", "wrong"])).toBe(401);
    expect((await upload(await token())).status).toBe(401);
    expect((await upload(await token(puller))).status).toBe(403);
    const accepted = await upload(await token(pusher));
    expect(accepted.status).toBe(202);
    const location = new URL(accepted.headers.location ?? "");
    expect(await status(pusher, "DELETE", location.pathname + location.search)).toBe(204);
    expect((await client.request("POST", "/token", { user: pusher })).status).toBe(405);
  });
});
