import * as pulumi from "@pulumi/pulumi";
import { defaultUsers } from "./credentials";
import { isMap } from "./rules/schema";
import { isUnnamed } from "./settings";

/**
 * The default users that the last `up` of this stack left there without being told to.
 *
 * They are in the state only: once a stack names a user, its configuration says no more whether the
 * default users were given up on purpose. What a version without `configured` has left there is taken
 * for such.
 *
 * @param registry The name of the `PrivateRegistry`.
 */
export async function readDefaultUsers(registry: string): Promise<string[]> {
  const inDoubt = Object.keys(defaultUsers).filter((user) => isUnnamed(user));
  if (inDoubt.length === 0) return [];
  const resources = Object.entries(await readOwnState());
  const [, credentials] =
    resources.find(([urn]) => urn.endsWith(`::${registry}-credentials`)) ?? [];
  const outputs = isMap(credentials) ? credentials.outputs : undefined;
  if (!isMap(outputs) || !isMap(outputs.passwords)) return [];
  const { passwords, configured } = outputs;
  const onPurpose: unknown[] = Array.isArray(configured) ? configured : [];
  return inDoubt.filter((user) => Object.hasOwn(passwords, user) && !onPurpose.includes(user));
}

/** The type and outputs of every resource in the state of this stack, by URN. */
async function readOwnState(): Promise<Record<string, unknown>> {
  const stackName = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
  try {
    const answer: unknown = await pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {
      stackName,
    });
    return isMap(answer) && isMap(answer.outputs) ? answer.outputs : {};
  } catch (error) {
    void pulumi.log.warn(
      `Whether there is a default user cannot be told, as the state could not be read: ${String(error)}`,
    );
    return {};
  }
}
