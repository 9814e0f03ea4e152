import * as pulumi from "@pulumi/pulumi";

/** A resource as the program asked for it. */
export interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

/**
 * Records every resource that a program registers, and answers as the providers would: `outputs`
 * gives what a resource has beyond its inputs.
 */
export async function record(
  program: () => void,
  outputs: (resource: Registered) => Record<string, unknown> = () => ({}),
): Promise<Registered[]> {
  const resources: Registered[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, id }) => {
        const resource = { type, name, inputs: inputs as Record<string, unknown> };
        resources.push(resource);
        return {
          id: id || `${name}-id`,
          state: { name, ...resource.inputs, ...outputs(resource) },
        };
      },
      call: () => ({}),
    },
    "project",
    "stack",
    false,
  );
  await pulumi.runtime.runInPulumiStack(async () => {
    program();
    return Promise.resolve({});
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
