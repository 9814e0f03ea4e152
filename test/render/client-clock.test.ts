import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runFunctions } from "../support/client-functions";

// A registry whose clock differs from this machine's, as a client's clock cannot be set here.

const minute = 60_000;

interface Server {
  port: number;
  process: ChildProcess;
}

let folder: string;
let caPem: string;
const servers: Record<string, Server> = {};

const serve = `
const [, folder, name, shift] = process.argv;
const fs = require("fs");
const read = (file) => fs.readFileSync(folder + "/" + file);
const date = () => new Date(Date.now() + Number(shift)).toUTCString();
require("https").createServer({ cert: read(name + ".crt"), key: read("key.pem") }, (_, response) => {
  response.sendDate = false;
  response.writeHead(401, { Date: date() }).end();
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });
`;

const config = `[ca]
default_ca = d
[d]
database = index
rand_serial = yes
new_certs_dir = .
default_md = sha256
policy = p
x509_extensions = e
[p]
commonName = supplied
[e]
subjectAltName = IP:127.0.0.1
`;

/** A server whose clock is ahead by `shift`, with a certificate that is good from `from` to `to`. */
async function start(name: string, shift: number, from: number, to: number): Promise<void> {
  const time = (offset: number) =>
    new Date(Date.now() + offset).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: folder, stdio: "pipe", encoding: "utf8" });
  openssl("req", "-new", "-key", "key.pem", "-subj", `/CN=${name}`, "-out", "csr");
  writeFileSync(join(folder, "index"), "");
  openssl(
    ...["ca", "-batch", "-notext", "-config", "config", "-cert", "ca.crt", "-keyfile", "key.pem"],
    ...["-in", "csr", "-out", `${name}.crt`, "-startdate", time(from), "-enddate", time(to)],
  );
  const child = spawn(process.execPath, ["-e", serve, folder, name, String(shift)]);
  const port = await new Promise<number>((resolve) => {
    child.stdout.once("data", (line: Buffer) => resolve(Number(line.toString())));
  });
  servers[name] = { port, process: child };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "private-registry-test-"));
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key.pem");
  openssl("req", "-x509", "-key", "key.pem", "-subj", "/CN=ca", "-days", "2", "-out", "ca.crt");
  caPem = readFileSync(join(folder, "ca.crt"), "utf8");
  writeFileSync(join(folder, "config"), config);
  await start("behind", 90_000, minute, 60 * minute);
  await start("ahead", -200 * minute, -400 * minute, -100 * minute);
  await start("ended", 0, -400 * minute, -100 * minute);
});

afterAll(() => {
  for (const server of Object.values(servers)) server.process.kill();
  rmSync(folder, { recursive: true });
});

/** What the script advises when it asks that server. */
function advice(name: string, tool: string, lines = 'answers 127.0.0.1 || mend "$words"'): string {
  const httpsPort = servers[name]?.port ?? 0;
  const { stdout, stderr } = runFunctions(
    { name: "test", hosts: ["127.0.0.1"], httpsPort, caPem },
    `state='${folder}'; tool=${tool}; ca_file=$state/ca.crt
      find_user
      ${lines}`,
    { env: process.env },
  );
  return stdout + stderr;
}

const says = {
  behind:
    /^this machine's clock \(\d{4}-.* UTC\) is (89|90|91) seconds behind the registry's: set the/,
  ahead: /^this machine's clock \(.*\) is 3 hours ahead of the registry's: set the one/,
  ended: /^this machine's clock \(.*\) and the registry's agree, so the certificate has ended/,
};

describe.each(["curl", "wget", "openssl"])("the proof with %s", (tool) => {
  it.each(Object.entries(says))("names the clock: %s", (name, message) => {
    expect(advice(name, tool)).toMatch(message);
  });
});

describe("the words of a program in Go", () => {
  const words =
    'Get \\"https://x/v2/\\": tls: failed to verify certificate: x509: certificate has expired or ' +
    "is not yet valid: current time 2026-11-26T13:00:00Z is before 2026-11-26T13:01:30Z";

  it("tell the difference where no program can ask for the time", () => {
    expect(advice("behind", "", `mend_clock "${words}"`)).toContain(" is 90 seconds behind the");
    const after = words.replace("is before 2026-11-26T13:01:30Z", "is after 2026-11-24T13:00:00Z");
    expect(advice("behind", "", `mend_clock "${after}"`)).toContain(" is 2 days ahead of the");
  });

  it("say nothing of the difference in another form", () => {
    expect(advice("behind", "", 'mend_clock "x509: certificate has expired"')).toContain(
      "either this machine's clock is wrong (",
    );
  });
});
