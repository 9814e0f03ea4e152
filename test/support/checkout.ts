/** A checkout of its own, with the commands of package.json, its own state and Pulumi home. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execa } from "execa";
import { parse, stringify } from "yaml";
import type { Settings } from "./deployment";

const project = resolve(import.meta.dirname, "../..");

const files = [
  ...["Pulumi.yaml", "index.ts", "package.json", "package-lock.json", "tsconfig.json"],
  ...["components", "scripts", "toolchain"],
];

export interface Ended {
  exitCode: number | undefined;
  /** Standard output and standard error. */
  output: string;
}

export interface CheckoutOptions {
  /** Of another checkout, for two that know nothing of each other. @default - a new one */
  stackName?: string;
  /** Added to the environment of every command. */
  environment?: Record<string, string>;
  /**
   * Whether Pulumi's home has no plugins in it.
   *
   * @default false
   */
  isFirst?: boolean;
}

export class Checkout {
  private constructor(
    readonly folder: string,
    public stackName: string,
    private readonly environment: Record<string, string>,
    /** What labels the stack's objects on the engine. */
    readonly installation = `private-registry-${stackName}-registry`,
  ) {}

  static async create({
    environment = {},
    isFirst,
    stackName = `test-${randomBytes(4).toString("hex")}`,
  }: CheckoutOptions = {}): Promise<Checkout> {
    const folder = await mkdtemp(join(tmpdir(), "private-registry-test-"));
    try {
      for (const file of files) {
        await cp(join(project, file), join(folder, file), { recursive: true });
      }
      await symlink(join(project, "node_modules"), join(folder, "node_modules"));
      const home = process.env.PULUMI_HOME ?? join(homedir(), ".pulumi");
      await mkdir(join(folder, "home"));
      for (const shared of isFirst === true ? [] : ["plugins", "bin"]) {
        await symlink(join(home, shared), join(folder, "home", shared));
      }
      return new Checkout(folder, stackName, environment);
    } catch (error) {
      await rm(folder, { recursive: true });
      throw error;
    }
  }

  /** The stack's whole configuration from now on. */
  async configure(settings: Settings): Promise<void> {
    const file = join(this.folder, `Pulumi.${this.stackName}.yaml`);
    // It also has what belongs to the passphrase.
    const stored = existsSync(file) ? (parse(await readFile(file, "utf8")) as object) : {};
    const config = Object.fromEntries(
      Object.entries(settings).map(([key, value]) => [`private-registry:${key}`, value]),
    );
    await writeFile(file, stringify({ ...stored, config }));
  }

  /** `npm run <command>` in another shell: its environment, and its folder as it is spelled there. */
  async runIn(shell: NodeJS.ProcessEnv, ...command: string[]): Promise<Ended> {
    const { exitCode, all } = await this.start(command, shell);
    return { exitCode, output: all };
  }

  /** `npm run <command>`. */
  async run(...command: string[]): Promise<Ended> {
    const { exitCode, all } = await this.start(command);
    return { exitCode, output: all };
  }

  /**
   * `npm run <command>`; `delayMs` after it has written what matches, it and all that it has started
   * are killed (SIGKILL), unless it has ended before.
   */
  async runUntil(
    { words, delayMs }: { words: RegExp; delayMs: number },
    ...command: string[]
  ): Promise<Ended & { wasKilled: boolean }> {
    const running = this.start(command);
    let written = "";
    let timer: NodeJS.Timeout | undefined;
    running.all.on("data", (text: Buffer) => {
      written += text.toString();
      if (words.test(written)) {
        timer ??= setTimeout(() => killSession(running.pid), delayMs);
      }
    });
    const { exitCode, signal } = await running;
    clearTimeout(timer);
    return { exitCode, output: written, wasKilled: signal === "SIGKILL" };
  }

  /** `pulumi stack rename`. */
  async rename(stackName: string): Promise<void> {
    const { exitCode, all } = await this.start(["pulumi", "stack", "rename", stackName]);
    if (exitCode !== 0) throw new Error(`stack rename:\n${all}`);
    this.stackName = stackName;
  }

  /** The outputs of the last `up`, with the secrets. */
  async outputs(): Promise<{ caCertificate: string; passwords: Record<string, string> }> {
    const asked = ["stack", "output", "--json", "--show-secrets"];
    const { stdout } = await this.start(["pulumi", ...asked]);
    return JSON.parse(stdout) as { caCertificate: string; passwords: Record<string, string> };
  }

  /** Takes everything away. */
  async remove(): Promise<void> {
    const { exitCode, output } = await this.run("down");
    await execa("docker", ["volume", "rm", "--force", `${this.installation}-data`]);
    await rm(this.folder, { recursive: true });
    if (exitCode !== 0) throw new Error(`npm run down:\n${output}`);
  }

  private start(command: readonly string[], shell: NodeJS.ProcessEnv = {}) {
    return execa(process.execPath, ["scripts/bootstrap.cjs", ...command], {
      cwd: this.folder,
      env: {
        PULUMI_HOME: join(this.folder, "home"),
        PULUMI_STACK: this.stackName,
        PWD: this.folder,
        ...this.environment,
        ...shell,
      },
      // A session of its own: providers leave the process group.
      detached: true,
      stdin: "ignore",
      all: true,
      reject: false,
      timeout: 180_000,
    });
  }
}

/** Kills every process of the session that `leader` leads. */
function killSession(leader: number | undefined): void {
  for (;;) {
    const members = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && sessionOf(name) === leader)
      .map(Number);
    if (members.length === 0) return;
    for (const pid of members) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone by itself.
      }
    }
  }
}

/** Of a process that runs; see proc(5), `stat`. */
function sessionOf(pid: string): number | undefined {
  try {
    const [state, , , session] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return state === "Z" ? undefined : Number(session);
  } catch {
    return undefined;
  }
}
