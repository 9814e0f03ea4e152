import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { acquireLock } from "../../scripts/lock-file.cjs";
import { withLock } from "../../scripts/locks";
import { checkout } from "../../scripts/paths";

const brief = { onWait: () => undefined, silentSeconds: 1 };
const nothing = () => undefined;
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "locks-test-"));
  file = join(folder, "thing");
});
afterEach(() => rmSync(folder, { recursive: true }));

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const lockIsTaken = async () => withLock(file, nothing, () => Promise.resolve(true));

describe("a lock", () => {
  test("lets one run at a time do its work, and is gone afterwards", async () => {
    let [running, most, waited] = [0, 0, 0];
    const work = () =>
      withLock(
        file,
        () => (waited += 1),
        async () => {
          most = Math.max(most, (running += 1));
          await sleep(300);
          running -= 1;
        },
      );
    await Promise.all([work(), work(), work()]);
    expect(most).toBe(1);
    expect(waited).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("is given back when the work fails", async () => {
    const failing = withLock(file, nothing, () => Promise.reject(new Error("broken")));
    await expect(failing).rejects.toThrow("broken");
    expect(await lockIsTaken()).toBe(true);
  });

  test("of a process that was killed is taken at once", async () => {
    const script = `require("./scripts/lock-file.cjs")
      .acquireLock(${JSON.stringify(`${file}.lock`)}, { onWait() {}, waitSeconds: 1 })
      .then(() => { console.log("held"); setInterval(() => {}, 1000); })`;
    const holder = spawn(process.execPath, ["-e", script], { cwd: checkout });
    await once(holder.stdout, "data");
    holder.kill("SIGKILL");
    await once(holder, "exit");
    const from = Date.now();
    expect(await lockIsTaken()).toBe(true);
    expect(Date.now() - from).toBeLessThan(2_000);
  });

  /** As another run with our process id has left it, in this container or in another. */
  const ofOurPid = (container: string) => {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return JSON.stringify({ id: "x", pid: process.pid, space: `${boot} ${container}` });
  };
  const container = readlinkSync("/proc/self/ns/pid");
  const leftovers: [string, (lock: string) => void][] = [
    ["an empty file, as after a power cut", (lock) => writeFileSync(lock, "")],
    ["garbage", (lock) => writeFileSync(lock, "\0\0\0")],
    ["of our own process id", (lock) => writeFileSync(lock, ofOurPid(container))],
    ["of a process in another container", (lock) => writeFileSync(lock, ofOurPid("pid:[1]"))],
    [
      "a time to come",
      (lock) => {
        writeFileSync(lock, "");
        utimesSync(lock, new Date("2040-01-01"), new Date("2040-01-01"));
      },
    ],
    [
      "a folder with files in it",
      (lock) => {
        mkdirSync(lock);
        writeFileSync(join(lock, "file"), "");
      },
    ],
  ];
  test.each(leftovers)("that is %s is taken when nobody has kept it for long", async (_, leave) => {
    leave(file);
    let waits = 0;
    const onWait = () => (waits += 1);
    const release = await acquireLock(file, { ...brief, onWait, waitSeconds: 10 });
    release();
    expect(waits).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("that a run keeps is not taken, and the wait for it has an end", async () => {
    const release = await acquireLock(`${file}.lock`, { ...brief, waitSeconds: 1 });
    const from = Date.now();
    const second = acquireLock(`${file}.lock`, { ...brief, waitSeconds: 3 });
    await expect(second).rejects.toMatchObject({ code: "ELOCKED" });
    expect(Date.now() - from).toBeGreaterThan(2_900);
    release();
    expect(await lockIsTaken()).toBe(true);
  });

  test("that cannot be made is told in a sentence", async () => {
    writeFileSync(join(folder, "no-folder"), "");
    const impossible = withLock(join(folder, "no-folder", "thing"), nothing, () =>
      Promise.resolve(),
    );
    await expect(impossible).rejects.toMatchObject({ name: "Problem" });
  });
});
