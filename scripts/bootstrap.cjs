#!/usr/bin/env node
// The first step of every npm script, in plain Node: makes sure of the npm dependencies, then hands
// over to the TypeScript CLI in the same process.
"use strict";

const { spawnSync } = require("node:child_process");
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { leaveOutUnusableFolders } = require("./temporary-folder.cjs");

const checkout = path.dirname(__dirname);
const lockfile = path.join(checkout, "package-lock.json");
// Written after a finished install only: an interrupted one leaves none, and is done again.
const stamp = path.join(checkout, "node_modules", ".private-registry-installed");

function say(line) {
  process.stderr.write(`${line}\n`);
}

/** What the installed dependencies must match: the lockfile, and the Node that ran install scripts. */
function wanted() {
  const hash = createHash("sha256").update(fs.readFileSync(lockfile));
  return hash.update(process.versions.modules).digest("hex");
}

function installed() {
  try {
    return fs.readFileSync(stamp, "utf8");
  } catch {
    return "";
  }
}

/** Waits for another run in this checkout that is installing right now. */
function withInstallLock(work) {
  const own = path.join(checkout, ".private-registry");
  fs.mkdirSync(own, { recursive: true, mode: 0o700 });
  const lock = path.join(own, "npm-ci.lock");
  const tick = new Int32Array(new SharedArrayBuffer(4));
  let waited = false;
  for (;;) {
    try {
      fs.writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (isStale(lock)) fs.rmSync(lock, { force: true });
      else {
        if (!waited) say("• npm dependencies: another run is installing them, waiting for it");
        waited = true;
        Atomics.wait(tick, 0, 0, 500);
      }
    }
  }
  try {
    work();
  } finally {
    fs.rmSync(lock, { force: true });
  }
}

/** A lock is stale when the process that wrote it is gone. */
function isStale(lock) {
  let pid;
  try {
    pid = Number(fs.readFileSync(lock, "utf8"));
  } catch {
    return false; // just removed: the next try takes it
  }
  if (!Number.isInteger(pid) || pid <= 0) {
    return Date.now() - fs.statSync(lock, { throwIfNoEntry: false })?.mtimeMs > 5_000;
  }
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

function install() {
  if (installed() === wanted()) return;
  const from = Date.now();
  say("▸ npm dependencies: npm ci (usually 10 to 60 s)");
  // npm's own output would mix with a command's: all of it goes to stderr.
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const result = spawnSync(npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: checkout,
    stdio: ["ignore", process.stderr, process.stderr],
    // NODE_ENV=production would leave out what runs the scripts.
    env: { ...process.env, NODE_ENV: "development", npm_config_omit: "" },
  });
  if (result.error || result.status !== 0) {
    const got = result.error?.message ?? `exit code ${result.status ?? result.signal}`;
    say(`✗ npm dependencies: npm ci failed (${got}); its own words are above.`);
    say("  Check that `npm ping` works with your registry settings, then run this again.");
    process.exit(1);
  }
  fs.writeFileSync(stamp, wanted());
  say(`✓ npm dependencies: installed in ${Math.round((Date.now() - from) / 1000)} s`);
}

async function main() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    say(`✗ Node: this project needs version 20.19 or newer, got ${process.versions.node}.`);
    say("  Install a current Node (https://nodejs.org), then run this again.");
    process.exit(1);
  }
  process.chdir(checkout);
  leaveOutUnusableFolders(process.env, say);
  if (installed() !== wanted()) withInstallLock(install);
  const { register } = await import("tsx/esm/api");
  register();
  await import("./cli.ts");
}

void main();
