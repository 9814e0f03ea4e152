import { describe, expect, it } from "vitest";
import { renderClientScript } from "../../components/render/client-script";

// All functions of the clients' script share one set of variables, as POSIX has no local ones. So
// none may set one that its caller still needs.

const script = renderClientScript({
  name: "test",
  hosts: ["hub.test"],
  httpsPort: 443,
  caPem: "x",
  login: { user: "ci", password: "secret" },
});

/** Lines of shell without what cannot change a variable here: comments, and subshells. */
function plain(body: string): string {
  let text = body.replaceAll(/(^|\s)#.*$/gm, "").replaceAll(/'[^']*'/g, "''");
  for (let before = ""; before !== text;) {
    before = text;
    text = text.replaceAll(/\$\([^()]*\)/g, "$").replaceAll(/! \(\w+\)/g, "");
  }
  return text;
}

function functionsOf(text: string): Map<string, string> {
  const found = text.matchAll(/^(\w+)\(\) \{\n(.*?)^\}/gms);
  return new Map([...found].map(([, name = "", body = ""]) => [name, plain(body)]));
}

const assignment = /(?<![-\w"'$/] ?)\b([a-z]\w*)=/g;
const loop = /\bfor ([a-z]\w*) in /g;
const call = /(?:^|[;&|!(){]|\b(?:if|then|do|else|elif|while|until)\b)\s*([a-z]\w*)\b(?!=)/g;

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = ""]) => name);
}

function assigned(text: string): string[] {
  return [...matches(text, assignment), ...matches(text, loop)];
}

/** What each function may assign, by itself or by what it calls. */
function effectsIn(functions: Map<string, string>): Map<string, Set<string>> {
  const effects = new Map([...functions].map(([name, body]) => [name, new Set(assigned(body))]));
  for (let before = -1, size = 0; before !== size;) {
    before = size;
    for (const [name, body] of functions) {
      for (const callee of body.split("\n").flatMap((line) => matches(line, call))) {
        for (const variable of effects.get(callee) ?? []) effects.get(name)?.add(variable);
      }
    }
    size = [...effects.values()].reduce((sum, each) => sum + each.size, 0);
  }
  return effects;
}

/** "FUNCTION: CALL changes VARIABLE" wherever the function has set it and reads it after the call. */
function losses(text: string): string[] {
  const functions = functionsOf(text);
  const effects = effectsIn(functions);
  const found = new Set<string>();
  for (const [name, body] of functions) {
    const lines = body.split("\n");
    lines.forEach((line, index) => {
      for (const callee of matches(line, call)) {
        const ownBefore = assigned(lines.slice(0, index).join("\n"));
        const rest = [line.slice(line.indexOf(callee)), ...lines.slice(index + 1)];
        for (const variable of ownBefore.filter((each) => effects.get(callee)?.has(each))) {
          const read = rest.findIndex((each, at) =>
            // An argument is read before the call.
            new RegExp(`\\$\\{?${variable}\\b`).test(
              at > 0 ? each : each.replace(/^.*?(\|\||&&|;|$)/, ""),
            ),
          );
          const set = rest.findIndex((each, at) => at > 0 && assigned(each).includes(variable));
          if (read >= 0 && (set < 0 || read <= set) && !results.has(variable)) {
            found.add(`${name}: ${callee} changes ${variable}`);
          }
        }
      }
    });
  }
  return [...found];
}

/** By which functions return something to callers that give them a default. */
const results = new Set([
  "absent",
  "block_changed",
  "content",
  "handed",
  "has_pulled",
  "hosts_folder",
  "new",
  "no_names",
  "now",
  "pulls_failed",
  "used",
]);

describe("the clients' script", () => {
  it("has no function that changes a variable which its caller goes on to read", () => {
    expect(losses(script)).toEqual([]);
  });

  it("would be caught at it", () => {
    const text = `outer() {
  for line in $lines; do
    inner "$line" || left="$left$line"
  done
}

inner() {
  further
}

further() {
  line="docker logout"
}
`;
    expect(losses(text)).toEqual(["outer: inner changes line"]);
  });
});
