import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { quote } from "../../components/render/shell";
import { parseCertificates } from "../../components/rules/own-certificate";
import { Deployment, type Settings } from "../support/deployment";
import { createNetwork, freePort, type TestNetwork } from "../support/engine";
import { type Machine, startMachine } from "../support/machine";
import { RegistryClient } from "../support/registry-client";
import { startTraffic, type Traffic } from "../support/traffic";

// Everything that asks the registry here verifies its certificate anew each time.

const alice = ["alice", "Pushes-1 thing"] as const;
const path = "/v2/app/tags/list";
const everyTool = ["curl with OpenSSL", "openssl", "wget with GnuTLS", "skopeo, in Go", "Node"];

let deployment: Deployment;
let network: TestNetwork;
let settings: Settings;
let port: number;
/** As images begin with it. */
let hub: string;
/** A client that `up` sets up, its own trust store too. */
let web: Machine;
/** Was set up by `trustScript` when there was one CA, and never since. */
let byHand: Machine;
/** Trusts nothing by itself. */
let tools: Machine;
/** The CA of each generation. */
const cas: Record<number, string> = {};

beforeAll(async () => {
  [deployment, network, port] = await Promise.all([
    Deployment.create(),
    createNetwork(),
    freePort(),
  ]);
  hub = `hub.test:${port}`;
  const options = { network: network.name };
  const runArguments = ["--add-host", `hub.test:${network.gateway}`];
  [web, byHand, tools] = await Promise.all([
    startMachine(options),
    startMachine({ ...options, kind: "podman" }),
    startMachine({ ...options, kind: "plain", runArguments }),
  ]);
  settings = {
    domains: ["hub.test"],
    httpsPort: port,
    users: { alice: { password: alice[1] } },
    anonymousPull: true,
    registryAddress: network.gateway,
    clients: {
      web: {
        ...{ host: web.ip, privateKey: web.sshPrivateKey, hostKey: web.hostKey },
        systemTrust: true,
      },
    },
  };
  await deployment.up(settings);
  cas[1] = deployment.output("caCertificate");
  await byHand.exec("sh -s", { stdin: deployment.output("trustScript") });
  await web.exec(
    `docker login ${hub} --username ${alice[0]} --password-stdin &&
    tar -c -C / etc/hostname | docker import - ${hub}/app:1 && docker push ${hub}/app:1`,
    { stdin: alice[1] },
  );
});

afterAll(async () => {
  await deployment.remove();
  await Promise.all([web, byHand, tools].map((machine) => machine.stop()));
  await network.remove();
});

/** `pulumi up` with this much changed, and a second one that finds nothing more to do. */
async function change(certificate: Settings): Promise<void> {
  settings = { ...settings, certificate };
  await deployment.up(settings);
  await deployment.pulumi("preview", "--expect-no-changes");
}

