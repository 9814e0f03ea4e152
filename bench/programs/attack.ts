/**
 * One side of an attack on a registry, as a process of its own: `attack.ts '<JSON of Side>'`. Prints
 * the JSON of Seen. It sends to 127.0.0.1 only, from addresses in 127.0.0.0/8.
 */
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { connect, type TLSSocket } from "node:tls";

/** What this process does, for how long. */
export interface Side {
  /**
   * `paced` are eight clients that are logged in and ask ten times a second each; `wrong` and `none`
   * ask with wrong passwords and without any; `half` keeps connections with half a request open;
   * `known` and `unknown` try passwords of a user and of nobody, one after the other, each from
   * another address.
   */
  kind: "paced" | "wrong" | "none" | "half" | "known" | "unknown";
  port: number;
  caFile: string;
  path: string;
  authorization: string;
  seconds: number;
  /** Requests a second; of `half`, connections at a time; of `known` and `unknown`, guesses. */
  rate: number;
  /** How many addresses it comes from; `half` from one. */
  addresses: number;
}

export interface Seen {
  p50Milliseconds: number;
  p99Milliseconds: number;
  /** How often each status was answered, and `lost`. */
  statuses: Record<string, number>;
}

const side = JSON.parse(process.argv[2] ?? "") as Side;
const ca = readFileSync(side.caFile);
const milliseconds: number[] = [];
const statuses: Record<string, number> = {};
const end = performance.now() + side.seconds * 1_000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

function ask(agent: Agent, localAddress: string, authorization: string): Promise<void> {
  const began = performance.now();
  const { port, path } = side;
  const headers = authorization === "" ? {} : { Authorization: authorization };
  return new Promise((resolve) => {
    const done = (status: string) => {
      statuses[status] = (statuses[status] ?? 0) + 1;
      milliseconds.push(performance.now() - began);
      resolve();
    };
    const options = { host: "127.0.0.1", port, method: "HEAD", path, headers, ca, agent };
    request({ ...options, localAddress }, (reply) => {
      reply.resume().on("end", () => done(String(reply.statusCode)));
    })
      .on("error", () => done("lost"))
      .end();
  });
}

/** A wrong password of a user that there is, or of nobody. */
function guess(isKnown: boolean, password: string): string {
  const name = isKnown ? "bench" : `nobody-${password}`;
  return `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
}

/** From many addresses, and slowly, so that no limit is reached. */
async function guessSlowly(): Promise<void> {
  for (let number = 0; number < side.rate; number += 1) {
    const agent = new Agent();
    const address = `127.${1 + (number % 250)}.0.1`;
    await ask(agent, address, guess(side.kind === "known", `${Date.now()}-${number}`));
    agent.destroy();
    await pause(100);
  }
}

/** One client after another, each with a connection of its own, begins at another moment. */
async function pacedClient(number: number, count: number, perSecond: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const address = `127.0.0.${1 + (number % side.addresses)}`;
  const interval = 1_000 / perSecond;
  let next = performance.now() + (interval * number) / count;
  while (next < end) {
    await pause(next - performance.now());
    const wrong = guess(number % 2 === 0, `${number}-${next}`);
    const own = side.kind === "wrong" ? wrong : side.kind === "none" ? "" : side.authorization;
    await ask(agent, address, own);
    next = Math.max(next + interval, performance.now() - interval);
  }
  agent.destroy();
}

/** Keeps half a request open, and begins another one when it is given up, after ten seconds. */
async function half(number: number): Promise<void> {
  await pause((number * 10_000) / side.rate);
  while (performance.now() < end) {
    await new Promise<void>((resolve) => {
      const { port } = side;
      const socket: TLSSocket = connect({ host: "127.0.0.1", port, ca }, () => {
        socket.write(`GET ${side.path} HTTP/1.1\r\nHost: localhost\r\n`);
        statuses["begun"] = (statuses["begun"] ?? 0) + 1;
      });
      const timer = setTimeout(() => socket.destroy(), Math.max(0, end - performance.now()));
      socket.resume().on("error", () => undefined);
      socket.on("close", () => {
        clearTimeout(timer);
        resolve();
      });
    });
    await pause(100);
  }
}

async function run(): Promise<void> {
  if (side.kind === "known" || side.kind === "unknown") return guessSlowly();
  if (side.kind === "half") {
    await Promise.all(Array.from({ length: side.rate }, (_, number) => half(number)));
    return;
  }
  // As many connections as the requests need if each takes half a second.
  const count = side.kind === "paced" ? 8 : Math.max(side.addresses, Math.ceil(side.rate / 2));
  const each = (side.kind === "paced" ? 80 : side.rate) / count;
  await Promise.all(Array.from({ length: count }, (_, n) => pacedClient(n, count, each)));
}

await run();
milliseconds.sort((a, b) => a - b);
const quantile = (share: number) => milliseconds[Math.floor(milliseconds.length * share)] ?? NaN;
const seen: Seen = {
  p50Milliseconds: quantile(0.5),
  p99Milliseconds: quantile(0.99),
  statuses,
};
process.stdout.write(JSON.stringify(seen));
