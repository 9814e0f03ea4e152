/** The real Docker command line with logins of its own, here or on a client machine. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { quote } from "../../components/render/shell";
import type { Machine } from "./machine";

export interface Said {
  exitCode: number;
  /** Standard output and standard error. */
  output: string;
}

/** A place to type docker commands at. */
export interface DockerCli {
  /** Runs `docker <args>`. */
  docker(...args: string[]): Promise<Said>;
  /** Logs in as one who types the password. */
  login(registry: string, name: string, password: string): Promise<Said>;
  /** Removes the logins. */
  remove(): Promise<void>;
}

/** This machine's docker. The user's own logins are neither used nor changed. */
export async function localDocker(): Promise<DockerCli> {
  const config = await mkdtemp(join(tmpdir(), "private-registry-test-docker-"));
  const run = async (args: string[], input = ""): Promise<Said> => {
    const env = { DOCKER_CONFIG: config };
    const { exitCode = -1, all } = await execa("docker", args, {
      ...{ env, input, all: true, reject: false, timeout: 120_000 },
    });
    return { exitCode, output: all };
  };
  return {
    docker: (...args) => run(args),
    login: (registry, name, password) =>
      run(["login", registry, "--username", name, "--password-stdin"], password),
    remove: () => rm(config, { recursive: true, force: true }),
  };
}

/** A client machine's docker, for one of its users' logins. */
export function machineDocker(machine: Machine): DockerCli {
  const run = async (args: string[], stdin = ""): Promise<Said> => {
    const command = ["docker", ...args].map(quote).join(" ");
    const said = await machine.exec(command, { stdin, reject: false });
    return { exitCode: said.exitCode, output: said.stdout + said.stderr };
  };
  return {
    docker: (...args) => run(args),
    login: (registry, name, password) =>
      run(["login", registry, "--username", name, "--password-stdin"], password),
    remove: async () => {
      await machine.exec("rm -rf ~/.docker");
    },
  };
}
