import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import {
  apply,
  auths,
  file,
  folder,
  hers,
  logIn,
  ours,
  program,
  read,
  registry,
  remove,
  type Run,
  useHome,
  write,
} from "../support/client-logins";

useHome();

describe.each(["dash", "bash", "busybox sh"])(
  "two installations at one registry, with %s",
  (shell) => {
    const basic = (user: string, password: string) =>
      Buffer.from(`${user}:${password}`).toString("base64");
    const as = (name: string, user: string, password: string, hosts?: string[]): Run => ({
      shell,
      name,
      login: { user, password },
      ...(hosts && { hosts }),
    });
    const old = as("old", "ci", "dead");
    const alive = { "the same user": as("new", "ci", "alive"), another: as("new", "web", "alive") };
    const before = {
      "no file": undefined,
      "another login": '{\n  "auths": {"ghcr.io": {"auth": "eDp5"}}\n}\n',
      "no logins": '{"currentContext": "x"}',
      "a login here": `{"auths":{"${registry}" : {"auth":"${hers}"} }}`,
      "a login here as the same user": `{"auths":{"${registry}" : {"auth":"${basic("ci", "own")}"} }}`,
    };
    const cases = Object.entries(alive).flatMap(([who, other]) =>
      Object.entries(before)
        // They take long: one shows that the other shells do the same.
        .filter(([what]) => shell === "dash" || what === "a login here")
        .map(([what, text]) => ({ who, what, other, text })),
    );
    const logged = ({ login }: Run) => ({ auth: basic(login?.user ?? "", login?.password ?? "") });

    beforeEach(() => {
      if (shell === "busybox sh") program("awk", '#!/bin/sh\nexec busybox awk "$@"\n');
    });

    const start = (text: string | undefined) => {
      if (text === undefined) rmSync(join(folder, "home/.docker"), { recursive: true });
      else write(text);
      if (text !== undefined) chmodSync(file, 0o644);
    };
    const expectAsBefore = (text: string | undefined) => {
      if (text === undefined) {
        expect(readdirSync(join(folder, "home"))).toEqual([]);
      } else {
        expect(read()).toBe(text);
        expect(statSync(file).mode & 0o777).toBe(0o644);
      }
      expect(existsSync(join(folder, "states"))).toBe(false);
    };

    it.each(cases)("$who, the first is removed first: $what", ({ other, text }) => {
      start(text);
      apply(old);
      apply(other);
      const after = read();
      remove(old);
      expect(read()).toBe(after);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      remove(other);
      expectAsBefore(text);
    });

    it.each(cases)("$who, the first is removed last: $what", ({ other, text }) => {
      start(text);
      apply(other);
      const after = read();
      apply(old);
      remove(old);
      expect(read()).toBe(after);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      remove(other);
      expectAsBefore(text);
    });

    it.each(cases)("$who, after each has been set up again: $what", ({ other, text }) => {
      start(text);
      for (const each of [old, other, old, other, old]) apply(each);
      expect(auths()[registry]).toEqual(logged(old));
      remove(old);
      expect(auths()[registry]).toEqual(logged(other));
      remove(other);
      const rest = JSON.parse(text ?? "{}") as { auths?: Record<string, unknown> };
      const now = JSON.parse(existsSync(file) ? read() : "{}") as typeof rest;
      expect(now.auths ?? {}).toEqual(rest.auths ?? {});
    });

    it.each(cases)("$who, and somebody else has changed the file: $what", ({ other, text }) => {
      start(text);
      apply(old);
      logIn("quay.io", "bob", "b");
      apply(other);
      logIn("registry.gitlab.com", "bob", "b");
      remove(old);
      expect(auths()[registry]).toEqual(logged(other));
      remove(other);
      const rest = JSON.parse(text ?? "{}") as { auths?: Record<string, unknown> };
      const bobs = { auth: basic("bob", "b") };
      expect(auths()).toEqual({ ...rest.auths, "quay.io": bobs, "registry.gitlab.com": bobs });
    });

    it("of one password: it stays until the last of them is gone", () => {
      const text = '{"auths": {"ghcr.io": {"auth": "eDp5"}}}\n';
      for (const [first, last] of [
        ["old", "new"],
        ["new", "old"],
      ] as const) {
        write(text);
        chmodSync(file, 0o644);
        apply(as("old", "ci", "secret"));
        apply(as("new", "ci", "secret"));
        remove(as(first, "ci", "secret"));
        expect(auths()[registry]).toEqual({ auth: ours });
        remove(as(last, "ci", "secret"));
        expectAsBefore(text);
      }
    });

    it("of several names take away each its own", () => {
      const text = '{"auths": {"ghcr.io": {"auth": "eDp5"}}}\n';
      start(text);
      apply(as("old", "ci", "dead", ["hub.test", "old.test"]));
      apply(as("new", "ci", "alive", ["new.test", "hub.test"]));
      remove(as("old", "ci", "dead", ["hub.test", "old.test"]));
      const alive = { auth: basic("ci", "alive") };
      expect(auths()).toEqual({
        "ghcr.io": { auth: "eDp5" },
        [registry]: alive,
        "new.test:5443": alive,
      });
      expect(statSync(file).mode & 0o777).toBe(0o600);
      remove(as("new", "ci", "alive", ["new.test", "hub.test"]));
      expect(JSON.parse(read())).toEqual(JSON.parse(text));
    });

    const helperCases = Object.entries(alive).flatMap(([who, other]) =>
      [
        { order: "the first goes first", all: [old, other], first: old, last: other },
        { order: "the first goes last", all: [old, other], first: other, last: old },
        { order: "the first comes again", all: [old, other, old], first: old, last: other },
      ].flatMap((one) =>
        [false, true]
          .map((isHers) => ({ who, isHers, ...one }))
          .filter(() => shell === "dash" || one.order === "the first comes again"),
      ),
    );
    it.each(helperCases)(
      "leave no other's login in a helper: $who, $order, after somebody's: $isHers",
      ({ isHers, all, first, last }) => {
        const kept = () => JSON.parse(readFileSync(join(folder, "home/kept"), "utf8")) as unknown;
        const helped = ({ login }: Run) => ({ Username: login?.user, Secret: login?.password });
        write('{"credsStore": "kept"}');
        if (isHers) logIn(registry, "alice", "hers");
        const start = read();
        for (const each of all) apply(each);
        remove(first);
        expect(kept()).toMatchObject(helped(last));
        remove(last);
        if (isHers) expect(kept()).toMatchObject({ Username: "alice", Secret: "hers" });
        else expect(existsSync(join(folder, "home/kept"))).toBe(false);
        if (all.length === 2) expect(read()).toBe(start);
      },
    );
  },
);
