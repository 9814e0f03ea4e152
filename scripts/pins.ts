import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** The provider packages of this project, by the name of their plugin. */
export const providerNames = ["command", "docker", "random", "tls"] as const;
export type ProviderName = (typeof providerNames)[number];

/** The exact versions that everything is built from or downloaded at. */
export interface Pins {
  /** Of the Pulumi CLI: that of `@pulumi/pulumi`. */
  pulumi: string;
  /** Of each provider plugin: that of its npm package. */
  providers: Record<ProviderName, string>;
}

/** The images that are used unless the configuration names others. */
export const images = { registry: "registry:3.1.2", nginx: "nginx:1.30" } as const;

const exact = z.string().regex(/^\d+\.\d+\.\d+$/, "expected an exact version such as 1.2.3");
const manifest = z.object({
  dependencies: z.object({
    "@pulumi/pulumi": exact,
    "@pulumi/command": exact,
    "@pulumi/docker": exact,
    "@pulumi/random": exact,
    "@pulumi/tls": exact,
  }),
});

/** Reads the pins from the dependencies in package.json. */
export function readPins(checkout: string): Pins {
  const file = join(checkout, "package.json");
  const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
  const { dependencies } = manifest.parse(parsed);
  return {
    pulumi: dependencies["@pulumi/pulumi"],
    providers: {
      command: dependencies["@pulumi/command"],
      docker: dependencies["@pulumi/docker"],
      random: dependencies["@pulumi/random"],
      tls: dependencies["@pulumi/tls"],
    },
  };
}
