import { randomBytes, X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { Agent } from "node:https";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment";
import { type DockerCli, localDocker, machineDocker } from "../support/docker-cli";
import {
  createNetwork,
  docker,
  freePort,
  inVolume,
  serving,
  type TestNetwork,
} from "../support/engine";
import { buildLayeredImage } from "../support/layered-image";
import { type Machine, startMachine } from "../support/machine";
import { runsContainers } from "../support/nested-engine";
import { watchProcesses } from "../support/processes";
import { manifestType, RegistryClient } from "../support/registry-client";
import { type StartedUpload, startUpload } from "../support/transfers";

// The main job: one `pulumi up`, then the clients that people have.

/** A word that is found nowhere by chance. */
const marker = "Xq7mVz4K";
const alice = ["alice", `${marker}-al ice:$"'`] as const;
const reader = ["reader", `${marker}-reader`] as const;

let deployment: Deployment;
let network: TestNetwork;
let machine: Machine;
let port: number;
let domain: string;
let caPem: string;
let caFile: string;
let client: RegistryClient;
/** What every process showed during the first `up`. */
let processes: string;
let output: string;

beforeAll(async () => {
  [deployment, network, port] = await Promise.all([
    Deployment.create(),
    createNetwork(),
    freePort(),
  ]);
  machine = await startMachine({ network: network.name, runArguments: runsContainers });
  domain = `${deployment.stackName}.registry.test`;
  await deployment.configure({
    domains: [domain, "localhost"],
    httpsPort: port,
    users: {
      alice: { password: alice[1] },
      reader: { password: reader[1], access: "pull" },
      robot: { access: "push" },
    },
    registryAddress: network.gateway,
    clients: {
      web1: { host: machine.ip, privateKey: machine.sshPrivateKey, hostKey: machine.hostKey },
    },
  });
  const watch = watchProcesses();
  try {
    ({ output } = await deployment.up());
  } finally {
    processes = await watch.stop();
  }
  caPem = deployment.output("caCertificate");
  caFile = join(deployment.folder, "ca.pem");
  await writeFile(caFile, caPem);
  client = new RegistryClient({ port, host: domain, caPem });
});

afterAll(async () => {
  // Pulumi takes its traces off the machine while that still runs.
  await deployment.remove();
  await machine.stop();
  await network.remove();
});

describe("outputs", () => {
  it("tell where the registry is and how to log in", () => {
    expect(deployment.output("registryHost")).toBe(`${domain}:${port}`);
    expect(deployment.output("registryUrl")).toBe(`https://${domain}:${port}`);
    expect(deployment.output("loginCommand")).toBe(
      `docker login ${domain}:${port} --username alice`,
    );
  });

  it("give the CA and its fingerprint", async () => {
    const { stdout } = await execa("openssl", [
      ...["x509", "-in", caFile, "-noout", "-fingerprint", "-sha256"],
    ]);
    expect(stdout.split("=")[1]).toBe(deployment.output("caFingerprint"));
    expect(new X509Certificate(caPem).ca).toBe(true);
  });

  it("give given and generated passwords, as secrets", async () => {
    const passwords = deployment.passwords;
    expect(passwords).toEqual({
      alice: alice[1],
      reader: reader[1],
      robot: expect.stringMatching(/^[A-Za-z0-9]{32}$/) as string,
    });
    expect(await deployment.pulumi("stack", "output", "passwords")).toBe("[secret]");
  });
});

describe("a client machine that Pulumi set up", () => {
  let there: DockerCli;
  const image = () => `${domain}:${port}/team/layers:1.0`;

  beforeAll(async () => {
    there = machineDocker(machine);
    await machine.exec(buildLayeredImage(image()));
  });

  it("logs in by the registry's name, and is refused with a wrong password", async () => {
    const refused = await there.login(`${domain}:${port}`, "alice", "wrong");
    expect(refused.output).toMatch(/unauthorized|401/i);
    expect(refused.exitCode).toBe(1);
    expect((await there.login(`${domain}:${port}`, ...alice)).output).toContain("Login Succeeded");
  });

  it("pushes an image of several layers, pulls it again and runs it", async () => {
    const pushed = await there.docker("push", image());
    expect(pushed.output.match(/: Pushed/g)).toHaveLength(4);
    await there.docker("image", "rm", image());
    await there.docker("image", "prune", "--all", "--force");
    expect((await there.docker("pull", image())).output).toContain("Downloaded newer image");
    // Every byte of every layer, by the image's own sha256sum.
    const run = await there.docker("run", "--rm", "--network", "none", image());
    expect(run.output.trim().split("\n")).toEqual(["/layer/1: OK", "/layer/2: OK", "/layer/3: OK"]);
  });

  it("may pull but not push as a user with pull access", async () => {
    await there.login(`${domain}:${port}`, ...reader);
    expect((await there.docker("pull", image())).exitCode).toBe(0);
    const tag = `${domain}:${port}/team/layers:from-reader`;
    await there.docker("tag", image(), tag);
    const push = await there.docker("push", tag);
    expect(push.exitCode).toBe(1);
    expect(push.output).toContain("denied: this user may pull but not push");
  });

  it("is refused without a login", async () => {
    await there.docker("logout", `${domain}:${port}`);
    const pull = await there.docker("pull", image());
    expect(pull.exitCode).toBe(1);
    expect(pull.output).toMatch(/no basic auth credentials|authentication required/);
  });
});

describe("docker on the registry's own machine", () => {
  let here: DockerCli;

  beforeAll(async () => {
    here = await localDocker();
  });
  afterAll(async () => {
    await here.remove();
  });

  it("logs in, pushes and pulls by localhost", async () => {
    const image = `localhost:${port}/nginx:pushed`;
    const { robot = "" } = deployment.passwords;
    expect((await here.login(`localhost:${port}`, "robot", robot)).output).toContain("Succeeded");
    await docker("tag", "nginx:1.30", image);
    try {
      const push = await here.docker("push", image);
      const digest = /digest: (sha256:\w+)/.exec(push.output)?.[1];
      expect(digest, push.output).toBeDefined();
      await docker("image", "rm", image);
      expect((await here.docker("pull", image)).output).toContain(`Digest: ${digest}`);
      const ids = await docker("image", "inspect", "--format", "{{.Id}}", image, "nginx:1.30");
      expect(new Set(ids.split("\n")).size).toBe(1);
    } finally {
      await execa("docker", ["image", "rm", image], { reject: false });
    }
  });
});

describe("curl with the CA", () => {
  const curl = async (path: string, ...args: string[]) => {
    const { stdout } = await execa("curl", [
      ...["--silent", "--show-error", "--max-time", "20", "--cacert", caFile],
      ...["--resolve", `${domain}:${port}:127.0.0.1`, "--write-out", "\n%{http_code}", ...args],
      `https://${domain}:${port}${path}`,
    ]);
    const lines = stdout.split("\n");
    return { status: Number(lines.pop()), body: lines.join("\n") };
  };

  it.each(["/v2/", "/v2/_catalog", "/v2/team/curl/tags/list", "/v2/team/curl/manifests/1"])(
    "gets %s with credentials and 401 without",
    async (path) => {
      const { manifest } = await client.push("team/curl", "1", alice);
      const anonymous = await curl(path);
      expect(anonymous.status).toBe(401);
      expect(JSON.parse(anonymous.body)).toHaveProperty("errors.0.code", "UNAUTHORIZED");

      const accept = ["--header", `Accept: ${manifestType}`];
      const { status, body } = await curl(path, "--user", reader.join(":"), ...accept);
      expect(status).toBe(200);
      if (path.endsWith("_catalog")) {
        expect((JSON.parse(body) as { repositories: string[] }).repositories).toContain(
          "team/curl",
        );
      } else if (path.endsWith("list")) {
        expect(JSON.parse(body)).toEqual({ name: "team/curl", tags: ["1"] });
      } else if (path.endsWith("manifests/1")) {
        const { headers } = await client.request("HEAD", path, {
          user: reader,
          headers: { Accept: manifestType },
        });
        expect(headers["docker-content-digest"]).toBe(manifest);
        expect(JSON.parse(body)).toHaveProperty("layers.0.size", 2000);
      }
    },
  );

  it("is told the Basic challenge that Docker's clients look for", async () => {
    const { stdout } = await execa("curl", [
      ...["--silent", "--head", "--cacert", caFile, "--resolve", `${domain}:${port}:127.0.0.1`],
      `https://${domain}:${port}/v2/`,
    ]);
    expect(stdout).toMatch(/^www-authenticate: basic realm="registry"\r$/im);
    expect(stdout).toMatch(/^docker-distribution-api-version: registry\/2\.0\r$/im);
  });
});

describe("TLS", () => {
  const handshake = async (...args: string[]) => {
    const { all, exitCode } = await execa(
      "openssl",
      [
        ...["s_client", "-connect", `127.0.0.1:${port}`, "-servername", domain],
        ...["-CAfile", caFile, "-verify_hostname", domain, "-verify_return_error", ...args],
      ],
      { input: "", all: true, reject: false, timeout: 20_000 },
    );
    return { all, exitCode };
  };

  it.each(["1_2", "1_3"])(
    "%s is served, with a certificate that the CA signed",
    async (version) => {
      const { all } = await handshake(`-tls${version}`);
      expect(all).toContain("Verify return code: 0 (ok)");
      expect(all).toContain(`TLSv${version.replace("_", ".")}`);
    },
  );

  it.each(["1", "1_1"])("%s is refused", async (version) => {
    // The security level is what lets openssl offer it at all.
    const { all, exitCode } = await handshake(`-tls${version}`, "-cipher", "DEFAULT:@SECLEVEL=0");
    expect(exitCode).toBe(1);
    expect(all).toMatch(/alert protocol version/);
  });

  it("is not trusted without the CA", async () => {
    const { stderr, exitCode } = await execa(
      "curl",
      ["--silent", "--show-error", "--resolve", `${domain}:${port}:127.0.0.1`].concat(
        `https://${domain}:${port}/v2/`,
      ),
      { reject: false },
    );
    expect(exitCode).toBe(60);
    expect(stderr).toMatch(/certificate/);
  });
});

describe("the containers", () => {
  it.each(["nginx", "registry"] as const)("%s is hardened, limited and healthy", async (which) => {
    const container = (await serving(deployment.installation))[which];
    expect(container.Config.User).toBe("10001:10001");
    expect(container.HostConfig).toMatchObject({
      ReadonlyRootfs: true,
      SecurityOpt: ["no-new-privileges:true"],
      CapDrop: ["ALL"],
      Privileged: false,
      PidsLimit: 512,
      LogConfig: { Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } },
      RestartPolicy: { Name: "always" },
    });
    expect(container.HostConfig.CapAdd ?? []).toEqual([]);
    expect(container.HostConfig.Memory).toBeGreaterThan(0);
    expect(container.HostConfig.MemorySwap).toBe(container.HostConfig.Memory);
    expect(container.State.Running).toBe(true);
    await expect
      .poll(async () => (await serving(deployment.installation))[which].State.Health?.Status, {
        // The engine looks 30 s after the start for the first time.
        timeout: 60_000,
        interval: 1000,
      })
      .toBe("healthy");
    expect(container.RestartCount).toBe(0);
  });

  it("of nginx alone publishes a port, and only the one", async () => {
    const { nginx, registry } = await serving(deployment.installation);
    const published = Object.values(nginx.NetworkSettings.Ports).filter((to) => to !== null);
    expect(published).toEqual([[{ HostIp: "0.0.0.0", HostPort: String(port) }]]);
    expect(Object.keys(registry.NetworkSettings.Networks)).toEqual(["none"]);
    const interfaces = await docker("exec", registry.Id, "ls", "/sys/class/net");
    expect(interfaces.split("\n").filter((name) => name === "lo" || /^eth/.test(name))).toEqual([
      "lo",
    ]);
  });
});

