import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { execa } from "execa";
import { machineImage } from "./machine-image";

/** What to start; see {@link startBareRegistry}. */
export interface BareRegistryOptions {
  /** The Docker network that it is in. */
  network: string;
  /** The names and addresses in its certificate. Its own address is added. */
  hosts: readonly string[];
  port: number;
}

/** A registry that is not the project's: one container, TLS with a CA of its own. */
export interface BareRegistry {
  readonly ip: string;
  /** The CA that signed its certificate. */
  readonly caPem: string;
  stop(): Promise<void>;
}

/** The one user of a bare registry. */
export const registryUser = {
  name: "client",
  password: "secret",
  passwordHash: "$2b$04$bKhw8c/Dbc5d/smi8TfBa.LDqfXmj.GAg2W24n4BhR/6Ne9VB7WOm",
};

/**
 * Starts the `registry` image with TLS, as something for clients to trust that needs no deployment.
 * It wants {@link registryUser}, as the project's registry wants its users.
 */
export async function startBareRegistry(options: BareRegistryOptions): Promise<BareRegistry> {
  const name = `private-registry-test-${randomBytes(4).toString("hex")}`;
  const stop = async () => {
    await execa("docker", ["rm", "--force", "--volumes", name], { reject: false });
  };
  await execa("docker", [
    ...["create", "--name", name, "--network", options.network],
    ...["--label", "private-registry-test=registry"],
    ...["--entrypoint", "sh", "registry:3.1.2", "-c"],
    // The address, which the certificate must have, is known once the container runs.
    "until [ -e /ready ]; do sleep 0.1; done; exec registry serve /config.yml",
  ]);
  try {
    await execa("docker", ["start", name]);
    const { stdout: ip } = await execa("docker", [
      ...["inspect", "--format"],
      ...["{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name],
    ]);
    const certificate = await makeCertificate([...options.hosts, ip]);
    const put = (path: string, text: string) =>
      execa("docker", ["exec", "--interactive", name, "sh", "-c", `cat >${path}`], { input: text });
    await put("/server.crt", certificate.certificatePem);
    await put("/server.key", certificate.privateKeyPem);
    await put("/htpasswd", `${registryUser.name}:${registryUser.passwordHash}\n`);
    await put("/config.yml", config(options.port));
    await put("/ready", "");
    return { ip, caPem: certificate.caPem, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function config(port: number): string {
  return `version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: /var/lib/registry } }
auth: { htpasswd: { realm: registry, path: /htpasswd } }
http:
  addr: :${port}
  tls: { certificate: /server.crt, key: /server.key }
`;
}

/** A CA, and a server certificate of it for `hosts`. */
export async function makeCertificate(hosts: readonly string[]) {
  const names = hosts.map((host) => `${isIP(host) === 0 ? "DNS" : "IP"}:${host}`).join();
  const { stdout } = await execa(
    "docker",
    ["run", "--rm", "--interactive", await machineImage("plain"), "sh", "-s", "--", names],
    { input: signCertificate },
  );
  const [caPem, certificatePem, privateKeyPem] = stdout.split("=====\n");
  if (caPem === undefined || certificatePem === undefined || privateKeyPem === undefined) {
    throw new Error(`making a certificate: expected three PEM texts, got ${stdout}`);
  }
  return { caPem, certificatePem, privateKeyPem };
}

const signCertificate = `set -e
cd "$(mktemp -d)"
key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
openssl req -x509 $key -days 2 -subj '/CN=bare registry CA' -keyout ca.key -out ca.crt 2>log
openssl req $key -subj '/CN=bare registry' -keyout server.key -out server.csr 2>log
echo "subjectAltName=$1" >names
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \\
  -extfile names -out server.crt 2>log
cat ca.crt; echo =====; cat server.crt; echo =====; cat server.key
`;
