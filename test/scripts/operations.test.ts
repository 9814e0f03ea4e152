import { describe, expect, it } from "vitest";
import { type Operation, Operations } from "../../scripts/pulumi/operations";

const client = "urn:pulumi:dev::p::private-registry:index:ClientTrust";

function event(kind: string, urn: string, op = "update", custom = true) {
  const resource = { parent: client, ...(custom && { custom }) };
  return { sequence: 1, [kind]: { metadata: { urn, op, old: null, new: resource } } };
}

describe("what Pulumi is doing", () => {
  let now = 0;
  const limit = ({ urn }: Operation) => (urn.startsWith("web") ? 60 : undefined);
  const start = (...urns: string[]) => {
    now = 0;
    const operations = new Operations(() => now);
    for (const urn of urns) operations.take(event("resourcePreEvent", urn));
    return operations;
  };
  const overdue = (operations: Operations) => operations.overdue(limit).map(({ urn }) => urn);

  it("is what has begun and neither ended nor failed", () => {
    const operations = start("web1", "web2", "web3");
    operations.take(event("resOutputsEvent", "web1"));
    operations.take(event("resOpFailedEvent", "web3"));
    expect(operations.inHand()).toEqual([{ urn: "web2", parent: client, since: 0 }]);
  });

  it("tells the making of a replacement from the removal of what it replaces", () => {
    const operations = start();
    operations.take(event("resourcePreEvent", "web1", "delete-replaced"));
    operations.take(event("resourcePreEvent", "web1", "create-replacement"));
    operations.take(event("resOutputsEvent", "web1", "create-replacement"));
    expect(operations.inHand()).toHaveLength(1);
  });

  it("is overdue when it takes longer than it may", () => {
    const operations = start("web1");
    now = 60;
    expect(overdue(operations)).toEqual([]);
    now = 61;
    expect(overdue(operations)).toEqual(["web1"]);
  });

  it("is overdue though the components are not done, and what stays the same was never in hand", () => {
    const operations = start("web1");
    operations.take(event("resourcePreEvent", "stack", "update", false));
    operations.take(event("resourcePreEvent", "network", "same"));
    now = 61;
    expect(overdue(operations)).toEqual(["web1"]);
  });

  it("is not overdue while something else is in hand that would be ended with it", () => {
    const operations = start("web1", "container");
    now = 61;
    expect(overdue(operations)).toEqual([]);
    operations.take(event("resOutputsEvent", "container"));
    expect(overdue(operations)).toEqual(["web1"]);
    operations.take(event("resourcePreEvent", "web2"));
    expect(overdue(operations)).toEqual([]);
  });

  it("is nothing, and not overdue, when nothing has begun", () => {
    const operations = start();
    now = 1_000;
    expect(overdue(operations)).toEqual([]);
  });

  it("moves with whatever event comes", () => {
    const operations = start("web1");
    now = 30;
    operations.take({ sequence: 2, diagnosticEvent: { message: "restarting containerd" } });
    expect(operations.lastEvent).toBe(30);
  });
});
