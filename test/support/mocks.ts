import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";

/** A CA certificate. */
export const caPem = readFileSync(resolve(__dirname, "ca.pem"), "utf8");

/** A resource as the program asked for it. */
export interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

/** What the providers add to the inputs that the components give them. */
function outputs({ type, name, inputs }: Registered): Record<string, unknown> {
  switch (type) {
    case "command:local:Command":
    case "command:remote:Command":
      return { stdout: `report of ${name}` };
    case "docker:index/remoteImage:RemoteImage":
      return { imageId: `sha256:${name}` };
    case "random:index/randomBytes:RandomBytes":
      return { base64: Buffer.alloc(16, name).toString("base64") };
    case "random:index/randomId:RandomId":
      return { hex: `${String(inputs.prefix)}0123456789abcdef` };
    case "random:index/randomPassword:RandomPassword":
      return { result: `password of ${name}`, bcryptHash: `$2a$10$hash of ${name}` };
    case "tls:index/certRequest:CertRequest":
      return { certRequestPem: `PEM of ${name}` };
    case "tls:index/locallySignedCert:LocallySignedCert":
      return { certPem: `PEM of ${name}` };
    case "tls:index/privateKey:PrivateKey":
      return { privateKeyPem: `PEM of ${name}` };
    case "tls:index/selfSignedCert:SelfSignedCert":
      // PEM may have text before it, by which the later ones are told apart.
      return { certPem: name.endsWith("-ca") ? caPem : `PEM of ${name}\n${caPem}` };
    default:
      return {};
  }
}

/**
 * Runs `program` without an engine, and records every resource that it registers.
 *
 * @param told Outputs of resources, by their names, instead of the usual ones.
 */
export async function record(
  program: () => void | Promise<void>,
  told: Readonly<Record<string, Record<string, unknown>>> = {},
): Promise<Registered[]> {
  const resources: Registered[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, id }) => {
        const resource = { type, name, inputs: inputs as Record<string, unknown> };
        resources.push(resource);
        return {
          id: id || `${name}-id`,
          state: { name, ...resource.inputs, ...outputs(resource), ...told[name] },
        };
      },
      call: () => ({}),
    },
    "project",
    "stack",
    false,
  );
  await pulumi.runtime.runInPulumiStack(async () => {
    await program();
    return {};
  });
  // Outputs are registered in the background.
  await pulumi.runtime.disconnect();
  return resources;
}

/** The value of an output, and whether it is secret. */
export async function resolved<T>(
  output: pulumi.Output<T>,
): Promise<{ value: T; secret: boolean }> {
  const internals = output as unknown as { promise(): Promise<T>; isSecret: Promise<boolean> };
  return { value: await internals.promise(), secret: await internals.isSecret };
}

/** A secret among recorded inputs, in the engine's wrapping. */
export function secretInput(value: unknown): unknown {
  return { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value };
}
