import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const project = resolve(__dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "private-registry-package-"));
const dependencies = join(folder, "node_modules");

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: "pipe" });
}

beforeAll(() => {
  run("npm", "pack", project, "--pack-destination", folder);
  const [tarball = ""] = readdirSync(folder).filter((file) => file.endsWith(".tgz"));
  run("tar", "-xzf", tarball);
  mkdirSync(dependencies);
  renameSync(join(folder, "package"), join(dependencies, "private-registry"));
  for (const dependency of ["@pulumi", "@types", "bcryptjs", "tar-stream", "zod"]) {
    symlinkSync(join(project, "node_modules", dependency), join(dependencies, dependency));
  }
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true }));

describe("the package", () => {
  it("gives a program all components", () => {
    writeFileSync(join(folder, "list.js"), 'console.log(Object.keys(require("private-registry")))');
    const names = run("node", "list.js");
    for (const component of [
      ...["ClientTrust", "Credentials", "ManagedFiles", "PrivateRegistry", "RegistryServer"],
      ...["TlsIdentity", "readSettings"],
    ]) {
      expect(names).toContain(component);
    }
  });

  it("has the types that the README's program needs", () => {
    writeFileSync(
      join(folder, "index.ts"),
      `import { PrivateRegistry } from "private-registry";
const hub = new PrivateRegistry("hub", {
  domains: ["registry.example.com"],
  users: { ci: {}, web: { access: "pull" } },
  clients: { web1: { host: "10.0.0.11" } },
});
export const url = hub.registryUrl;
`,
    );
    const compiler = join(project, "node_modules/.bin/tsc");
    const options = ["--strict", "--noEmit", "--skipLibCheck", "--esModuleInterop"];
    const target = ["--module", "commonjs", "--target", "es2022"];
    expect(run(compiler, ...options, ...target, "index.ts")).toBe("");
  }, 60_000);
});
