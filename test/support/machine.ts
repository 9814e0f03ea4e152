import { randomBytes } from "node:crypto";
import { execa } from "execa";
import { quote } from "../../components/render/shell";
import { machineImage, type MachineKind } from "./machine-image";

/** What to start. Everything has a default: a machine with Docker that root logs in to by key. */
export interface MachineOptions {
  /** @default "docker" - with its dockerd running */
  kind?: MachineKind;
  /**
   * The container's name, and the machine's own.
   *
   * @default - one that no other has
   */
  name?: string;
  /**
   * A Docker network that the machine is in.
   *
   * @default - Docker's default bridge
   */
  network?: string;
  /**
   * Who logs in over SSH. Any other than `root` is made, with sudo as `sudo` says.
   *
   * @default "root"
   */
  user?: string;
  /** @default 22 */
  sshPort?: number;
  /**
   * What the user may do with sudo: everything, everything with the password {@link userPassword},
   * or nothing.
   *
   * @default "passwordless"
   */
  sudo?: "passwordless" | "password" | "none";
  /** More arguments for `docker run`, such as `--add-host`. */
  runArguments?: readonly string[];
}

/** The password of a machine's user, for SSH and for sudo. */
export const userPassword = "open sesame";

export interface ExecOptions {
  stdin?: string;
  /** @default "root" */
  user?: string;
  /**
   * Whether an exit code other than 0 is an error.
   *
   * @default true
   */
  reject?: boolean;
}

export interface ExecResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

/** A running client machine: a container with sshd and, by kind, a container runtime of its own. */
export interface Machine {
  /** The container's name. */
  readonly name: string;
  /** The machine's IPv4 address in its network. */
  readonly ip: string;
  /** Its IPv6 address there; empty in a network without. */
  readonly ipv6: string;
  /** Who logs in. */
  readonly user: string;
  /** An OpenSSH private key that the user logs in with. */
  readonly sshPrivateKey: string;
  /** The public host key in authorized_keys form. */
  readonly hostKey: string;
  /** Runs a line of shell on the machine, without SSH. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /** Removes the machine and all that is on it; it may be called twice. */
  stop(): Promise<void>;
}

/** Enough for a container runtime inside the container, where `--privileged` cannot be had. */
const nestedContainers = [
  ...["--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"],
  ...["--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"],
];

/** Where the runtimes keep images, which cannot be in another overlay. */
const imageFolders: Record<MachineKind, string | undefined> = {
  busybox: undefined,
  containerd: "/var/lib/containerd",
  "containerd-2": "/var/lib/containerd",
  docker: "/var/lib/docker",
  podman: "/var/lib/containers",
  plain: undefined,
};

/**
 * Starts a machine and waits until its sshd, and its dockerd or containerd if it has one, answer.
 *
 * The caller stops it in a `finally` or an `afterAll`.
 */
