import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { containers, docker } from "../support/engine";

const checkout = resolve(import.meta.dirname, "../..");
/** Temporary files of the demonstration under test, and of no other. */
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "private-registry-test-demo-"));
  return () => rm(folder, { recursive: true });
});

afterEach(async () => {
  expect(await readdir(folder)).toEqual([]);
});

/**
 * Runs `npm run demo`, and calls `then` when it has told a step that matches `when`.
 *
 * @returns The lines without their times, and what is left of the engine's objects that it had.
 */
async function demonstrate(when: RegExp, then: (pid: number) => void = () => undefined) {
  const running = execa(process.execPath, ["scripts/bootstrap.cjs", "demo"], {
    ...{ cwd: checkout, all: true, reject: false },
    env: { TMPDIR: folder, TSX_DISABLE_CACHE: "1" },
    // A process group of its own, as a shell gives it, which Ctrl-C ends.
    detached: true,
  });
  let told = "";
  let looked: Promise<string[]> | undefined;
  running.all.on("data", (text: Buffer) => {
    told += text.toString();
    if (looked !== undefined || !when.test(told)) return;
    looked = objects(/container with Docker and sshd, (\S+)/.exec(told)?.[1] ?? "");
    void looked.finally(() => then(running.pid ?? 0));
  });
  const { exitCode, all } = await running;
  const had = (await looked) ?? [];
  const left: string[] = [];
  for (const object of had) {
    if ((await execa("docker", ["inspect", object], { reject: false })).exitCode === 0) {
      left.push(object);
    }
  }
  return { exitCode, lines: all.replace(/ \([\d.]+ (min|s)[^)]*\)$/gm, "").split("\n"), had, left };
}

/** The containers, networks and volumes of the demonstration that runs now. */
async function objects(machine: string): Promise<string[]> {
  const [own = ""] = await readdir(folder);
  const [deployment = ""] = await readdir(join(folder, own));
  const stacks = join(folder, own, deployment, "state/.pulumi/stacks/private-registry");
  const [stack = ""] = (await readdir(stacks)).filter((name) => name.endsWith(".json"));
  const label = `private-registry=private-registry-${stack.replace(".json", "")}-registry`;
  const all = await containers(label);
  return [
    machine,
    ...(await docker("inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", machine))
      .split(" ")
      .filter((name) => name !== ""),
    ...all.map(({ Id }) => Id),
    ...all.flatMap(({ Mounts }) => Mounts.flatMap(({ Name }) => Name ?? [])),
    ...all
      .flatMap(({ NetworkSettings }) => Object.keys(NetworkSettings.Networks))
      .filter((name) => name !== "none"),
  ];
}

describe("npm run demo", () => {
  it("shows each step of a push and a pull by a client machine, and leaves nothing", async () => {
    const { exitCode, lines, had, left } = await demonstrate(/docker login/);
    const on = "✓ on the client machine:";
    const host = expect.stringMatching(/registry\.demo\.test:\d+/) as string;
    expect(lines.filter((line) => line.startsWith("✓ "))).toEqual([
      expect.stringMatching(/^✓ client machine: a container with Docker and sshd, \S+$/),
      "✓ pulumi up: a registry registry.demo.test, and the client over SSH",
      host,
      `${on} docker build, an image of four layers`,
      host,
      `${on} docker image rm, so that nothing of it is left there`,
      host,
      `${on} docker run: every byte is the one that was pushed`,
      `${on} docker push as bob, who may only pull: denied`,
      "✓ everything removed: containers, network, volumes, state",
    ]);
    expect(lines.join("\n")).toContain("npm run up");
    expect(exitCode).toBe(0);
    // The machine and its network, nginx, the registry, and their volumes.
    expect(had.length).toBeGreaterThan(6);
    expect(left).toEqual([]);
  });

  it("when interrupted shows no further step, and leaves nothing either", async () => {
    const { exitCode, lines, left } = await demonstrate(/✓ pulumi up/, (pid) =>
      process.kill(-pid, "SIGINT"),
    );
    expect(lines).toContain("• ending: what was made is removed first, which takes some seconds");
    expect(lines.at(-1)).toBe("✓ everything removed: containers, network, volumes, state");
    expect(lines.join("\n")).not.toContain("docker run:");
    expect(exitCode).toBe(130);
    expect(left).toEqual([]);
  });
});
