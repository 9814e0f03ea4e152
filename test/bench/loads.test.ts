import { expect, test } from "vitest";
import { registryRules } from "../../components/rules/registry";
import { findProblems } from "../../components/validation";
import { changedBy, groups, kinds } from "../../bench/loads/changes";
import { parseSTime } from "../../bench/loads/handshakes";
import { parseApacheBench, parseChallenges } from "../../bench/loads/requests";
import { beyond, takeTurns } from "../../bench/loads/rounds";
import { parseCgroup } from "../../bench/loads/usage";

const report = `
Complete requests:      9217
Failed requests:        0
Requests per second:    3072.21 [#/sec] (mean)
Percentage of the requests served within a certain time (ms)
  50%      4
  99%     34
 100%     60 (longest request)
`;

test("ApacheBench's report is read, and no failed or refused request is taken for a fast one", () => {
  expect(parseApacheBench(report)).toEqual({ perSecond: 3072.21, p99Milliseconds: 34 });
  for (const bad of [
    report.replace(/(Failed requests: +)0/, "$13"),
    `${report}Non-2xx responses:      9217\n`,
    "apr_socket_recv: Connection refused (111)",
  ]) {
    expect(() => parseApacheBench(bad)).toThrow("expected only successes");
  }
});

test("of requests without credentials, every one must be refused", () => {
  const refused = `${report}Non-2xx responses:      9217\n`;
  expect(parseChallenges(refused)).toEqual({ perSecond: 3072.21, p99Milliseconds: 34 });
  for (const bad of [report, refused.replace("9217\nFailed", "9218\nFailed")]) {
    expect(() => parseChallenges(bad)).toThrow("expected only refusals");
  }
});

test("handshakes are counted by the clock, not by the client's processor time", () => {
  const told = "900 connections in 0.55s; 1636.36 connections/user sec, bytes read 0\n";
  expect(
    parseSTime(`${told}900 connections in 3 real seconds, 0 bytes read per connection\n`),
  ).toBe(300);
  expect(() => parseSTime("connect:errno=111")).toThrow("expected openssl's count");
});

test("systems take turns, and stop when they are told to", async () => {
  const order: string[] = [];
  const turn = (name: string) => () => Promise.resolve(order.push(name));
  const stopping = new AbortController();
  const turns = { a: turn("a"), b: turn("b") };
  expect(await takeTurns(2, stopping.signal, turns)).toEqual({ a: [1, 3], b: [2, 4] });
  expect(order).toEqual(["a", "b", "a", "b"]);
  stopping.abort();
  await expect(takeTurns(2, stopping.signal, turns)).rejects.toThrow();
});

test("what a round took beyond another system is that of the same round", () => {
  expect(beyond([2, 3], [5, 4])).toEqual([3, 1]);
});

test("a container's use is found in cgroups of version 1, of 2 and with both", () => {
  const path = "/docker/717b";
  const root = "/sys/fs/cgroup";
  const first = `4:memory:${path}\n2:cpu,cpuacct:${path}\n1:name=systemd:${path}\n`;
  const second = `0::${path}\n`;
  for (const text of [first, first + second]) {
    expect(parseCgroup(text, "cpuacct")).toEqual({
      version: 1,
      folder: `${root}/cpu,cpuacct${path}`,
    });
  }
  expect(parseCgroup(second, "cpuacct")).toEqual({ version: 2, folder: root + path });
  expect(() => parseCgroup("", "memory")).toThrow("expected one of a container");
});

test("every kind of change is made in each round, by settings that are valid", () => {
  expect(groups.flat().sort()).toEqual([...kinds].sort());
  let settings: Parameters<typeof changedBy>[1] = {
    domains: ["localhost"],
    users: { guest: { access: "push" }, "guest-0": { access: "push" } },
  };
  const generations: (readonly [number?, number?])[] = [];
  for (const time of [0, 1, 2]) {
    for (const group of groups) {
      const before = settings;
      settings = changedBy(group, settings, time, "registry:other");
      const where = { where: "", namespace: "private-registry" };
      expect(findProblems(settings, registryRules, where)).toEqual([]);
      for (const kind of group) {
        expect(changedBy([kind], before, time, "registry:other"), kind).not.toEqual(before);
      }
      const { caGeneration, retiredCaGeneration } = settings.certificate ?? {};
      generations.push([caGeneration, retiredCaGeneration]);
    }
  }
  // Two steps for each, as the README has it.
  expect(generations).toEqual([[2, undefined], [2, 1], [3, 1], [3, 2], [4, 2], [4, 3]]); // prettier-ignore
});