export async function startMachine(options: MachineOptions = {}): Promise<Machine> {
  const { kind = "docker", user = "root", sshPort = 22, sudo = "passwordless" } = options;
  const image = await machineImage(kind);
  const imageFolder = imageFolders[kind];
  const name = options.name ?? `private-registry-test-${randomBytes(4).toString("hex")}`;
  await execa("docker", [
    ...["run", "--detach", "--init", "--name", name, "--hostname", name],
    ...["--label", "private-registry-test=machine", "--env", `SSH_PORT=${sshPort}`],
    ...(options.network === undefined ? [] : ["--network", options.network]),
    ...(imageFolder === undefined ? [] : [...nestedContainers, "--volume", imageFolder]),
    ...(options.runArguments ?? []),
    ...[image, "sh", "-c", boot[kind]],
  ]);

  const exec = async (command: string, { stdin, user, reject = true }: ExecOptions = {}) => {
    const result = await execa(
      "docker",
      ["exec", "--interactive", "--user", user ?? "root", name, "sh", "-c", command],
      { input: stdin ?? "", reject: false, stripFinalNewline: false },
    );
    if (reject && result.exitCode !== 0) {
      throw new Error(
        `${name}: exit code ${result.exitCode ?? "none"} from: ${command}\n` +
          result.stdout +
          result.stderr,
      );
    }
    return { stdout: result.stdout, stderr: result.stderr, exitCode: result.exitCode ?? -1 };
  };
  const stop = async () => {
    await execa("docker", ["rm", "--force", "--volumes", name], { reject: false });
  };

  try {
    await exec(waitUntilUp);
    if (kind === "docker") {
      await exec(waitForDocker);
    }
    if (kind === "containerd" || kind === "containerd-2") {
      await exec(waitForContainerd);
    }
    if (user !== "root") {
      await exec(makeUser(user, sudo));
    }
    const server = kind === "busybox" ? dropbear : openssh;
    const { stdout: sshPrivateKey } = await exec(server.authorizeNewKey, { user });
    const { stdout: hostKey } = await exec(server.printHostKey);
    const { stdout: addresses } = await execa("docker", [
      ...["inspect", "--format"],
      "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}",
      name,
    ]);
    const [ip = "", ipv6 = ""] = addresses.split(" ");
    return { name, ip, ipv6, user, sshPrivateKey, hostKey: hostKey.trim(), exec, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** All that the clients' script may touch on a machine: every name, mode, owner and content. */
export async function listing(machine: Machine): Promise<string> {
  const { stdout } = await machine.exec(
    "find /etc /usr/local /var/lib/private-registry /root /home /tmp 2>/dev/null | LC_ALL=C sort | " +
      'while read -r path; do stat -c "%A %U:%G %n" "$path"; ' +
      '[ ! -f "$path" ] || sha256sum <"$path"; done',
  );
  return stdout;
}

/** An SSH server, in lines of shell. */
interface SshServer {
  start: string;
  /** Prints the public host key. */
  printHostKey: string;
  /** Prints a new private key that the user logs in with, and keeps none on the machine. */
  authorizeNewKey: string;
}

const openssh: SshServer = {
  start: `
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
mkdir -p /run/sshd
/usr/sbin/sshd -D -e -p "$SSH_PORT" 2>/var/log/sshd.log &
`,
  printHostKey: "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub",
  authorizeNewKey: `set -e
cd; umask 077; mkdir -p .ssh
ssh-keygen -q -t ed25519 -N '' -C '' -f .ssh/new
cat .ssh/new.pub >>.ssh/authorized_keys
cat .ssh/new; rm .ssh/new .ssh/new.pub`,
};

const dropbear: SshServer = {
  start: `
mkdir /etc/dropbear
dropbearkey -t ed25519 -f /etc/dropbear/dropbear_ed25519_host_key
dropbear -F -E -p "$SSH_PORT" -P /run/sshd.pid 2>/var/log/sshd.log &
`,
  printHostKey:
    "dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key | grep ^ssh- | cut -d' ' -f1,2",
  authorizeNewKey: `set -e
cd; umask 077; mkdir -p .ssh
dropbearkey -t ed25519 -f .ssh/new | grep ^ssh- >>.ssh/authorized_keys
dropbearconvert dropbear openssh .ssh/new .ssh/new.openssh
cat .ssh/new.openssh; rm .ssh/new .ssh/new.openssh`,
};

const startContainerd = `${openssh.start}containerd >/var/log/containerd.log 2>&1 & wait`;

const boot: Record<MachineKind, string> = {
  busybox: `${dropbear.start}exec sleep infinity`,
  containerd: startContainerd,
  "containerd-2": startContainerd,
  docker: `${openssh.start}dockerd >/var/log/dockerd.log 2>&1 & wait`,
  podman: `${openssh.start}exec sleep infinity`,
  plain: `${openssh.start}exec sleep infinity`,
};

const waitUntilUp = `
for i in $(seq 100); do
  [ -s /run/sshd.pid ] && exit
  sleep 0.1
done
echo 'sshd does not start:'; cat /var/log/sshd.log; exit 1`;

const waitForContainerd = `
for i in $(seq 300); do
  ctr version >/dev/null 2>&1 && exit
  sleep 0.1
done
echo 'containerd does not start:'; tail -n 20 /var/log/containerd.log; exit 1`;

const waitForDocker = `
for i in $(seq 300); do
  docker version >/dev/null 2>&1 && exit
  sleep 0.1
done
echo 'dockerd does not start:'; tail -n 20 /var/log/dockerd.log; exit 1`;

function makeUser(user: string, sudo: NonNullable<MachineOptions["sudo"]>): string {
  const rule = { passwordless: "NOPASSWD: ALL", password: "ALL", none: undefined }[sudo];
  return `set -e
useradd --create-home --shell /bin/bash ${quote(user)}
echo ${quote(`${user}:${userPassword}`)} | chpasswd
${rule === undefined ? "" : `echo ${quote(`${user} ALL=(ALL) ${rule}`)} >/etc/sudoers.d/client`}`;
}
