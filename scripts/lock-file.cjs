// A lock between runs, in plain Node: the first step of every npm script needs one before any
// dependency is installed.
"use strict";

const { randomUUID } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");

/** A lock whose time nobody changes for this long belongs to a run that has died. */
const SILENT_SECONDS = 20;
/** How often the one who holds a lock changes its time in that time. */
const BEATS = 7;
const RETRY_MS = 250;

/**
 * Waits for a lock and takes it. Who holds it is told by a time that goes on changing: a process id
 * may be somebody else's by now, and a clock may have been set back.
 *
 * @param {string} file The lock itself; whatever else lies there is taken for a lock.
 * @param {{ onWait: () => void, waitSeconds: number, silentSeconds?: number }} options `onWait` is called once when another
 *   run has the lock; after `waitSeconds` an error with the code ELOCKED is thrown.
 * @returns {Promise<() => void>} Gives the lock back.
 */
async function acquireLock(file, { onWait, waitSeconds, silentSeconds = SILENT_SECONDS }) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const own = JSON.stringify({ id: randomUUID(), pid: process.pid, space: processSpace() });
  const from = performance.now();
  let seen = "";
  let since = from;
  while (!create(file, own)) {
    const now = performance.now();
    const holder = look(file);
    if (holder === undefined) continue; // just given back
    if (holder !== seen) [seen, since] = [holder, now];
    if (isDead(file) || now - since > silentSeconds * 1_000) {
      removeIfStill(file, holder);
      continue;
    }
    if (now - from > waitSeconds * 1_000) throw waitedTooLong(file, waitSeconds);
    if (now - from > RETRY_MS) onWait = void onWait?.();
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  const beat = setInterval(() => touch(file, own), (silentSeconds * 1_000) / BEATS);
  beat.unref();
  const release = () => {
    clearInterval(beat);
    process.off("exit", release);
    if (read(file) === own) fs.rmSync(file, { force: true });
  };
  process.on("exit", release);
  return release;
}

function create(file, text) {
  try {
    fs.writeFileSync(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    // A full disk leaves an empty file.
    if (error.code === "ENOSPC") fs.rmSync(file, { force: true });
    throw error;
  }
}

/** Changes whenever the lock is taken or kept; undefined if there is none. */
function look(file) {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  return stat && `${stat.ino} ${stat.mtimeMs}`;
}

function touch(file, own) {
  const now = new Date();
  try {
    if (read(file) === own) fs.utimesSync(file, now, now);
  } catch {
    // Whoever takes it for dead finds finished work, or does it again.
  }
}

function read(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined; // a folder, or gone
  }
}

/** Whether a process of this machine and container wrote the lock and has ended: no need to wait. */
function isDead(file) {
  try {
    const { pid, space } = JSON.parse(read(file));
    if (space === "" || space !== processSpace() || !Number.isInteger(pid) || pid <= 0)
      return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

/** Moved away first: of several runs that find a dead lock, one removes it, and no new one goes. */
function removeIfStill(file, holder) {
  const aside = `${file}.${randomUUID()}`;
  try {
    if (look(file) === holder) fs.renameSync(file, aside);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  fs.rmSync(aside, { recursive: true, force: true });
}

/** Where a process id means the same process; empty if that cannot be told. */
function processSpace() {
  try {
    const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${fs.readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return "";
  }
}

function waitedTooLong(file, seconds) {
  const error = new Error(`another run has held ${file} for ${Math.round(seconds / 60)} min`);
  return Object.assign(error, { code: "ELOCKED" });
}

module.exports = { acquireLock };
