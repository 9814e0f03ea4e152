import { z } from "zod";

/** What one needs to know to ask a registry. Programs of one's own may not put it out. */
export const outputsSchema = z.object({
  registryUrl: z.string(),
  /** Without one, the certificate's issuer is one that everybody knows. */
  caCertificate: z.string().optional(),
  /** User name to password. */
  passwords: z.record(z.string(), z.string()).optional(),
});

export type RegistryOutputs = z.infer<typeof outputsSchema>;

const deploymentSchema = z.object({
  resources: z.array(
    z.looseObject({ type: z.string(), outputs: z.record(z.string(), z.unknown()).optional() }),
  ),
});

/** The outputs in a state, but for the secret ones. */
export function outputsIn(deployment: unknown): RegistryOutputs | undefined {
  const { data } = deploymentSchema.safeParse(deployment);
  const stack = data?.resources.find(({ type }) => type === "pulumi:pulumi:Stack");
  const { registryUrl, caCertificate } = stack?.outputs ?? {};
  return outputsSchema.safeParse({ registryUrl, caCertificate }).data;
}
