import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { makeDebianRoot } from "../../toolchain/debian";

let folder: string;
let into: string;
let calls: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "debian-root-test-"));
  [into, calls] = [join(folder, "root"), join(folder, "calls")];
  mkdirSync(join(folder, "programs"));
  const path = process.env["PATH"];
  process.env["PATH"] = `${join(folder, "programs")}:${path}`;
  program("apt-get", 'echo "Debian|Debian|http://mirror.example/debian/"');
  program("apt-config", ":");
  program("dpkg-query", 'echo "debian-archive-keyring installed"');
  return () => {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true });
  };
});

function program(name: string, lines: string) {
  writeFileSync(join(folder, "programs", name), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
}

/** mmdebstrap that has the packages in one suite, and makes half of a root in the others. */
function mmdebstrapHas(suite: string, complaint: string) {
  program(
    "mmdebstrap",
    `echo "$*" >>'${calls}'
[ ! -e '${into}' ] || { echo "E: ${into} is not empty"; exit 25; }
mkdir '${into}'
case " $* " in *' ${suite} '*) ;; *) echo '${complaint}'; exit 25 ;; esac`,
  );
}

const make = () =>
  makeDebianRoot({
    variant: "extract",
    format: "directory",
    include: ["nginx=1.30*"],
    into,
    log: join(folder, "log"),
  });

describe("a filesystem of Debian packages", () => {
  test("comes from the next suite if one has not got them, whatever that has left", async () => {
    mmdebstrapHas("testing", "E: Unable to locate package nginx");
    await make();
    expect(existsSync(into)).toBe(true);
    expect(readFileSync(calls, "utf8").trim().split("\n")).toHaveLength(2);
  });

  test("is made of package lists that are as old as the machine's own apt allows", async () => {
    mmdebstrapHas("sid", "");
    await make();
    expect(readFileSync(calls, "utf8")).not.toContain("Check-Valid-Until");
    rmSync(into, { recursive: true });
    program("apt-config", `echo 'Acquire::Check-Valid-Until "false";'`);
    await make();
    expect(readFileSync(calls, "utf8")).toContain(
      '--aptopt=Acquire::Check-Valid-Until "false"; sid',
    );
  });

  test("that cannot be made of lists so old says so, and how to accept them", async () => {
    mmdebstrapHas("none", "E: Release file for x/InRelease is expired (invalid since 20d).");
    const failure = await make().catch((error: unknown) => error);
    expect(failure).toHaveProperty("message", expect.stringContaining("none of sid, testing"));
    const { mend } = failure as { mend: string[] };
    expect(mend.join("\n")).toContain("is expired");
    expect(mend.at(-1)).toContain(`echo 'Acquire::Check-Valid-Until "false";' | sudo tee`);
    expect(existsSync(into)).toBe(false);
  });
});
