/** Every command that the scripts advise can be run as it is printed. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { isMap } from "../../components/rules/schema";
import { checkout } from "../../scripts/paths";

const scripts = Object.keys(
  (JSON.parse(readFileSync(join(checkout, "package.json"), "utf8")) as { scripts: object }).scripts,
);

/** The texts in the scripts that people may see: literals of more than a word. */
const texts = ["scripts", "toolchain"].flatMap((folder) =>
  readdirSync(join(checkout, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .flatMap((name) => literals(join(checkout, folder, name))),
);

/** Where a literal is, and its text; what is filled in is `…`. */
type Text = [place: string, text: string];

function literals(file: string): Text[] {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest);
  const found: Text[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) return;
    const text = ts.isStringLiteralLike(node)
      ? node.text
      : ts.isTemplateExpression(node)
        ? [node.head, ...node.templateSpans.map(({ literal }) => literal)]
            .map(({ text }) => text)
            .join("…")
        : undefined;
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    if (text?.includes(" ")) found.push([`${file}:${line + 1}`, text]);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const matching = (pattern: RegExp) => texts.filter(([, text]) => pattern.test(text));

describe("the scripts' advice", () => {
  it("is found", () => {
    expect(matching(/npm run pulumi -- /).length).toBeGreaterThan(5);
  });

  it("calls Pulumi as the project does: there may be no pulumi on PATH", () => {
    const bare =
      /(?<!run |run -s |… )\bpulumi (?!-- )(config|stack|up|cancel|refresh|state|login)\b(?!:| failed)/;
    expect(matching(bare)).toEqual([]);
  });

  it("names scripts that there are", () => {
    const names = texts.flatMap(([, text]) =>
      [...text.matchAll(/npm run (?:-s )?(\w+(?::\w+)?)/g)].map(([, name]) => name),
    );
    expect(names.filter((name) => !scripts.includes(name ?? ""))).toEqual([]);
  });

  it("sets settings that there are", () => {
    const project = parse(readFileSync(join(checkout, "Pulumi.yaml"), "utf8")) as object;
    const declared =
      isMap(project) && isMap(project["config"]) ? Object.keys(project["config"]) : [];
    const known = [...declared, "domains", "dockerHost", "dataPath", "registryAddress"];
    const keys = texts.flatMap(([, text]) =>
      [...text.matchAll(/config (?:set|rm) (?:--path |--secret )*'?(\w+)/g)].map(([, key]) => key),
    );
    expect(keys.length).toBeGreaterThan(3);
    expect(keys.filter((key) => !known.includes(key ?? "") && key !== "KEY")).toEqual([]);
  });
});
