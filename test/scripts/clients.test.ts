import { describe, expect, it } from "vitest";
import { clientCommandsOf, withChanged } from "../../scripts/pulumi/client-checks";
import {
  adviceOn,
  argumentsForOthers,
  type Client,
  clientsOf,
  failuresOf,
  withoutClient,
} from "../../scripts/pulumi/clients";

const stack = "urn:pulumi:dev::private-registry::";
const registry = `${stack}private-registry:index:PrivateRegistry::registry`;
const type = "private-registry:index:PrivateRegistry$private-registry:index:ClientTrust";
const trust = (name: string) => `${stack}${type}::registry-${name}`;
const command = (name: string) => `${stack}${type}$command:remote:Command::registry-${name}-trust`;

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

/** As Pulumi shows a secret. */
function secret(value: unknown) {
  const plaintext = JSON.stringify(value);
  return { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", plaintext };
}

/** A stack of two clients; the machine that one was before is still to be cleaned. */
const moved = JSON.stringify({
  version: 3,
  deployment: {
    resources: [
      { urn: registry, type: "private-registry:index:PrivateRegistry", id: "kept" },
      { urn: trust("web1"), type: "private-registry:index:ClientTrust", parent: registry },
      { urn: trust("here"), type: "private-registry:index:ClientTrust", parent: registry },
      ...[false, true].map((isOld) => ({
        urn: command("web1"),
        type: "command:remote:Command",
        parent: trust("web1"),
        ...(isOld && { delete: true }),
        inputs: {
          create: "sh -s -- apply",
          stdin: secret("the script"),
          connection: secret({ host: isOld ? "old" : "new", privateKey: secret("the key") }),
        },
        outputs: { create: "sh -s -- apply", stdout: "done" },
      })),
      {
        urn: command("here").replace("remote", "local"),
        type: "command:local:Command",
        parent: trust("here"),
        inputs: { stdin: "the script" },
      },
    ],
    other: "kept",
  },
});

const [web1] = clientsOf(moved) as [Client];

describe("the commands of clients", () => {
  it("are found with their secrets, but for those that are to be deleted", () => {
    expect(clientCommandsOf(moved)).toEqual([
      expect.objectContaining({ name: "here", inputs: { stdin: "the script" } }),
      expect.objectContaining({
        name: "web1",
        inputs: { stdin: "the script", connection: { host: "new", privateKey: "the key" } },
      }),
    ]);
  });

  it("are to be run again where a machine has changed, and nothing else is", () => {
    const check = { name: "web1", urn: command("web1"), changed: ["/etc/hosts", "a login"] };
    const before = JSON.parse(moved) as { deployment: { resources: Record<string, object>[] } };
    const recorded = before.deployment.resources[3];
    Object.assign(recorded?.["inputs"] ?? {}, { create: "changed since: /etc/hosts, a login" });
    Object.assign(recorded?.["outputs"] ?? {}, { create: "changed since: /etc/hosts, a login" });
    expect(JSON.parse(withChanged(moved, [check]))).toEqual(before);
  });
});

describe("a client that is forgotten", () => {
  const urns = (state: string) =>
    (
      JSON.parse(state) as { deployment: { resources: { urn: string; delete?: boolean }[] } }
    ).deployment.resources.map(({ urn, delete: isOld = false }) => (isOld ? `${urn} old` : urn));

  it("is only the machine that it was before, if there is one", () => {
    const { state, isReplaced } = withoutClient(moved, web1);
    expect(isReplaced).toBe(true);
    expect(urns(state)).toEqual(urns(moved).filter((urn) => !urn.endsWith(" old")));
    expect(JSON.parse(state)).toMatchObject({ version: 3, deployment: { other: "kept" } });
  });

  it("is gone with all that is its own, else", () => {
    const { state, isReplaced } = withoutClient(withoutClient(moved, web1).state, web1);
    expect(isReplaced).toBe(false);
    expect(urns(state)).toEqual(urns(moved).filter((urn) => !urn.includes("web1")));
  });
});

/** The lines of Pulumi's event log about operations on the clients' commands. */
function events(operation: string, ...names: string[]): string {
  const event = (name: string) => {
    const state = { parent: trust(name) };
    const isDelete = operation.startsWith("delete");
    return {
      urn: command(name),
      op: operation,
      old: isDelete ? state : null,
      new: isDelete ? null : state,
    };
  };
  return [
    { resourcePreEvent: { metadata: event("a-web1") } },
    ...names.map((name) => ({ resOpFailedEvent: { metadata: event(name) } })),
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join("");
}

const serverFailure = { urn: `${stack}docker:index:Container::c`, parent: registry };

describe("a failed client", () => {
  const advice = (operation: string, state = exported) =>
    adviceOn(failuresOf(events(operation, "web1")), clientsOf(state)).join("\n");

  it("that cannot be cleaned is named, with the command that forgets it", () => {
    expect(advice("delete")).toContain("client web1 is not cleaned");
    expect(advice("delete-replaced")).toContain("npm run forget -- web1");
    expect(advice("delete")).not.toContain("a-web1");
  });

  it("that cannot be set up is named, with the command that leaves it out", () => {
    expect(advice("create")).toContain("client web1 is not set up");
    expect(advice("update")).toContain("config rm --path clients.web1");
  });

  it("is named too when it was never set up, so that the state lacks its command", () => {
    const { deployment } = JSON.parse(exported) as { deployment: { resources: object[] } };
    const resources = deployment.resources.filter(
      (resource) => !Object.values(resource).includes(command("web1")),
    );
    expect(resources).toHaveLength(deployment.resources.length - 1);
    const state = JSON.stringify({ deployment: { resources } });
    expect(advice("create", state)).toContain("client web1 is not set up");
  });

  it("is not told of when something else fails", () => {
    expect(adviceOn([{ ...serverFailure, operation: "create" }], clientsOf(exported))).toEqual([]);
  });
});

describe("the others", () => {
  const failures = failuresOf(events("create", "web1", "a-web1"));

  it("are done whatever fails next, with nothing excluded, which breaks the state", () => {
    expect(argumentsForOthers(["--yes", "--refresh"], failures)).toEqual([
      "--yes",
      "--refresh",
      "--yes",
      "--skip-preview",
      "--continue-on-error",
    ]);
  });

  it("are left alone when the registry itself failed, or nothing did", () => {
    const more = [...failures, { ...serverFailure, operation: "create" }];
    expect(argumentsForOthers([], more)).toBeUndefined();
    expect(argumentsForOthers([], [])).toBeUndefined();
  });

  it.each(["--target=urn", "-t", "--continue-on-error", "--preview-only"])(
    "are left alone with %s, which chooses what is done",
    (argument) => expect(argumentsForOthers([argument], failures)).toBeUndefined(),
  );
});
