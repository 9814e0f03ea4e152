import { randomBytes } from "node:crypto";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type ClientScriptValues, renderClientScript } from "../../components/render/client-script";
import { type BareRegistry, registryUser, startBareRegistry } from "../support/bare-registry";
import { criPull } from "../support/cri";
import { listing, type Machine, startMachine } from "../support/machine";

const network = `private-registry-test-${randomBytes(4).toString("hex")}`;
const toml = "/etc/containerd/config.toml";
let registry: BareRegistry;

beforeAll(async () => {
  await execa("docker", ["network", "create", network]);
  registry = await startBareRegistry({ network, hosts: ["hub.test", "other.test"], port: 443 });
});

afterAll(async () => {
  await registry.stop();
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

/** What Debian's `service` calls, where there is no systemd. */
const initScript = `#!/bin/sh
case $1 in
  status) pidof containerd >/dev/null ;;
  restart)
    kill "$(pidof containerd)"
    while pidof containerd >/dev/null; do sleep 0.1; done
    containerd >>/var/log/containerd.log 2>&1 &
    until ctr version >/dev/null 2>&1; do sleep 0.1; done
    echo restarted >>/var/log/restarts
    ;;
esac
`;

/** The section of the CRI's registries, in the configurations of each version. */
const v2 = 'plugins."io.containerd.grpc.v1.cri".registry';
const v3 = 'plugins."io.containerd.cri.v1.images".registry';

describe.each([
  { kind: "containerd" as const, version: 2, section: v2 },
  { kind: "containerd-2" as const, version: 3, section: v3 },
])("a machine with $kind, whose configuration has version $version", (containerd) => {
  const { kind, version, section } = containerd;
  let machine: Machine;
  let before: string;

  const restarts = async () => (await machine.exec("cat /var/log/restarts || :")).stdout;
  const current = async () => (await machine.exec(`cat ${toml}`)).stdout;
  const apply = async (overrides: Partial<ClientScriptValues> = {}) =>
    (await machine.exec("sh -s", { stdin: script(overrides) })).stdout;
  const remove = async () => (await machine.exec("sh -s -- remove", { stdin: script() })).stdout;

  beforeAll(async () => {
    machine = await startMachine({ network, kind });
    await machine.exec("cat >/etc/init.d/containerd; chmod 755 /etc/init.d/containerd", {
      stdin: initScript,
    });
    await machine.exec(`cp ${toml} /theirs.toml 2>/dev/null || : >/theirs.toml`);
    before = await listing(machine);
  });
  afterAll(() => machine.stop());

  it("is set up, restarted once, and says how", async () => {
    expect(await apply()).toBe(`--- private-registry private-registry-test ---
containerd: its CRI reads /etc/containerd/certs.d, by config_path in ${toml}
not in use: docker, podman
hosts: hub.test at ${registry.ip}
proved with curl: hub.test, ${registry.ip}
containerd: trusts hub.test, hub.test:443, ${registry.ip}, ${registry.ip}:443, proved by a pull
`);
    expect(await restarts()).toBe("restarted\n");
    expect((await current()).replace(/# BEGIN private-registry\n(.*\n)+?# END .*\n/, "")).toBe(
      (await machine.exec("cat /theirs.toml")).stdout,
    );
  });

  it("pushes and pulls with ctr", async () => {
    const { name, password } = registryUser;
    const options = `--hosts-dir /etc/containerd/certs.d --user ${name}:${password}`;
    await machine.exec(
      `set -e; mkdir -p /oci/blobs/sha256; cd /oci
      blob() { sum=$(sha256sum <$1 | cut -c-64); size=$(wc -c <$1); mv $1 blobs/sha256/$sum; }
      tar -cf layer -C / etc/hostname; blob layer; layer=$sum layer_size=$size
      printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $layer >config
      blob config; config=$sum config_size=$size
      oci=application/vnd.oci.image
      printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"%s","digest":"sha256:%s","size":%s}]}' \\
        $oci.manifest.v1+json $oci.config.v1+json $config $config_size $oci.layer.v1.tar $layer $layer_size >manifest
      blob manifest
      printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s","digest":"sha256:%s","size":%s,"annotations":{"io.containerd.image.name":"hub.test/tiny:1"}}]}' \\
        $oci.manifest.v1+json $sum $size >index.json
      echo '{"imageLayoutVersion":"1.0.0"}' >oci-layout
      tar -cf /image.tar .; ctr images import /image.tar; rm -r /oci /image.tar
      ctr images push ${options} hub.test/tiny:1`,
    );
    for (const host of ["hub.test", "hub.test:443", registry.ip, `${registry.ip}:443`]) {
      await machine.exec(`ctr images pull ${options} ${host}/tiny:1`);
    }
  });

  it("pulls over the CRI, as Kubernetes does", async () => {
    for (const host of ["hub.test", "hub.test:443", registry.ip, `${registry.ip}:443`]) {
      expect(await criPull(machine, `${host}/tiny:1`)).toEqual({ status: "0", message: "" });
    }
  });

  it("changes no file at a second run, says the same, and restarts nothing", async () => {
    const after = await listing(machine);
    await machine.exec("touch /var/marker; sleep 0.02");
    expect(await apply()).toBe(await apply());
    const { stdout } = await machine.exec("find /etc /var/lib/private-registry -newer /var/marker");
    expect(stdout).toBe("");
    expect(await listing(machine)).toBe(after);
    expect(await restarts()).toBe("restarted\n");
  });

  it("repairs a config.toml that was made anew, and restarts again", async () => {
    await machine.exec(`cat /theirs.toml >${toml}`);
    await apply();
    expect(await current()).toContain("config_path");
    expect(await restarts()).toBe("restarted\nrestarted\n");
  });

  it("stays set up for another registry when one is forgotten", async () => {
    const other = { name: "second", hosts: ["other.test"] };
    await apply(other);
    await remove();
    expect(await current()).toContain('config_path = "/etc/containerd/certs.d"');
    expect(await apply(other)).toContain(`by config_path in ${toml}`);
    await machine.exec("sh -s -- remove", { stdin: script(other) });
    await machine.exec(`cmp ${toml} /theirs.toml || ! [ -e ${toml} ]`);
  });

  it("is byte for byte as before once the registry is removed", async () => {
    await apply();
    expect(await remove()).toContain("\nremoved\n");
    expect(await listing(machine)).toBe(before);
  });

  it("is not restarted for a set-up that cannot be proved", async () => {
    const had = await restarts();
    const { exitCode } = await machine.exec("sh -s", {
      stdin: script({ registryAddress: "127.0.0.1" }),
      reject: false,
    });
    expect(exitCode).toBe(1);
    expect(await restarts()).toBe(had);
    expect(await listing(machine)).toBe(before);
  });

  describe("puts config_path into config.toml, and takes it out byte for byte,", () => {
    const block = (lines: string) => `# BEGIN private-registry\n${lines}# END private-registry\n`;
    const setting = '  config_path = "/etc/containerd/certs.d"\n';
    const table = block(`[${section}]\n${setting}`);

    // `¦` is where the block goes.
    it.each([
      ["that is empty", "¦", block(`version = ${version}\n[${section}]\n${setting}`)],
      [
        "that has comments only",
        "¦# nothing\n\n",
        block(`version = ${version}\n[${section}]\n${setting}`),
      ],
      [
        "that has no table and no end of line",
        `¦version = ${version}`,
        block(`${section}.config_path = "/etc/containerd/certs.d"\n`),
      ],
      [
        "that has other tables",
        `version = ${version}\nroot = "/var/lib/containerd" # as ever\n¦[grpc]\n  gid = 0`,
        table,
      ],
      [
        "that has the table",
        `version = ${version}\n[ ${section.replace(/"/g, "'")} ] # x\n¦[debug]\nlevel = "info"\n`,
        block(setting),
      ],
    ])("%s", async (_, marked, inserted) => {
      const text = marked.replace("¦", "");
      await machine.exec(`cat >${toml}; chmod 600 ${toml}`, { stdin: text });
      const theirs = await listing(machine);
      expect(await apply()).toContain("by config_path in");
      expect(await current()).toBe(marked.replace("¦", inserted));
      expect(await criPull(machine, "hub.test/tiny:1")).toEqual({ status: "0", message: "" });
      await remove();
      expect(await listing(machine)).toBe(theirs);
    });

    it("that does not exist", async () => {
      await machine.exec(`rm -r /etc/containerd`);
      const without = await listing(machine);
      await apply();
      expect(await current()).toBe(block(`version = ${version}\n[${section}]\n${setting}`));
      expect(await criPull(machine, "hub.test/tiny:1")).toEqual({ status: "0", message: "" });
      await remove();
      expect(await listing(machine)).toBe(without);
      await machine.exec("mkdir /etc/containerd");
    });

    it("that is what `containerd config default` prints", async () => {
      await machine.exec(`containerd config default >${toml}`);
      const theirs = await listing(machine);
      expect(await apply()).toContain("by config_path in");
      expect(await current()).toMatch(
        /\n {2}config_path = .*\n# was: +config_path = (''|"")\n# END/,
      );
      expect(await criPull(machine, "hub.test/tiny:1")).toEqual({ status: "0", message: "" });
      await remove();
      expect(await listing(machine)).toBe(theirs);
    });
  });

  describe("leaves config.toml as it is", () => {
    afterEach(remove);

    const untouched = async (text: string) => {
      await machine.exec(`cat >${toml}`, { stdin: text });
      const said = await apply();
      expect(await current()).toBe(text);
      expect(await apply()).toBe(said);
      return said;
    };

    it("when it has a config_path, and fills that folder", async () => {
      const said = await untouched(
        // containerd 2.1 itself no longer takes the list of folders that 1.x does.
        `version = ${version}\n[${section}]\nconfig_path = "/etc/theirs${version === 2 ? ":/etc/more" : ""}"\n`,
      );
      expect(said).toContain(
        "containerd: its CRI reads /etc/theirs, as its own configuration says",
      );
      await machine.exec("service containerd restart");
      expect(await criPull(machine, "hub.test/tiny:1")).toEqual({ status: "0", message: "" });
    });

    it("when it has registries inline, and says what to add", async () => {
      const said = await untouched(
        `version = ${version}\n[${section}.mirrors."docker.io"]\nendpoint = ["https://mirror.test"]\n`,
      );
      expect(said).toContain("has registry.mirrors or registry.configs, beside which");
      const line = `[${section}.configs."REGISTRY".tls]`;
      if (version === 2) {
        expect(said).toContain(line);
        // Which is true.
        await machine.exec(`cat >>${toml}; service containerd restart`, {
          stdin: `${line.replace("REGISTRY", "hub.test")}
ca_file = "/var/lib/private-registry/private-registry-test/ca.crt"\n`,
        });
        expect(await criPull(machine, "hub.test/tiny:1")).toEqual({ status: "0", message: "" });
      } else {
        // containerd 2 has no such setting any more.
        expect(said).not.toContain(line);
      }
    });

    it("when the CRI is switched off, as Docker's packages have it", async () => {
      const said = await untouched('#root = "/var/lib/containerd"\ndisabled_plugins = ["cri"]\n');
      expect(said).toContain("containerd: its CRI is switched off, as Docker's packages have it");
    });

    it("when containerd itself cannot read it", async () => {
      const said = await untouched("version = [\n");
      expect(said).toContain("containerd: cannot read its own configuration: containerd: ");
    });
  });

  it("says that a restart is needed where no service manager runs containerd", async () => {
    await machine.exec(`cat /theirs.toml >${toml}; mv /etc/init.d/containerd /init`);
    const hint = `containerd: restart it, so that it reads ${toml}\n`;
    expect(await apply()).toContain(hint);
    expect(await apply()).toContain(hint);
    await machine.exec("sh /init restart");
    expect(await apply()).not.toContain(hint);
    await remove();
  });
});

/** What a service manager does to a service, as far as the script sees. */
const restart = "touch /run/k3s/containerd/containerd.sock; echo restarted >>/var/log/restarts";

// Neither is in a package; what their containerd then does is containerd's.
describe.each([
  {
    kind: "k3s",
    manager: "/etc/init.d/k3s-agent",
    text: `[ "$1" != restart ] || { ${restart}; }`,
  },
  {
    kind: "rke2",
    manager: "/usr/local/bin/systemctl",
    text: `case $* in
      '--quiet is-active rke2-server') ;;
      'restart rke2-server') ${restart} ;;
      *) exit 1 ;;
    esac`,
  },
])("a machine with $kind, which $manager restarts", ({ kind, manager, text }) => {
  const yaml = `/etc/rancher/${kind}/registries.yaml`;
  let machine: Machine;
  let before: string;

  const apply = async (overrides: Partial<ClientScriptValues> = {}) =>
    (await machine.exec("sh -s", { stdin: script(overrides) })).stdout;
  const restarts = async () => (await machine.exec("cat /var/log/restarts || :")).stdout;

  beforeAll(async () => {
    machine = await startMachine({ network, kind: "plain" });
    await machine.exec(
      `mkdir -p /etc/rancher/${kind} /run/k3s/containerd
      touch /run/k3s/containerd/containerd.sock
      [ ${kind} = k3s ] || mkdir -p /run/systemd/system
      cat >${manager}; chmod 755 ${manager}; sleep 0.02`,
      { stdin: `#!/bin/sh\n${text}\n` },
    );
    before = await listing(machine);
  });
  afterAll(() => machine.stop());

  it("has registries.yaml, and is restarted once", async () => {
    const said = await apply({ hosts: ["hub.test"] });
    expect(said).toContain(`${kind}: trusts hub.test, hub.test:443; not proved: `);
    const ca = "/var/lib/private-registry/private-registry-test/ca.crt";
    expect((await machine.exec(`cat ${yaml}`)).stdout).toBe(`configs: # private-registry
# BEGIN private-registry private-registry-test
  "hub.test":
    tls:
      ca_file: ${ca}
  "hub.test:443":
    tls:
      ca_file: ${ca}
# END private-registry private-registry-test
`);
    expect(await apply({ hosts: ["hub.test"] })).toBe(said);
    expect(await restarts()).toBe("restarted\n");
  });

  it("is restarted after a change, unless nothing can", async () => {
    await machine.exec(`mv ${manager} /manager`);
    const hint = `${kind}: restart it, so that it reads ${yaml}\n`;
    expect(await apply()).toContain(hint);
    expect(await apply()).toContain(hint);
    await machine.exec(`mv /manager ${manager}`);
    expect(await apply()).not.toContain(hint);
    expect(await restarts()).toBe("restarted\nrestarted\n");
  });

  it("is byte for byte as before once the registry is removed", async () => {
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(await listing(machine)).toBe(before);
  });

  it("keeps a registries.yaml that it does not understand, and says what to add until it is there", async () => {
    await machine.exec(`echo '"configs":' >${yaml}`);
    const theirs = await listing(machine);
    const said = await apply({ hosts: ["hub.test"] });
    const lines = /then restart .*:\n((?: .*\n)+)/.exec(said)?.[1] ?? "";
    expect(lines).toContain('"hub.test:443":\n    tls:\n      ca_file: /var/lib');
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(await listing(machine)).toBe(theirs);
    await machine.exec(`cat >>${yaml}`, { stdin: lines });
    expect(await apply()).toContain(`${kind}: trusts hub.test, `);
    await machine.exec("sh -s -- remove", { stdin: script() });
  });

  it("is left alone when other runtimes are asked for", async () => {
    expect(await apply({ runtimes: ["docker"] })).not.toContain(kind);
    await machine.exec("sh -s -- remove", { stdin: script() });
  });
});

describe("a machine with MicroK8s", () => {
  const folder = "/var/snap/microk8s/current/args/certs.d";
  let machine: Machine;

  beforeAll(async () => {
    machine = await startMachine({ network, kind: "plain" });
    await machine.exec(
      `mkdir -p ${folder}/docker.io && echo theirs >${folder}/docker.io/hosts.toml`,
    );
  });
  afterAll(() => machine.stop());

  it("has a hosts.toml in MicroK8s' own folder until it is removed", async () => {
    const before = await machine.exec(`find ${folder}`);
    const { stdout } = await machine.exec("sh -s", { stdin: script({ hosts: ["hub.test"] }) });
    expect(stdout).toContain("microk8s: trusts hub.test, hub.test:443; not proved: it");
    const { stdout: file } = await machine.exec(`cat ${folder}/hub.test:443/hosts.toml`);
    expect(file).toContain('[host."https://hub.test:443"]\n');
    await machine.exec("sh -s -- remove", { stdin: script() });
    expect(await machine.exec(`find ${folder}`)).toEqual(before);
  });
});
