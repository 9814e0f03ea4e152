import { describe, expect, it } from "vitest";
import { adviceOn, clientsOf, failuresOf } from "../../scripts/pulumi/clients";

const stack = "urn:pulumi:dev::private-registry::";
const registry = `${stack}private-registry:index:PrivateRegistry::registry`;
const trust = (name: string) => `${stack}private-registry:index:ClientTrust::registry-${name}`;
const command = (name: string) => `${stack}command:remote:Command::registry-${name}-trust`;

const exported = JSON.stringify({
  deployment: {
    resources: [
      { urn: registry, type: "private-registry:index:PrivateRegistry" },
      ...["web1", "a-web1"].flatMap((name) => [
        { urn: trust(name), type: "private-registry:index:ClientTrust", parent: registry },
        { urn: command(name), type: "command:remote:Command", parent: trust(name) },
      ]),
    ],
  },
});

describe("the clients of a stack", () => {
  it("are called as in the settings", () => {
    expect(clientsOf(exported)).toEqual([
      { name: "web1", urn: trust("web1"), children: [command("web1")] },
      { name: "a-web1", urn: trust("a-web1"), children: [command("a-web1")] },
    ]);
  });

  it("are none where nothing is deployed", () => {
    expect(clientsOf('{"deployment":{}}')).toEqual([]);
  });
});

describe("a failed client", () => {
  const events = (operation: string) =>
    [
      { resourcePreEvent: { metadata: { urn: command("a-web1"), op: operation } } },
      { resOpFailedEvent: { metadata: { urn: command("web1"), op: operation } } },
    ]
      .map((event) => `${JSON.stringify(event)}\n`)
      .join("");
  const advice = (operation: string) =>
    adviceOn(failuresOf(events(operation)), clientsOf(exported)).join("\n");

  it("that cannot be cleaned is named, with the command that forgets it", () => {
    expect(advice("delete")).toContain("client web1 is not cleaned");
    expect(advice("delete-replaced")).toContain("npm run forget -- web1");
    expect(advice("delete")).not.toContain("a-web1");
  });

  it("that cannot be set up is named, with the command that leaves it out", () => {
    expect(advice("create")).toContain("client web1 is not set up");
    expect(advice("update")).toContain("config rm --path clients.web1");
  });

  it("is not told of when something else fails", () => {
    expect(adviceOn([{ urn: registry, operation: "create" }], clientsOf(exported))).toEqual([]);
  });
});
