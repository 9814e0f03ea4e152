import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/**
 * Whose an object on the Docker engine is. The name is for people, and the same in every clone of a
 * project; the id is this installation's alone.
 */
export interface Installation {
  /** Unique on the Docker host. Keeps the stack's first name when the stack is renamed. */
  name: pulumi.Input<string>;
  /** Random, and kept in the state. */
  id: pulumi.Input<string>;
}

/** Makes the id of an installation, which lives as long as its state does. */
export function installationOf(
  name: string,
  installation: string,
  opts: pulumi.CustomResourceOptions,
): Installation {
  const id = new random.RandomId(
    `${name}-id`,
    { byteLength: 8, prefix: `${installation}-` },
    // The name comes from the stack: renaming the stack changes no label.
    { ...opts, ignoreChanges: ["prefix"] },
  );
  return {
    name: id.hex.apply((hex) => hex.slice(0, hex.lastIndexOf("-"))),
    id: id.hex.apply((hex) => hex.slice(hex.lastIndexOf("-") + 1)),
  };
}

/**
 * Tells whose an object on the Docker engine is, also if a run was killed before it wrote that down.
 * Not for what must never be taken for left over: the images.
 */
export function installationLabels({ name, id }: Installation) {
  return [
    { label: "private-registry", value: name },
    { label: "private-registry.id", value: id },
  ];
}

/** What scripts beside the engine read of an installation. */
export function installationVariables({ name, id }: Installation) {
  return { INSTALLATION: name, INSTALLATION_ID: id };
}
