import { quote } from "../shell";

/**
 * A script for an ordinary user's shell that runs `script` as root with sudo, its arguments with
 * it. Where sudo refuses, it says so in sudo's own words, with the mend.
 */
export function asRoot(script: string): string {
  return `set -eu
# shellcheck disable=SC2016 # it is another shell that is to read it
script=${quote(script)}
if words=$(sudo -n sh -c : 2>&1); then
  printf '%s' "$script" | sudo -n sh -s -- "$@"
else
  user=$(id -un)
  printf 'private-registry: %s cannot become root without a password: %s; %s\\n' "$user" "$words" \\
    "allow it with the line '$user ALL=(ALL) NOPASSWD: ALL' in a file of /etc/sudoers.d, or set this client's user to root" >&2
  exit 1
fi
`;
}
