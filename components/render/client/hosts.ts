/** The registry's names in /etc/hosts, in a block that is marked as this script's. */
export const hostsFile = `# --- /etc/hosts ---

# Whether this run has given names an address.
hosts_changed=

set_up_hosts() {
  if [ -z "$address" ] || [ -z "$address_names" ]; then
    return
  fi
  lines=
  for host in $address_names; do
    lines="$lines$address $host$newline"
  done
  if [ ! -e /etc/hosts ]; then
    want empty /etc/hosts
    noted /etc/hosts || : >/etc/hosts
  elif includes "$made" 'empty /etc/hosts'; then
    want empty /etc/hosts
  fi
  want hosts /etc/hosts
  block_changed=
  write_block /etc/hosts "private-registry $name" "$lines"
  hosts_changed=$block_changed
  # shellcheck disable=SC2086 # a list of words
  say "hosts: $(commas $address_names) at $address"
}

# Programs in Go, as all these runtimes are, may go by the names that they read up to 5 s before.
await_hosts() {
  if [ "$hosts_changed" = yes ] && [ "$daemon" = yes ]; then
    sleep 5
  fi
}
`;
