import { dirname } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asRoot } from "../../components/render/client/as-root";
import { type ClientScriptValues, renderClientScript } from "../../components/render/client-script";
import { type BareRegistry, registryUser, startBareRegistry } from "../support/bare-registry";
import { listing, type Machine, startMachine } from "../support/machine";

const network = "private-registry-test-script";
let registry: BareRegistry;
/** On another port, with a CA of its own. */
let second: BareRegistry;

beforeAll(async () => {
  await execa("docker", ["network", "create", network]);
  const hosts = ["hub.test", "other.test"];
  registry = await startBareRegistry({ network, hosts, port: 443 });
  second = await startBareRegistry({ network, hosts, port: 5443 });
});

afterAll(async () => {
  await registry.stop();
  await second.stop();
  await execa("docker", ["network", "rm", network]);
});

function script(overrides: Partial<ClientScriptValues> = {}): string {
  return renderClientScript({
    name: "private-registry-test",
    hosts: ["hub.test", registry.ip],
    httpsPort: 443,
    caPem: registry.caPem,
    registryAddress: registry.ip,
    ...overrides,
  });
}

/** The registries that Docker has a folder for. */
async function dockerFolders(machine: Machine): Promise<string[]> {
  const { stdout } = await machine.exec("cd /etc/docker/certs.d && ls");
  return stdout.trim().split("\n");
}

