import { X509Certificate } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { issue, type Issued } from "../support/certificates";
import { Deployment, type Settings } from "../support/deployment";
import { type DockerCli, localDocker, machineDocker } from "../support/docker-cli";
import { createNetwork, docker, freePort, inVolume, type TestNetwork } from "../support/engine";
import { type Machine, startMachine } from "../support/machine";
import { RegistryClient } from "../support/registry-client";

// The settings that a registry is built differently for.

const alice = ["alice", "Pushes-1 thing"] as const;
const users: Settings = { alice: { password: alice[1] } };

describe("an own certificate, on port 443", () => {
  let deployment: Deployment;
  let network: TestNetwork;
  let machine: Machine;
  let domain: string;
  let root: Issued;
  let server: Issued;

  beforeAll(async () => {
    deployment = await Deployment.create();
    network = await createNetwork();
    machine = await startMachine({ network: network.name });
    domain = `${deployment.stackName}.registry.test`;
    root = issue({ subject: "Root", ca: true });
    const intermediate = issue({ subject: "Intermediate", ca: true, issuer: root });
    const sans = `DNS:${domain}`;
    server = issue({ subject: "Server", sans, usages: "serverAuth", issuer: intermediate });
    await deployment.up({
      domains: [domain],
      // An address that is only this test's: others may have a registry on port 443 too.
      bindAddress: network.gateway,
      users,
      ownCertificate: {
        certificatePem: server.certificatePem + intermediate.certificatePem,
        privateKeyPem: server.privateKeyPem,
        caPem: root.certificatePem,
      },
      registryAddress: network.gateway,
      clients: {
        web1: { host: machine.ip, privateKey: machine.sshPrivateKey, hostKey: machine.hostKey },
      },
    });
  });
  afterAll(async () => {
    await deployment.remove();
    await machine.stop();
    await network.remove();
  });

  it("is served with its intermediate, so that clients need the root only", async () => {
    const rootFile = join(deployment.folder, "root.pem");
    await writeFile(rootFile, root.certificatePem);
    const { stdout } = await execa(
      "openssl",
      [
        ...["s_client", "-connect", `${network.gateway}:443`, "-servername", domain],
        ...["-CAfile", rootFile, "-verify_hostname", domain, "-verify_return_error", "-showcerts"],
      ],
      { input: "", timeout: 20_000 },
    );
    expect(stdout).toContain("Verify return code: 0 (ok)");
    expect(stdout.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(stdout).toContain(server.certificatePem.trim());
  });

  it("makes no CA, and gives clients the one that came with it", () => {
    expect(deployment.output("caCertificate").trim()).toBe(root.certificatePem.trim());
    const { fingerprint256 } = new X509Certificate(root.certificatePem);
    expect(deployment.output("caFingerprint")).toBe(fingerprint256);
    expect(deployment.log).not.toContain("tls:index");
  });

  it("leaves the port out of the URL, the image names and the client's certs.d", async () => {
    expect(deployment.output("registryHost")).toBe(domain);
    expect(deployment.output("registryUrl")).toBe(`https://${domain}`);
    const { stdout } = await machine.exec("ls /etc/docker/certs.d");
    expect(stdout.split("\n")).toContain(domain);

    const there = machineDocker(machine);
    expect((await there.login(domain, ...alice)).output).toContain("Login Succeeded");
    await machine.exec(
      `echo hello >/tmp/file; tar -C /tmp -c file | docker import - ${domain}/a/b`,
    );
    expect((await there.docker("push", `${domain}/a/b`)).output).toContain("latest: digest:");
    await there.docker("image", "rm", `${domain}/a/b`);
    expect((await there.docker("pull", `${domain}/a/b`)).output).toContain(
      "Downloaded newer image",
    );
  });
});

describe("RSA-4096 keys, an IP address, and a folder with a former registry's images", () => {
  let deployment: Deployment;
  let folder: string;
  let settings: Settings;
  let port: number;
  let cli: DockerCli;

  beforeAll(async () => {
    deployment = await Deployment.create();
    port = await freePort();
    cli = await localDocker();
    folder = await mkdtemp(join(tmpdir(), "private-registry-test-data-"));
    await chmod(folder, 0o755);
    await mkdir(join(folder, "others"));
    await writeFile(join(folder, "others/notes.txt"), "not the registry's");
    await pushToFormerRegistry(cli, folder);
    settings = {
      domains: ["127.0.0.1"],
      httpsPort: port,
      bindAddress: "127.0.0.1",
      users,
      certificate: { keyAlgorithm: "RSA-4096", validityDays: 90, renewalDays: 10 },
      dataPath: folder,
      keepData: false,
    };
    await deployment.up(settings);
  });
  afterAll(async () => {
    await deployment.remove();
    await cli.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it("names images by the address, and proves it with keys of that size", async () => {
    expect(deployment.output("registryHost")).toBe(`127.0.0.1:${port}`);
    const { stdout } = await execa(
      "openssl",
      ["s_client", "-connect", `127.0.0.1:${port}`, "-verify_ip", "127.0.0.1"],
      { input: "", reject: false },
    );
    const server = new X509Certificate(stdout);
    expect(server.subjectAltName).toBe("IP Address:127.0.0.1");
    const ca = new X509Certificate(deployment.output("caCertificate"));
    for (const certificate of [server, ca]) {
      expect(certificate.publicKey.asymmetricKeyType).toBe("rsa");
      expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(4096);
    }
    const days = (Date.parse(server.validTo) - Date.parse(server.validFrom)) / 86_400_000;
    expect(Math.round(days)).toBe(90);
    expect(server.verify(ca.publicKey)).toBe(true);
  });

  it("serves the former registry's images, and takes new ones beside them", async () => {
    const caPem = deployment.output("caCertificate");
    const client = new RegistryClient({ port, host: "127.0.0.1", caPem });
    const list = await client.request("GET", "/v2/former/app/tags/list", { user: alice });
    expect(JSON.parse(list.body)).toEqual({ name: "former/app", tags: ["1"] });
    const { layer } = await client.push("former/app", "2", alice);
    const head = await client.request("HEAD", `/v2/former/app/blobs/${layer}`, { user: alice });
    expect(head.status).toBe(200);
  });

  it("keeps what else is in the folder, and with keepData false no more than that", async () => {
    await deployment.destroy();
    expect(await readdir(folder)).toEqual(["others"]);
    expect(await readFile(join(folder, "others/notes.txt"), "utf8")).toBe("not the registry's");
  });
});

/** What an unprotected `docker run registry`, which runs as root, leaves in `folder`. */
async function pushToFormerRegistry(cli: DockerCli, folder: string): Promise<void> {
  const port = await freePort();
  const image = `127.0.0.1:${port}/former/app:1`;
  const container = await docker(
    ...["run", "--detach", "--label", "private-registry-test=former"],
    ...["--publish", `127.0.0.1:${port}:5000`],
    ...["--volume", `${folder}:/var/lib/registry`, "registry:3.1.2"],
  );
  try {
    await execa("sh", ["-c", 'tar -C "$0" -c others | docker import - "$1"', folder, image]);
    let push = await cli.docker("push", image);
    for (let tries = 0; push.exitCode !== 0 && tries < 10; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      push = await cli.docker("push", image);
    }
    expect(push.output).toContain("1: digest:");
  } finally {
    await docker("rm", "--force", "--volumes", container);
    await execa("docker", ["image", "rm", image], { reject: false });
  }
  expect(await inVolume(folder, "find /volume/docker ! -user 0")).toBe("");
}
