/**
 * What the clients' script does to Docker's file of logins, in real shells, with a home of the test's
 * own and a stand-in for Docker that treats the file as Docker does.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { runFunctions } from "./client-functions";

export const registry = "hub.test:5443";
export const ours = "Y2k6c2VjcmV0"; // ci:secret
export const hers = "YWxpY2U6aGVycw=="; // alice:hers

const docker = `#!${process.execPath}
const fs = require("fs"), { execFileSync } = require("child_process");
const [, , , , user, , name] = process.argv;
const file = process.env.HOME + "/.docker/config.json";
const secret = fs.readFileSync(0, "utf8").trim();
if (secret === "wrong") { console.error("unauthorized: wrong password"); process.exit(1); }
let text = "{}";
try { text = fs.readFileSync(file, "utf8") || "{}"; } catch {}
const { auths = {}, credsStore, credHelpers, proxies, currentContext } = JSON.parse(text);
const helper = credHelpers?.[name] ?? credsStore;
if (helper) {
  const input = JSON.stringify({ ServerURL: name, Username: user, Secret: secret });
  execFileSync("docker-credential-" + helper, ["store"], { input });
}
const auth = Buffer.from(user + ":" + secret).toString("base64");
auths[name] = helper ? {} : { auth };
// What it does not know is gone, and the rest has Docker's form.
const sorted = Object.fromEntries(Object.entries(auths).sort());
fs.mkdirSync(process.env.HOME + "/.docker", { recursive: true });
const all = { auths: sorted, credsStore, credHelpers, proxies, currentContext };
fs.writeFileSync(file, JSON.stringify(all, null, "\\t"), { mode: 0o600 });
`;

const helper = `#!/bin/sh
case $1 in
  store) cat >"$HOME/kept" ;;
  get) cat >"$HOME/asked"; cat "$HOME/kept" 2>/dev/null || { echo no credentials; exit 1; } ;;
  erase) [ -e "$HOME/stubborn" ] || rm -f "$HOME/kept" ;;
esac
`;

/** A folder of the test's own, and in it the file of logins. */
export let folder: string;
export let file: string;

/** Gives each test of a file a home of its own, and a stand-in for Docker. */
export function useHome(): void {
  beforeEach(makeHome);
  afterEach(() => rmSync(folder, { recursive: true }));
}

function makeHome(): void {
  folder = mkdtempSync(join(tmpdir(), "private-registry-test-"));
  file = join(folder, "home/.docker/config.json");
  mkdirSync(join(folder, "home/.docker"), { recursive: true });
  mkdirSync(join(folder, "bin"));
  program("docker", docker);
  program("docker-credential-kept", helper);
}

export function program(name: string, text: string): void {
  writeFileSync(join(folder, "bin", name), text, { mode: 0o755 });
}

export interface Run {
  shell?: string;
  /** The installation whose script it is. */
  name?: string;
  login?: { user: string; password: string };
  hosts?: string[];
}

/** Runs lines of shell in place of the script's own commands. */
export function run(lines: string, options: Run = {}) {
  const { shell = "dash", name = "test", hosts = ["hub.test"] } = options;
  const { login = { user: "ci", password: "secret" } } = options;
  return runFunctions(
    { name, hosts, httpsPort: 5443, login },
    `states='${folder}/states' state='${folder}/states/${name}'
      home_of() { printf '%s' '${folder}/home'; }
      user=root uid=0 used=' docker'
      read_manifests
      ${lines}`,
    { shell, env: { PATH: `${folder}/bin:${process.env["PATH"] ?? ""}`, TMPDIR: folder } },
  );
}

export const applyLines = `command=apply
  undo_on_failure=no
  [ -f "$state/manifest" ] || undo_on_failure=yes
  mkdir -p "$state"
  trap on_exit EXIT
  want_logins
  forget_unwanted
  write_manifest
  proved=$hosts
  log_in`;

export function apply(options?: Run): void {
  expect(run(applyLines, options)).toMatchObject({ stderr: "", status: 0 });
}

export const removeLines = "command=remove; remove";

export function remove(options?: Run): void {
  expect(run(removeLines, options)).toEqual({ stdout: "removed\n", stderr: "", status: 0 });
  expect(existsSync(join(folder, "states", options?.name ?? "test"))).toBe(false);
}

/** As somebody else does. */
export function logIn(name: string, user: string, password: string): void {
  execFileSync(join(folder, "bin/docker"), ["login", "--username", user, "-", name], {
    input: password,
    env: { PATH: `${folder}/bin:${process.env["PATH"] ?? ""}`, HOME: join(folder, "home") },
  });
}

export const read = () => readFileSync(file, "utf8");
export const auths = () => (JSON.parse(read()) as { auths: Record<string, unknown> }).auths;

export function write(text: string): void {
  writeFileSync(file, text);
}