describe("secrets", () => {
  /** Every secret of the deployment, by what it is. */
  let secrets: Record<string, string>;

  beforeAll(async () => {
    const { robot = "" } = deployment.passwords;
    const state = JSON.parse(await deployment.pulumi("stack", "export", "--show-secrets")) as {
      deployment: { resources: { urn: string; outputs?: Record<string, unknown> }[] };
    };
    const outputOf = (resource: string, name: string) => {
      const found = state.deployment.resources.find(({ urn }) => urn.endsWith(`::${resource}`));
      const value = (found?.outputs?.[name] as { plaintext?: string } | undefined)?.plaintext;
      return JSON.parse(value ?? '""') as string;
    };
    secrets = {
      "the given passwords": marker,
      "their form in requests": Buffer.from(alice.join(":")).toString("base64"),
      "the generated password": robot,
      "http.secret": outputOf("registry-server-http-secret", "result"),
      "the CA's key": pemLine(outputOf("registry-tls-ca-key", "privateKeyPem")),
      "the server's key": pemLine(outputOf("registry-tls-server-key", "privateKeyPem")),
      "the SSH key": pemLine(machine.sshPrivateKey),
    };
  });

  const expectNone = (places: Record<string, string>) => {
    for (const [what, secret] of Object.entries(secrets)) {
      expect(secret.length, what).toBeGreaterThanOrEqual(8);
      for (const [where, text] of Object.entries(places)) {
        expect(text.length, where).toBeGreaterThan(100);
        expect(text.includes(secret), `${what} in ${where}`).toBe(false);
      }
    }
  };

  it("are not in what Pulumi prints, nor in its state, settings and logs", async () => {
    expectNone({
      "the output of up": output,
      "the state": await deployment.state(),
      "an exported state": await deployment.pulumi("stack", "export"),
      "the stack's file": await deployment.pulumi("config"),
    });
    const { stdout } = await execa(
      "grep",
      [
        ...["--recursive", "--files-with-matches", "--exclude-dir=plugins", marker],
        deployment.folder,
      ],
      { reject: false },
    );
    expect(stdout).toBe("");
  });

  it("are not in what Docker tells about containers, volumes and networks", async () => {
    const { containers, volumes, networks } = await deployment.objects();
    expectNone({
      containers: await docker("inspect", ...containers),
      volumes: await docker("volume", "inspect", ...volumes),
      networks: await docker("network", "inspect", ...networks),
    });
  });

  it("are not in the containers' logs, whatever clients send", async () => {
    await client.request("GET", "/v2/_catalog", { user: ["alice", `${marker}-nearly`] });
    await client.request("GET", "/v2/_catalog", { user: alice });
    const { nginx, registry } = await serving(deployment.installation);
    const log = async (id: string) => (await execa("docker", ["logs", id], { all: true })).all;
    expectNone({ "the logs": `${await log(nginx.Id)}${await log(registry.Id)}` });
  });

  it("were in no process's arguments or environment while Pulumi ran", () => {
    // It did look: these are what Pulumi starts.
    expect(processes).toContain("pulumi-language-nodejs");
    expect(processes).toContain("registry-server");
    expectNone({ "a process": processes });
  });

  it("are in no file of the volumes that others can read", async () => {
    const { volumes } = await deployment.objects();
    const files = volumes.filter((name) => name.includes("-files-"));
    expect(files).toHaveLength(2);
    for (const volume of files) {
      const readable = "cd /volume; find . -type f -perm /077 | wc -l; find . -type f | wc -l";
      const [open, all] = (await inVolume(volume, readable)).split("\n").map(Number);
      expect(open).toBe(0);
      expect(all).toBeGreaterThan(0);
      const owners = await inVolume(volume, "find /volume -type f -printf '%U:%G %m\\n' | sort -u");
      expect(owners).toBe("10001:10001 400");
    }
  });

  it("are on no disk but in the registry's own files: remembered logins are in memory", async () => {
    const { nginx } = await serving(deployment.installation);
    const kinds = await docker(
      ...["exec", nginx.Id, "sh", "-c", "stat -f -c %T /run/nginx; stat -c %a /run/nginx"],
    );
    expect(kinds).toBe("tmpfs\n700");
  });
});

