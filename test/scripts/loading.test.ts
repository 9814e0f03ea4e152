/**
 * vitest loads modules in its own way. The commands load theirs by Node with tsx, which finds less:
 * a module of components/ that loads others is not found from an ECMAScript module.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { checkout } from "../../scripts/paths";

const commands = readdirSync(join(checkout, "scripts/commands")).map((name) => `commands/${name}`);
/** What commands load only when they run. */
const later = ["demo/show.ts", "../bench/index.ts", "../test/support/machine-image.ts"];

test("Node loads the commands, and what they load", async () => {
  const modules = [...commands, ...later].map((name) => join(checkout, "scripts", name));
  const program = `
    const { register } = await import("tsx/esm/api");
    register();
    for (const module of ${JSON.stringify(modules)}) await import(module);`;
  const { all } = await execa(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: checkout,
    all: true,
    reject: false,
  });
  expect(all).toBe("");
}, 30_000);