/** Changes while clients work; what they saw. */
async function changeInUse(certificate: Settings, client: Traffic[]) {
  try {
    await change(certificate);
  } finally {
    // Also what was begun after the change.
    await pause(1000);
  }
  return Promise.all(client.map((traffic) => traffic.stop()));
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Runs a command on a machine, again and again. */
function repeat(machine: Machine, command: string): Traffic {
  const stopping = new AbortController();
  const failures: string[] = [];
  let answered = 0;
  const working = (async () => {
    while (!stopping.signal.aborted) {
      const { exitCode, stderr } = await machine.exec(command, { reject: false });
      if (exitCode === 0) answered += 1;
      else failures.push(stderr);
      // Leaves `pulumi up` something of the processors.
      await pause(200);
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await working;
      return { answered, failures };
    },
  };
}

const dockerPulls = () =>
  repeat(web, `docker rmi ${hub}/app:1 >/dev/null; docker pull --quiet ${hub}/app:1`);
const skopeoPulls = () =>
  repeat(byHand, `rm -rf /image; skopeo copy --quiet docker://${hub}/app:1 dir:/image`);

/** Which of {@link everyTool} accept the registry's certificate with nothing but `caPem` to go by. */
async function accepting(caPem: string | undefined): Promise<string[]> {
  if (caPem === undefined) throw new Error("no such CA");
  const here = async (machine: Machine, command: string) => {
    await machine.exec("mkdir -p /trusted; cat >/trusted/ca.crt", { stdin: caPem });
    const { exitCode } = await machine.exec(command, { reject: false });
    return exitCode === 0;
  };
  const url = quote(`https://${hub}${path}`);
  const node = new RegistryClient({ port, host: "hub.test", caPem });
  const accepts = [
    await here(tools, `curl --fail --silent --cacert /trusted/ca.crt ${url}`),
    await here(
      tools,
      `openssl s_client -connect ${hub} -CAfile /trusted/ca.crt -no-CApath -no-CAstore \\
      -verify_hostname hub.test -verify_return_error </dev/null`,
    ),
    await here(
      tools,
      `wget --quiet --no-hsts --ca-certificate=/trusted/ca.crt --output-document=/dev/null ${url}`,
    ),
    await here(byHand, `skopeo inspect --cert-dir /trusted docker://${hub}/app:1`),
    await node.request("GET", path).then(
      ({ status }) => status === 200,
      () => false,
    ),
  ];
  return everyTool.filter((_, index) => accepts[index]);
}

/** The certificates that nginx shows. */
async function shown(): Promise<X509Certificate[]> {
  const { stdout } = await tools.exec(
    `openssl s_client -connect ${hub} -servername hub.test -showcerts </dev/null`,
  );
  const pems = stdout.match(/-----BEGIN [^]*?-----END CERTIFICATE-----/g) ?? [];
  return pems.map((pem) => new X509Certificate(pem));
}

/** The CAs that the machine was given. */
async function trustedBy(machine: Machine): Promise<X509Certificate[]> {
  const { stdout } = await machine.exec("cat /var/lib/private-registry/*/ca.crt");
  return parseCertificates(stdout) ?? [];
}

const fingerprints = (certificates: X509Certificate[]) =>
  certificates.map(({ fingerprint256 }) => fingerprint256);
const fingerprint = (pem = "") => new X509Certificate(pem).fingerprint256;

/** Whether programs on the client that were told nothing accept the registry. */
async function expectSystemTrust(): Promise<void> {
  await web.exec(`curl --fail --silent https://${hub}${path}`);
  // By the folder of links alone, which is not the file that curl reads.
  await web.exec(
    `openssl s_client -connect ${hub} -CApath /etc/ssl/certs -no-CAfile -no-CAstore \\
    -verify_return_error </dev/null`,
  );
}

async function anchors(): Promise<string[]> {
  const { stdout } = await web.exec("ls /usr/local/share/ca-certificates");
  return stdout.trim().split("\n");
}

describe("a second CA", () => {
  it("is planned beside the first one, which stays as it is", async () => {
    await deployment.configure({ ...settings, certificate: { caGeneration: 2 } });
    const plan = await deployment.pulumi("preview");
    expect(plan).toMatch(/registry-tls-ca-2 +create/);
    expect(plan).not.toMatch(/registry-tls-ca(-key)? /);
  });

  it("costs no client a request, whether it is set up by up, by hand or in between", async () => {
    const caPem = cas[1] ?? "";
    const requests = startTraffic({ port, host: "hub.test", caPem }, path, alice, {
      keepAlive: false,
    });
    const [asked, docker, skopeo] = await changeInUse({ caGeneration: 2 }, [
      ...[requests, dockerPulls(), skopeoPulls()],
    ]);
    cas[2] = deployment.output("caCertificate");
    expect(cas[2]).not.toBe(cas[1]);
    expect(asked?.failures).toEqual([]);
    expect(asked?.answered).toBeGreaterThan(100);
    for (const pulls of [docker, skopeo]) {
      expect(pulls?.failures).toEqual([]);
      expect(pulls?.answered).toBeGreaterThan(5);
    }
  });

  it("has signed what nginx shows, with its own certificate from the first one behind", async () => {
    const [server, cross, ...others] = await shown();
    const [first, second] = [cas[1], cas[2]].map((pem) => new X509Certificate(pem ?? ""));
    if (!server || !cross || !first || !second) throw new Error("a certificate is missing");
    expect(others).toEqual([]);
    expect(server.verify(second.publicKey)).toBe(true);
    expect(cross.subject).toBe(second.subject);
    expect(cross.verify(first.publicKey)).toBe(true);
    expect(deployment.output("caFingerprint")).toBe(second.fingerprint256);
  });

  it("is enough for every kind of client, and so is the first one", async () => {
    expect(await accepting(cas[1])).toEqual(everyTool);
    expect(await accepting(cas[2])).toEqual(everyTool);
  });

  it("is on the client beside the first one, in its own trust store too", async () => {
    expect(fingerprints(await trustedBy(web))).toEqual([cas[1], cas[2]].map(fingerprint));
    expect(await anchors()).toHaveLength(2);
    await expectSystemTrust();
  });

  it("is taken back without a loss while the first one is not retired", async () => {
    const [docker, skopeo] = await changeInUse({}, [dockerPulls(), skopeoPulls()]);
    expect(docker?.failures).toEqual([]);
    expect(skopeo?.failures).toEqual([]);
    expect(deployment.output("caCertificate")).toBe(cas[1]);
    expect(await accepting(cas[1])).toEqual(everyTool);
    expect(fingerprints(await trustedBy(web))).toEqual([cas[1]].map(fingerprint));
    expect(await anchors()).toHaveLength(1);
    await expectSystemTrust();
  });
});

describe("a CA whose predecessor is retired", () => {
  it("at once, takes its place without a change-over", async () => {
    await change({ caGeneration: 2, retiredCaGeneration: 1 });
    cas[2] = deployment.output("caCertificate");
    expect(await shown()).toHaveLength(1);
    expect(await accepting(cas[1])).toEqual([]);
    expect(await accepting(cas[2])).toEqual(everyTool);
    expect(fingerprints(await trustedBy(web))).toEqual([cas[2]].map(fingerprint));
    expect(await anchors()).toHaveLength(1);
    await expectSystemTrust();
  });

  it("in a second step, takes nothing from the clients", async () => {
    const [raised] = await changeInUse({ caGeneration: 3, retiredCaGeneration: 1 }, [
      dockerPulls(),
    ]);
    expect(raised?.failures).toEqual([]);
    cas[3] = deployment.output("caCertificate");
    expect(await accepting(cas[2])).toEqual(everyTool);
    await expectSystemTrust();

    const [retired] = await changeInUse({ caGeneration: 3, retiredCaGeneration: 2 }, [
      dockerPulls(),
    ]);
    expect(retired?.failures).toEqual([]);
    expect(deployment.output("caCertificate")).toBe(cas[3]);
    expect(await shown()).toHaveLength(1);
    expect(await accepting(cas[2])).toEqual([]);
    expect(await accepting(cas[3])).toEqual(everyTool);
    expect(fingerprints(await trustedBy(web))).toEqual([cas[3]].map(fingerprint));
    expect(await anchors()).toHaveLength(1);
    await expectSystemTrust();
  });
});

describe("a CA that stays", () => {
  const generation = { caGeneration: 3, retiredCaGeneration: 2 };

  it("keeps its key, and all their trust, when the server's key is of another type", async () => {
    const [docker] = await changeInUse({ ...generation, keyAlgorithm: "RSA-2048" }, [
      dockerPulls(),
    ]);
    expect(docker?.failures).toEqual([]);
    expect(deployment.output("caCertificate")).toBe(cas[3]);
    const [server] = await shown();
    expect(server?.publicKey.asymmetricKeyType).toBe("rsa");
    expect(await accepting(cas[3])).toEqual(everyTool);
  });

  it("is renewed without a loss: what it was before is still enough", async () => {
    const requests = startTraffic(
      { port, host: "hub.test", caPem: cas[3] ?? "" },
      ...([path, alice, { keepAlive: false }] as const),
    );
    const [asked, docker] = await changeInUse({ ...generation, caValidityDays: 3000 }, [
      ...[requests, dockerPulls()],
    ]);
    expect(asked?.failures).toEqual([]);
    expect(docker?.failures).toEqual([]);
    const renewed = deployment.output("caCertificate");
    expect(renewed).not.toBe(cas[3]);
    expect(await accepting(cas[3])).toEqual(everyTool);
    expect(await accepting(renewed)).toEqual(everyTool);
    expect(fingerprints(await trustedBy(web))).toEqual([fingerprint(renewed)]);
    await expectSystemTrust();
  });
});
