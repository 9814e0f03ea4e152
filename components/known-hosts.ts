import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";

/** Keys that the command provider can ask for; with RSA ones it asks for SHA-1, which sshd refuses. */
const pinnable = /^(ssh-ed25519|ecdsa-sha2-\S+) \S+/;

/**
 * The public host key that this machine's known_hosts files have for another one, in
 * authorized_keys form. OpenSSH reads them, as the names in them may be hashed or patterns.
 *
 * @returns undefined if there is none, or no OpenSSH
 */
export function knownHostKey(host: string, port: number): string | undefined {
  const name = port === 22 ? host : `[${host}]:${port}`;
  return [join(homedir(), ".ssh/known_hosts"), "/etc/ssh/ssh_known_hosts"]
    .flatMap((file) => linesAbout(name, file))
    .map((line) => pinnable.exec(line.replace(/^\S+ /, ""))?.[0])
    .filter((key) => key !== undefined)
    .sort() // the same one whatever the order in the files; ecdsa before ed25519
    .at(-1);
}

/** Lines with a marker (`@revoked`, `@cert-authority`) are of no host's own key. */
function linesAbout(name: string, file: string): string[] {
  const { stdout } = spawnSync("ssh-keygen", ["-F", name, "-f", file], { encoding: "utf8" });
  // No text at all without the program.
  return ((stdout as string | null) ?? "")
    .split("\n")
    .filter((line) => line !== "" && !/^[#@]/.test(line));
}