describe("a machine with Docker", () => {
  let machine: Machine;
  let before: string;

  beforeAll(async () => {
    machine = await startMachine({ network });
    before = await listing(machine);
  });
  afterAll(() => machine.stop());

  it("is set up, and says what was done and how it was proved", async () => {
    const { stdout, stderr } = await machine.exec("sh -s -- apply", { stdin: script() });
    expect(stdout).toBe(`--- private-registry private-registry-test ---
not in use: podman, containerd
hosts: hub.test at ${registry.ip}
proved with curl: hub.test, ${registry.ip}
docker: trusts hub.test, hub.test:443, ${registry.ip}, ${registry.ip}:443, proved by a pull
`);
    expect(stderr).toBe("");
  });

  it("logs in, pushes and pulls by name and by address, with and without the port", async () => {
    const { name, password } = registryUser;
    await machine.exec("tar -c -C / etc/hostname | docker import - tiny");
    for (const host of ["hub.test", "hub.test:443", registry.ip, `${registry.ip}:443`]) {
      await machine.exec(
        `docker login ${host} --username ${name} --password-stdin &&
        docker tag tiny ${host}/tiny:1 && docker push ${host}/tiny:1 &&
        docker rmi ${host}/tiny:1 && docker pull ${host}/tiny:1 && docker logout ${host}`,
        { stdin: password },
      );
    }
    await machine.exec("rm -r /root/.docker");
  });

  it("changes no file at a second run, and says the same", async () => {
    const first = await machine.exec("sh -s -- apply", { stdin: script() });
    await machine.exec("touch /var/marker; sleep 0.02");
    const second = await machine.exec("sh -s", { stdin: script() });
    const { stdout: changed } = await machine.exec(
      "find /etc /usr/local /var/lib/private-registry /root /tmp -newer /var/marker",
    );
    expect(second.stdout).toBe(first.stdout);
    expect(changed).toBe("");
  });

  it("repairs what was changed or removed by hand", async () => {
    const after = await listing(machine);
    await machine.exec(
      `echo nonsense >/etc/docker/certs.d/hub.test/ca.crt
      rm -r /etc/docker/certs.d/${registry.ip}
      sed '/hub.test/d' /etc/hosts >/hosts && cat /hosts >/etc/hosts && rm /hosts`,
    );
    await machine.exec("sh -s", { stdin: script() });
    expect(await listing(machine)).toBe(after);
  });

  it("forgets a domain that is gone, and takes the new one in", async () => {
    const { stdout } = await machine.exec("sh -s", { stdin: script({ hosts: ["other.test"] }) });
    expect(stdout).toContain("proved with curl: other.test\n");
    expect(await dockerFolders(machine)).toEqual(["other.test", "other.test:443"]);
    const { stdout: hosts } = await machine.exec("grep test /etc/hosts");
    expect(hosts).toContain(`${registry.ip} other.test\n`);
    expect(hosts).not.toContain("hub.test");
  });

  it("follows the registry to another port, address and CA", async () => {
    const moved = {
      hosts: ["hub.test"],
      httpsPort: 5443,
      caPem: second.caPem,
      registryAddress: second.ip,
    };
    await machine.exec("sh -s", { stdin: script(moved) });
    expect(await dockerFolders(machine)).toEqual(["hub.test:5443"]);
    const { stdout } = await machine.exec("getent hosts hub.test");
    expect(stdout).toMatch(second.ip);
  });

  it("forgets the hosts entry when it is not wanted any more", async () => {
    await machine.exec("sh -s", { stdin: script({ hosts: [registry.ip] }) });
    const { stdout } = await machine.exec("cat /etc/hosts");
    expect(stdout).not.toContain("private-registry private-registry-test");
  });

  it("is byte for byte as before once the registry is removed", async () => {
    await machine.exec("sh -s", { stdin: script() });
    const { stdout } = await machine.exec("sh -s -- remove", { stdin: script() });
    expect(stdout).toBe("--- private-registry private-registry-test ---\nremoved\n");
    expect(await listing(machine)).toBe(before);
    const again = await machine.exec("sh -s -- remove", { stdin: script() });
    expect(again.stdout).toContain("nothing to remove");
  });

  it("pulls with containerd's own client when containerd is asked for", async () => {
    const { stdout } = await machine.exec("sh -s", { stdin: script({ runtimes: ["containerd"] }) });
    expect(stdout).toContain(
      `containerd: trusts hub.test, hub.test:443, ${registry.ip}, ${registry.ip}:443; not proved: `,
    );
    expect(stdout).toContain("containerd: its CRI reads /etc/containerd/certs.d, by config_path");
    const { name, password } = registryUser;
    for (const host of ["hub.test", "hub.test:443", registry.ip, `${registry.ip}:443`]) {
      await machine.exec(
        `ctr --address /run/docker/containerd/containerd.sock images pull \\
          --hosts-dir /etc/containerd/certs.d --user ${name}:${password} ${host}/tiny:1`,
      );
    }
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(await listing(machine)).toBe(before);
  });

  it("leaves a hosts.toml of somebody else as it is, and says what it lacks", async () => {
    const file = "/etc/containerd/certs.d/hub.test/hosts.toml";
    await machine.exec(`mkdir -p /etc/containerd/certs.d/hub.test; echo '# theirs' >${file}`);
    const theirs = await listing(machine);
    const { stdout } = await machine.exec("sh -s", { stdin: script({ runtimes: ["containerd"] }) });
    expect(stdout).toContain(`containerd: ${file} is not this script's and stays as it is`);
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(await listing(machine)).toBe(theirs);
    await machine.exec("rm -r /etc/containerd/certs.d");
  });

  it("keeps a ca.crt that somebody else has put there", async () => {
    const foreign = "/etc/docker/certs.d/hub.test/ca.crt";
    await machine.exec(`mkdir -p /etc/docker/certs.d/hub.test; echo theirs >${foreign}`);
    const theirs = await listing(machine);
    await machine.exec("sh -s", { stdin: script() });
    const { stdout } = await machine.exec(`cd /etc/docker/certs.d/hub.test; ls; cat ca.crt`);
    expect(stdout).toBe("ca.crt\nprivate-registry-test.crt\ntheirs\n");
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(await listing(machine)).toBe(theirs);
    await machine.exec("rm -r /etc/docker/certs.d");
  });

  it("can be a client of two registries, and forgets one without the other", async () => {
    const other = script({
      name: "second",
      hosts: ["other.test"],
      httpsPort: 5443,
      caPem: second.caPem,
      registryAddress: second.ip,
    });
    await machine.exec("sh -s", { stdin: script() });
    const one = await listing(machine);
    await machine.exec("sh -s", { stdin: other });
    await machine.exec("sh -s -- remove", { stdin: other });
    expect(await listing(machine)).toBe(one);

    await machine.exec("sh -s", { stdin: other });
    await machine.exec("sh -s -- remove", { stdin: script() });
    await machine.exec("sh -s", { stdin: other });
    await machine.exec("sh -s -- remove", { stdin: other });
    expect(await listing(machine)).toBe(before);
  });

  it("is left as it was by a first set-up that cannot be proved", async () => {
    const { exitCode, stderr } = await machine.exec("sh -s", {
      stdin: script({ caPem: second.caPem }),
      reject: false,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("private-registry: hub.test: not proved with curl: curl: (60) SSL");
    expect(stderr).toContain("the registry has a certificate of another CA");
    expect(await listing(machine)).toBe(before);
  });

  it("keeps the set-up that it had when a later one cannot be proved", async () => {
    await machine.exec("sh -s", { stdin: script() });
    const { exitCode } = await machine.exec("sh -s", {
      stdin: script({ caPem: second.caPem }),
      reject: false,
    });
    expect(exitCode).toBe(1);
    const { exitCode: repaired } = await machine.exec("sh -s", { stdin: script() });
    expect(repaired).toBe(0);
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(await listing(machine)).toBe(before);
  });

  it("does nothing with a script that was cut short on its way", async () => {
    await machine.exec(
      `cat >/script; size=$(wc -c </script)
      for rest in $(seq 2 60) $((size / 2)) $((size - 100)); do
        head -c $((size - rest)) /script | sh -s >/dev/null 2>&1 || :
      done
      rm /script`,
      { stdin: script() },
    );
    expect(await listing(machine)).toBe(before);
  });

  it("can be cleaned after a run that was killed", async () => {
    await machine.exec(
      "printf '#!/bin/sh\\nsleep 5\\n' >/usr/local/bin/curl; chmod 755 /usr/local/bin/curl",
    );
    await machine.exec("PATH=/usr/local/bin:$PATH timeout -s KILL 1 sh -s", {
      stdin: script(),
      reject: false,
    });
    await machine.exec("rm /usr/local/bin/curl");
    expect(await listing(machine)).not.toBe(before);
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(await listing(machine)).toBe(before);
  });

  it("tells an ordinary user what to do", async () => {
    const { exitCode, stderr } = await machine.exec("sh -s", {
      stdin: script(),
      user: "nobody",
      reject: false,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      "private-registry: nobody cannot change /etc: run this as root, such as with sudo\n",
    );
  });

  it("tells a user who may not become root what to do", async () => {
    const { exitCode, stderr } = await machine.exec("sh -s", {
      stdin: asRoot(script()),
      user: "nobody",
      reject: false,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("nobody cannot become root without a password: sudo: ");
    expect(stderr).toContain("allow it with the line 'nobody ALL=(ALL) NOPASSWD: ALL'");
  });
});

describe("a machine with podman and skopeo", () => {
  let machine: Machine;
  let before: string;

  beforeAll(async () => {
    machine = await startMachine({ network, kind: "podman" });
    await machine.exec("tar -c -C / etc/hostname | podman import - localhost/tiny");
    before = await listing(machine);
  });
  afterAll(() => machine.stop());

  it("is set up, logs in, pushes and pulls by name and by address", async () => {
    const { stdout } = await machine.exec("sh -s", { stdin: script() });
    expect(stdout).toBe(`--- private-registry private-registry-test ---
not in use: docker, containerd
hosts: hub.test at ${registry.ip}
proved with curl: hub.test, ${registry.ip}
podman: trusts hub.test, hub.test:443, ${registry.ip}, ${registry.ip}:443, proved by a pull
`);
    const { name, password } = registryUser;
    for (const host of ["hub.test", "hub.test:443", registry.ip, `${registry.ip}:443`]) {
      await machine.exec(
        `podman login ${host} --username ${name} --password-stdin &&
        podman push localhost/tiny ${host}/podman:1 && podman pull ${host}/podman:1 &&
        skopeo inspect docker://${host}/podman:1 && podman logout ${host}`,
        { stdin: password },
      );
    }
  });

  it("changes no file at a second run", async () => {
    const after = await listing(machine);
    await machine.exec("touch /var/marker; sleep 0.02");
    await machine.exec("sh -s", { stdin: script() });
    const { stdout } = await machine.exec(
      "find /etc /usr/local /var/lib/private-registry -newer /var/marker",
    );
    expect(stdout).toBe("");
    expect(await listing(machine)).toBe(after);
  });

  it("is byte for byte as before once the registry is removed", async () => {
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(await listing(machine)).toBe(before);
  });
});

describe.each([
  ["RHEL family", "/etc/pki/ca-trust/source/anchors", "update-ca-trust"],
  ["Arch family", "/etc/ca-certificates/trust-source/anchors", "update-ca-trust"],
  ["SUSE family", "/etc/pki/trust/anchors", "update-ca-certificates"],
])("a machine whose trust store p11-kit keeps, as in the %s", (_, anchors, update) => {
  let machine: Machine;

  beforeAll(async () => {
    machine = await startMachine({ network, kind: "plain" });
    await machine.exec(`set -e
      rm -r /usr/local/share/ca-certificates /usr/sbin/update-ca-certificates
      mkdir -p ${anchors}
      cp /etc/ssl/certs/ca-certificates.crt ${anchors}/distribution.pem
      sed -i "$ a x-init-reserved: paths='${dirname(anchors)}'" /usr/share/p11-kit/modules/p11-kit-trust.module
      cat >/usr/bin/${update} <<'END'
#!/bin/sh
trust extract --format=pem-bundle --filter=ca-anchors --purpose=server-auth --overwrite /etc/ssl/certs/ca-certificates.crt
END
      chmod 755 /usr/bin/${update}
      ${update}`);
  });
  afterAll(() => machine.stop());

  it("has the CA for every program when asked, and forgets it", async () => {
    const before = await listing(machine);
    const { stdout } = await machine.exec("sh -s", { stdin: script({ systemTrust: true }) });
    expect(stdout).toContain(`proved with curl and the system store: hub.test, ${registry.ip}\n`);
    await machine.exec("curl --fail --head https://hub.test");
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(await listing(machine)).toBe(before);
  });
});

describe("a machine without a container runtime, with a /tmp that cannot be written", () => {
  let machine: Machine;
  let before: string;

  beforeAll(async () => {
    machine = await startMachine({
      network,
      kind: "plain",
      runArguments: ["--tmpfs", "/tmp:ro,noexec"],
    });
    await machine.exec("ln -s /usr/bin/busybox /usr/local/bin/bb");
    before = await listing(machine);
  });
  afterAll(() => machine.stop());

  it.each(["dash", "bash", "bash --posix", "busybox sh"])(
    "is set up and cleaned by %s",
    async (sh) => {
      const all = { runtimes: ["docker"] };
      const { stdout } = await machine.exec(`${sh} -s -- apply`, { stdin: script(all) });
      expect(stdout).toBe(`--- private-registry private-registry-test ---
docker: trusts hub.test, hub.test:443, ${registry.ip}, ${registry.ip}:443; not installed yet
hosts: hub.test at ${registry.ip}
proved with curl: hub.test, ${registry.ip}
`);
      await machine.exec(`${sh} -s -- apply`, { stdin: script({ hosts: ["other.test"] }) });
      await machine.exec(`${sh} -s -- remove`, { stdin: script() });
      expect(await listing(machine)).toBe(before);
    },
  );

  it("says that no runtime was found, and proves the rest", async () => {
    const { stdout } = await machine.exec("sh -s", { stdin: script() });
    expect(stdout).toBe(`--- private-registry private-registry-test ---
not in use: docker, podman, containerd
hosts: hub.test at ${registry.ip}
proved with curl: hub.test, ${registry.ip}
`);
    await machine.exec("sh -s -- remove", { stdin: script() });
  });

  describe("the trust store of Debian", () => {
    it("has the CA for every program when asked, and forgets it", async () => {
      const { stdout } = await machine.exec("sh -s", { stdin: script({ systemTrust: true }) });
      expect(stdout).toContain(`
proved with curl: hub.test, ${registry.ip}
proved with curl and the system store: hub.test, ${registry.ip}
`);
      await machine.exec("curl --fail --head https://hub.test");
      await machine.exec("sh -s -- remove", { stdin: script() });
      expect(await listing(machine)).toBe(before);
    });

    it("forgets the CA when it is not asked any more", async () => {
      await machine.exec("sh -s", { stdin: script({ systemTrust: true }) });
      await machine.exec("sh -s", { stdin: script() });
      const { exitCode } = await machine.exec("curl --head https://hub.test", { reject: false });
      expect(exitCode).toBe(60);
      await machine.exec("sh -s -- remove", { stdin: script() });
    });

    it("takes the certificates of a bundle apart", async () => {
      const caPem = second.caPem + registry.caPem;
      await machine.exec("sh -s", { stdin: script({ systemTrust: true, caPem }) });
      const { stdout } = await machine.exec("cd /usr/local/share/ca-certificates; cat *; ls");
      expect(stdout).toBe(
        `${registry.caPem}${second.caPem}private-registry-test-2.crt\nprivate-registry-test.crt\n`,
      );
      await machine.exec("curl --fail --head https://hub.test");
      await machine.exec("sh -s -- remove", { stdin: script() });
      expect(await listing(machine)).toBe(before);
    });

    it("does without a store that it does not know, and says so", async () => {
      await machine.exec("mv /usr/sbin/update-ca-certificates /u");
      const { stdout } = await machine.exec("sh -s", { stdin: script({ systemTrust: true }) });
      expect(stdout).toContain("system store: none that is known");
      await machine.exec("mv /u /usr/sbin/update-ca-certificates; sh -s -- remove", {
        stdin: script(),
      });
    });
  });

  describe("/etc/hosts", () => {
    const removed = async (text: string, prepare = "") => {
      await machine.exec(`cat >/etc/hosts; ${prepare}`, { stdin: text });
      const was = (await machine.exec("stat -c '%a %U %i' /etc/hosts")).stdout;
      await machine.exec("sh -s", { stdin: script() });
      const during = (await machine.exec("cat /etc/hosts")).stdout;
      expect((await machine.exec("stat -c '%a %U %i' /etc/hosts")).stdout).toBe(was);
      await machine.exec("sh -s -- remove", { stdin: script() });
      expect((await machine.exec("cat /etc/hosts")).stdout).toBe(text);
      expect((await machine.exec("stat -c '%a %U %i' /etc/hosts")).stdout).toBe(was);
      return during;
    };
    const block = () => `# BEGIN private-registry private-registry-test
${registry.ip} hub.test
# END private-registry private-registry-test
`;

    it.each([
      ["an empty file", ""],
      ["no newline at the end", "127.0.0.1 localhost\n10.1.1.1 last"],
      ["blank lines and trailing space", "\n\n127.0.0.1 localhost  \n\n\n"],
      ["line ends of Windows", "127.0.0.1 localhost\r\n10.1.1.1 x\r\n"],
      [
        "a block of another registry",
        "# BEGIN private-registry b\n1.1.1.1 b\n# END private-registry b\n",
      ],
      ["an older address of the registry", "127.0.0.1 localhost\n127.0.0.2 hub.test\n"],
    ])("is left as it was, but for the block: %s", async (_, text) => {
      expect(await removed(text)).toBe(block() + text);
    });

    it("keeps its mode and owner", async () => {
      await removed("127.0.0.1 localhost\n", "chmod 640 /etc/hosts; chown nobody /etc/hosts");
      await machine.exec("chmod 644 /etc/hosts; chown root /etc/hosts");
    });

    it("keeps the block where somebody has moved it", async () => {
      const text = `127.0.0.1 localhost\n${block()}10.1.1.1 last`;
      await machine.exec("cat >/etc/hosts", { stdin: text });
      await machine.exec("sh -s", { stdin: script({ hosts: ["other.test"] }) });
      expect((await machine.exec("cat /etc/hosts")).stdout).toBe(
        text.replace("hub.test", "other.test"),
      );
      await machine.exec("sh -s -- remove", { stdin: script() });
    });

    it("is not touched when the block in it has lost its end", async () => {
      const text = "# BEGIN private-registry private-registry-test\n10.0.0.1 hub.test\n1.1.1.1 a\n";
      await machine.exec("cat >/etc/hosts", { stdin: text });
      const { exitCode, stderr } = await machine.exec("sh -s", { stdin: script(), reject: false });
      expect(exitCode).toBe(1);
      expect(stderr).toContain('/etc/hosts: expected one line "# BEGIN private-registry');
      expect(stderr).toContain("delete them and what is between them");
      expect((await machine.exec("cat /etc/hosts")).stdout).toBe(text);
      await machine.exec("echo '127.0.0.1 localhost' >/etc/hosts; sh -s -- remove", {
        stdin: script(),
      });
    });
  });

  describe("proves the registry with what is there", () => {
    afterAll(() => machine.exec("sh -s -- remove", { stdin: script() }));

    const wrongCa = () => script({ name: "wrong", caPem: second.caPem });
    const wrongName = () => script({ name: "wrong", hosts: ["nobody.test"] });
    const unknownName = () =>
      script({ name: "wrong", hosts: ["nobody.test"], registryAddress: undefined });
    const wrongPort = () => script({ name: "wrong", httpsPort: 5444 });

    const complaint = async (stdin: string) => {
      const { exitCode, stderr } = await machine.exec("sh -s", { stdin, reject: false });
      expect(exitCode).toBe(1);
      return stderr;
    };

    it.each([
      ["curl", "true"],
      ["wget", "rm /usr/bin/curl"],
      ["openssl", "rm /usr/bin/wget; ln -s /usr/bin/busybox /usr/local/bin/wget"],
    ])("%s", async (tool, prepare) => {
      await machine.exec(prepare);
      const { stdout } = await machine.exec("sh -s", { stdin: script() });
      expect(stdout).toContain(`proved with ${tool}: hub.test, ${registry.ip}\n`);
      expect(await complaint(wrongCa())).toContain("certificate of another CA");
      expect(await complaint(wrongName())).toContain("or without this name");
      expect(await complaint(unknownName())).toContain("does not know the name");
      expect(await complaint(wrongPort())).toContain("that port 5444 is open from here to there");
    });

    it("says so when there is nothing to prove it with", async () => {
      await machine.exec("rm /usr/bin/openssl");
      const { stdout } = await machine.exec("sh -s", { stdin: script() });
      expect(stdout).toContain("not proved: this machine has no curl, GNU wget or openssl");
    });
  });
});
