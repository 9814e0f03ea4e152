#!/usr/bin/env node
// The first step of every npm script, in plain Node: makes sure of the npm dependencies, then hands
// over to the TypeScript CLI in the same process.
"use strict";

const { spawn } = require("node:child_process");
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { acquireLock } = require("./lock-file.cjs");
const { leaveOutUnusableFolders } = require("./temporary-folder.cjs");

const checkout = path.dirname(__dirname);
const lockfile = path.join(checkout, "package-lock.json");
const modules = path.join(checkout, "node_modules");
// Written after a finished install only: an interrupted one leaves none, and is done again.
const stamp = path.join(modules, ".private-registry-installed");
/** npm ci takes this long on the slowest of lines. */
const WAIT_SECONDS = 1_800;

function say(line) {
  process.stderr.write(`${line}\n`);
}

/** A failure that is told by its message, without a stack trace. */
class Failure extends Error {}

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

/** Installs the dependencies, or waits for another run in this checkout that does. */
async function ensureDependencies() {
  if (installed() === wanted()) return;
  const own = path.join(checkout, ".private-registry");
  fs.mkdirSync(own, { recursive: true, mode: 0o700 });
  const release = await acquireLock(path.join(own, "npm-ci.lock"), {
    onWait: () => say("• npm dependencies: another run is installing them, waiting for it"),
    waitSeconds: WAIT_SECONDS,
  });
  try {
    if (installed() !== wanted()) await install();
  } finally {
    release();
  }
}

async function install() {
  requireOwnModules();
  const from = Date.now();
  say("▸ npm dependencies: npm ci (usually 10 to 60 s)");
  const got = await npmCi();
  if (got !== "exit code 0") {
    throw new Failure(
      `✗ npm dependencies: npm ci failed (${got}); its own words are above.\n` +
        "  Check that `npm ping` works with your registry settings, that the disk has space (df .),\n" +
        "  and that your user may write to this folder and to npm's cache (npm config get cache).\n" +
        "  Then run this again.",
    );
  }
  fs.writeFileSync(stamp, wanted());
  say(`✓ npm dependencies: installed in ${Math.round((Date.now() - from) / 1000)} s`);
}

/** Runs npm ci, and says how it ended. */
function npmCi() {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const child = spawn(npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: checkout,
    // npm's own output would mix with a command's: all of it goes to stderr.
    stdio: ["ignore", process.stderr, process.stderr],
    // NODE_ENV=production would leave out what runs the scripts.
    env: { ...process.env, NODE_ENV: "development", npm_config_omit: "" },
  });
  return new Promise((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("exit", (code, signal) => resolve(`exit code ${code ?? signal}`));
  });
}

/** After an npm script by sudo, npm ci of a plain user fails half-way and in many words. */
function requireOwnModules() {
  const user = process.getuid?.();
  if (user === undefined || user === 0 || !fs.existsSync(modules)) return;
  const paths = [modules, ...fs.readdirSync(modules).map((name) => path.join(modules, name))];
  const foreign = paths.find((file) => fs.lstatSync(file).uid !== user);
  if (foreign === undefined) return;
  throw new Failure(
    `✗ npm dependencies: ${foreign} belongs to another user, so they cannot be installed.\n` +
      "  Was an npm script run with sudo? Then give the checkout back to your user:\n" +
      `  sudo chown -R ${user} ${checkout}`,
  );
}

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new Failure(
    `✗ Node: this project needs version 20.19 or newer, got ${process.versions.node}.\n` +
      "  Install a current Node (https://nodejs.org), then run this again.",
  );
}

async function main() {
  requireNode();
  process.chdir(checkout);
  leaveOutUnusableFolders(process.env, say);
  await ensureDependencies();
  try {
    const { register } = await import("tsx/esm/api");
    register();
    await import("./cli.ts");
  } catch (error) {
    if (!isDamage(error)) throw error;
    fs.rmSync(stamp, { force: true });
    throw new Failure(
      `✗ npm dependencies: what is installed is damaged (${error.message.split("\n", 1)[0]}).\n` +
        "  Run this again: they will be installed anew.",
    );
  }
}

/** Whether files of the dependencies are missing or cut off, as after a power cut. */
function isDamage(error) {
  // Node does not say in which file. Those of the project have passed through a compiler.
  if (error instanceof SyntaxError) return !/module '\.{1,2}\//.test(error.message);
  return /MODULE_NOT_FOUND|PACKAGE/.test(error.code) && /node_modules|package/.test(error.message);
}

/** Files can be missing, full or forbidden in any way; the system's own words name the file. */
function explain(error) {
  if (error instanceof Failure) return error.message;
  if (error.code === "ELOCKED") {
    return `✗ npm dependencies: ${error.message}.\n  End that run, or wait for it, and run this again.`;
  }
  if (error.path === lockfile) {
    return `✗ npm dependencies: ${error.message}.\n  Get it back: git checkout package-lock.json`;
  }
  if (error.syscall === undefined) return error.stack;
  return (
    `✗ npm dependencies: ${error.message}.\n` +
    `  Your user must be able to write to ${checkout}, on a disk that has space.`
  );
}

main().catch((error) => {
  say(explain(error));
  process.exit(1);
});
