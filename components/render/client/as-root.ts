import { quote } from "../shell";

/**
 * A script for an ordinary user's shell that runs `script` as root with sudo, its arguments with
 * it. Where sudo refuses, it says so in sudo's own words, with the mend. Root needs no sudo.
 *
 * @param password What sudo is told when it asks for the user's password. It goes from the shell's
 *   memory to sudo's standard input; the script itself must be kept as secret as it is.
 */
export function asRoot(script: string, password?: string): string {
  return `set -eu
# shellcheck disable=SC2016 # it is another shell that is to read it
script=${quote(script)}
${password === undefined ? "" : withPassword(password)}refuse() {
  user=$(id -un)
  printf 'private-registry: %s cannot become root %s: %s; %s\\n' "$user" "$1" "$words" "$2" >&2
  exit 1
}
if [ "$(id -u)" -eq 0 ]; then
  printf '%s' "$script" | sh -s -- "$@"
elif words=$(sudo -n sh -c : 2>&1); then
  printf '%s' "$script" | sudo -n sh -s -- "$@"
${password === undefined ? refusal : passwordTries}fi
`;
}

const rule = "with the line '$(id -un) ALL=(ALL) NOPASSWD: ALL' in a file of /etc/sudoers.d";

const refusal = `else
  refuse 'without a password' \\
    "allow it ${rule}, or set this client's password (as a secret), or its user to root"
`;

/** The variable is made anew, as one of the session's environment would be handed on to programs. */
function withPassword(password: string): string {
  return `unset password
password=${quote(password)}
`;
}

/**
 * First without the script, as sudo would take its lines for further tries. Then whatever comes
 * before the script is skipped: a sudo that asks for nothing after all leaves the password there.
 * \`-k\` keeps nothing that later commands could use.
 */
const passwordTries = `elif words=$(printf '%s\\n' "$password" | sudo -k -S -p '' sh -c : 2>&1); then
  printf '%s\\n# private-registry\\n%s' "$password" "$script" | sudo -k -S -p '' sh -c '
    while IFS= read -r line; do
      [ "$line" != "# private-registry" ] || exec sh -s -- "$@"
    done
    exit 1' sh "$@"
else
  refuse 'with the password that is set' \\
    "set this client's password to the user's own, or allow it without ${rule}"
`;
