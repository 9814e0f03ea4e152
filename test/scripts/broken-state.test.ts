import { describe, expect, it } from "vitest";
import { brokenReference } from "../../scripts/pulumi/broken-state";

const provider = {
  urn: "urn::pulumi:providers:command::default",
  type: "pulumi:providers:command",
};
const stack = { urn: "urn::stack", type: "pulumi:pulumi:Stack" };
const ca = {
  urn: "urn::ca",
  type: "tls:index/privateKey:PrivateKey",
  provider: `${provider.urn}::6f2a1c`,
  parent: stack.urn,
};
const client = {
  urn: "urn::client",
  type: "command:remote:Command",
  provider: `${provider.urn}::6f2a1c`,
  parent: stack.urn,
  dependencies: [ca.urn],
  propertyDependencies: { stdin: [ca.urn], triggers: null },
};

describe("a state", () => {
  it("is sound when all that a resource refers to stands before it", () => {
    expect(brokenReference([stack, provider, ca, client])).toBeUndefined();
    expect(brokenReference([])).toBeUndefined();
  });

  it("is sound with empty references, as Pulumi writes them", () => {
    const empty = { ...stack, provider: "", parent: "", dependencies: null, deletedWith: "" };
    expect(brokenReference([empty])).toBeUndefined();
  });

  it.each([
    ["comes later", [stack, provider, client, ca], ca.urn],
    ["is gone", [stack, provider, client], ca.urn],
    ["is a provider", [stack, ca], provider.urn],
    ["is the parent", [provider, ca], stack.urn],
    ["is named for a property only", [stack, provider, { ...client, dependencies: [] }], ca.urn],
    ["takes it away with it", [{ ...stack, deletedWith: ca.urn }], ca.urn],
  ])("is broken when what is referred to %s", (_, resources, missing) => {
    expect(brokenReference(resources)).toMatchObject({ missing });
  });
});
