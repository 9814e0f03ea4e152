import { buffer } from "node:stream/consumers";
import * as pulumi from "@pulumi/pulumi";
import * as tar from "tar-stream";
import { describe, expect, it } from "vitest";
import { ManagedFiles, type ManagedFilesArgs } from "../components/managed-files";
import { record, type Registered, resolved, secretInput } from "./support/mocks";

async function publish(args: Partial<ManagedFilesArgs>) {
  const made: ManagedFiles[] = [];
  const resources = await record(() => {
    made.push(
      new ManagedFiles("f", {
        installation: { name: "project-stack-hub", id: "0123" },
        files: {},
        image: "nginx",
        ...args,
      }),
    );
  });
  const [files] = made;
  const command = resources.find(({ name }) => name === "f-publish")?.inputs;
  if (!files || !command) throw new Error("the program published nothing");
  return { files, command };
}

type Inputs = Registered["inputs"];

async function unpacked(inputs: Inputs) {
  const entries: unknown[] = [];
  const extract = tar.extract();
  extract.end(Buffer.from(plain(inputs.stdin), "base64"));
  for await (const entry of extract) {
    const { name, mode, uid, gid, mtime } = entry.header;
    entries.push({ name, mode, uid, gid, mtime, content: (await buffer(entry)).toString() });
  }
  return entries;
}

/** The value of a secret input, which the mocks show in its wrapping. */
function plain(input: unknown): string {
  return (input as { value: string }).value;
}

describe("ManagedFiles", () => {
  it("sends the files through standard input, readable by their owner only", async () => {
    const { command } = await publish({ files: { b: "second", a: "first" } });
    const file = { mode: 0o400, uid: 10001, gid: 10001, mtime: new Date(0) };
    expect(await unpacked(command)).toEqual([
      { ...file, name: "a", content: "first" },
      { ...file, name: "b", content: "second" },
    ]);
  });

  it("marks what it sends as secret", async () => {
    const { command } = await publish({ files: { a: "first" } });
    expect(command.stdin).toEqual(secretInput(plain(command.stdin)));
  });

  it("says in the environment where, with what and under what check", async () => {
    const { command, files } = await publish({ check: "nginx -t" });
    expect(command.environment).toMatchObject({
      VOLUME: "f-files",
      IMAGE: "nginx",
      INSTALLATION: "project-stack-hub",
      CHECK: "nginx -t",
      GENERATION: (await resolved(files.generation)).value,
    });
  });

  it("names a generation after its contents", async () => {
    const generation = async (files: Record<string, string>) =>
      (await resolved((await publish({ files })).files.generation)).value;
    const first = await generation({ a: "1", b: "2" });
    expect(first).toMatch(/^[0-9a-f]{16}$/);
    expect(await generation({ b: "2", a: "1" })).toBe(first);
    expect(await generation({ a: "1", b: "3" })).not.toBe(first);
    expect(await generation({ a: "1", c: "2" })).not.toBe(first);
    expect(await generation({ a: "1b2" })).not.toBe(first);
  });

  it("does not make the generation secret, though the files are", async () => {
    const { files } = await publish({ files: { a: pulumi.secret("first") } });
    expect((await resolved(files.generation)).secret).toBe(false);
  });
});
