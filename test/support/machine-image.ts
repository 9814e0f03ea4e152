import { createHash } from "node:crypto";
import { execa } from "execa";

/**
 * What a machine has on it. Every kind but `busybox` also has sshd, sudo, curl and CA certificates.
 *
 * `containerd` is of this machine's own release, `containerd-2` of Debian's newest; `plain` has no
 * container runtime. `busybox` has nothing but busybox, dropbear and skopeo.
 */
export type MachineKind = "busybox" | "containerd" | "containerd-2" | "docker" | "podman" | "plain";

const commonPackages = ["ca-certificates", "curl", "openssh-server", "openssl", "sudo"];

const packages: Record<MachineKind, readonly string[]> = {
  busybox: ["busybox-static", "dropbear-bin", "skopeo"],
  containerd: ["containerd"],
  "containerd-2": ["containerd"],
  docker: ["docker.io", "iptables"],
  podman: ["podman", "skopeo"],
  plain: ["busybox-static", "fish", "p11-kit", "p11-kit-modules", "wget"],
};

/** Debian's suite for a kind that needs another than this machine's own. */
const suites: Partial<Record<MachineKind, string>> = { "containerd-2": "sid" };

/**
 * The image of machines of `kind`: a Debian or Ubuntu root made by debootstrap from this machine's
 * own package sources, since no image can be pulled in a closed network. Built once for one list
 * of packages and recipe, then found by its tag.
 *
 * @throws if debootstrap is missing or fails
 */
export async function machineImage(kind: MachineKind): Promise<string> {
  const tag = tagOf(kind);
  if (await hasMachineImage(kind)) {
    return tag;
  }
  const debootstrap = await execa("sh", ["-c", "command -v debootstrap"], { reject: false });
  if (debootstrap.exitCode !== 0) {
    throw new Error(
      "debootstrap: expected it on the PATH, to build the client machines' image; " +
        "install it with: apt-get install -y debootstrap",
    );
  }
  const began = Date.now();
  process.stderr.write(`building the image of "${kind}" client machines: about a minute, once\n`);
  const built = await execa("sh", ["-s", "--", tag, packagesOf(kind).join(" ")], {
    input: recipe(kind),
    all: true,
    reject: false,
  });
  if (built.exitCode !== 0) {
    throw new Error(`building ${tag}: exit code ${built.exitCode ?? "none"}\n${built.all}`);
  }
  const seconds = Math.round((Date.now() - began) / 1000);
  process.stderr.write(`built ${tag} in ${seconds} s\n`);
  return tag;
}

/** Whether the image of machines of `kind` is built. */
export async function hasMachineImage(kind: MachineKind): Promise<boolean> {
  const found = await execa("docker", ["image", "inspect", tagOf(kind)], { reject: false });
  return found.exitCode === 0;
}

function packagesOf(kind: MachineKind): string[] {
  return [...(kind === "busybox" ? [] : commonPackages), ...packages[kind]].sort();
}

function tagOf(kind: MachineKind): string {
  const hash = createHash("sha256").update(recipe(kind)).update(packagesOf(kind).join());
  return `private-registry-test/client-${kind}:${hash.digest("hex").slice(0, 12)}`;
}

/** $1 is the tag, $2 the packages. */
function recipe(kind: MachineKind): string {
  const suite = suites[kind];
  return `
set -eu
root=$(mktemp -d)
chmod 755 "$root"
trap 'rm -rf "$root"' EXIT

# The first Debian or Ubuntu release that this machine itself installs from.
release=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' \\
  'Created-By: Packages' 'Component: main' |
  awk '($1 == "Debian" || $1 == "Ubuntu") && $2 !~ /-/ { print $2, $3; exit }')
[ -n "$release" ] || { echo "no Debian or Ubuntu release in this machine's apt sources" >&2; exit 1; }
suite=${suite ?? "${release% *}"} mirror=\${release#* }

eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
[ -z "\${http_proxy:-}" ] || export http_proxy
[ -z "\${https_proxy:-}" ] || export https_proxy
debootstrap --variant=minbase --components=main,universe "$suite" "$root" "$mirror"

# apt orders packages better than debootstrap does. No service is to start in the folder.
printf 'exit 101' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$root/etc/resolv.conf"
${
  // A mirror may be a snapshot, whose newest suite counts as out of date after a week.
  suite === undefined
    ? ""
    : "echo 'Acquire::Check-Valid-Until no;' >$root/etc/apt/apt.conf.d/test\n"
}chroot "$root" apt-get update
DEBIAN_FRONTEND=noninteractive chroot "$root" \\
  apt-get install --yes --no-install-recommends $2
rm "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf"

# Each machine makes a host key of its own; the rest is only size.
rm -f "$root"/etc/ssh/ssh_host_*
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/* \\
  "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/*
${kind === "busybox" ? stripped : ""}tar -C "$root" -c . | docker import - "$1"
`;
}

/** Leaves nothing in $root but busybox, dropbear and skopeo with the libraries that they load. */
const stripped = `
chroot "$root" sh -s <<'END'
set -eu
for program in /bin/busybox /usr/sbin/dropbear /usr/bin/dropbearkey /usr/bin/dropbearconvert \\
  /usr/bin/skopeo; do
  for file in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do
    mkdir -p "/bare/\${file%/*}"
    cp -L "$file" "/bare$file"
  done
done
cd /bare
mkdir -p etc/containers proc root run sbin tmp usr/bin usr/sbin var/lib var/log var/tmp
cp /etc/containers/policy.json etc/containers
echo 'root:x:0:0::/root:/bin/sh' >etc/passwd
echo 'root:x:0:' >etc/group
chroot . /bin/busybox --install -s
END
find "$root" -mindepth 1 -maxdepth 1 ! -name bare -exec rm -rf {} +
mv "$root"/bare/* "$root"
rmdir "$root/bare"
`;