describe("six hundred uploads at once", () => {
  it("all arrive, within the memory that nginx has", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const options = { port, host: domain, caPem, agent };
    const content = randomBytes(2 << 20);
    const uploads: StartedUpload[] = [];
    while (uploads.length < 600) {
      const begun = Array.from({ length: 20 }, () =>
        startUpload(options, "team/many", alice, content),
      );
      uploads.push(...(await Promise.all(begun)));
    }
    for (const upload of uploads) upload.finish();
    const answers = await Promise.allSettled(uploads.map(({ status }) => status));
    agent.destroy();
    expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
      new Set([JSON.stringify({ status: "fulfilled", value: 202 })]),
    );
  });
});

describe("a second up", () => {
  it("changes nothing", async () => {
    const { changes } = await deployment.up();
    expect(Object.keys(changes)).toEqual(["same"]);
  });

  it("changes nothing after a refresh, which finds nothing changed", async () => {
    expect(Object.keys(await deployment.refresh())).toEqual(["same"]);
    const { changes } = await deployment.up();
    expect(Object.keys(changes)).toEqual(["same"]);
  });
});

describe("destroy", () => {
  it("leaves nothing on the engine and the client but the images, which up finds again", async () => {
    const { layer } = await client.push("team/kept", "1", alice);
    const { containers, volumes, networks } = await deployment.objects();
    expect([containers.length, volumes.length, networks.length]).toEqual([3, 4, 1]);

    await deployment.destroy();
    const exists = async (kind: string, name: string) =>
      (await execa("docker", [kind, "inspect", name], { reject: false })).exitCode === 0;
    for (const id of containers) expect(await exists("container", id), id).toBe(false);
    for (const id of networks) expect(await exists("network", id), id).toBe(false);
    for (const name of volumes) {
      expect(await exists("volume", name), name).toBe(name === deployment.dataVolume);
    }
    expect(
      await docker("ps", "--all", "--quiet", "--filter", `volume=${deployment.dataVolume}`),
    ).toBe("");
    const traces = await machine.exec(
      "ls -d /etc/docker/certs.d/* /var/lib/private-registry/* 2>/dev/null; grep -F .registry.test /etc/hosts; true",
      { reject: false },
    );
    expect(traces.stdout).toBe("");

    await deployment.up();
    const again = new RegistryClient({
      ...{ port, host: domain, caPem: deployment.output("caCertificate") },
    });
    const found = await again.request("HEAD", `/v2/team/kept/blobs/${layer}`, { user: alice });
    expect(found.status).toBe(200);
  });
});

/** A line from the middle of a PEM text's body, which no other has. */
function pemLine(pem: string): string {
  const lines = pem.trim().split("\n");
  return lines[Math.floor(lines.length / 2)] ?? "";
}
