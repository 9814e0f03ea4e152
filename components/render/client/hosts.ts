/** The registry's names in /etc/hosts, in a block that is marked as this script's. */
export const hostsFile = `# --- /etc/hosts ---

set_up_hosts() {
  if [ -z "$address" ] || [ -z "$address_names" ]; then
    return
  fi
  block="# BEGIN private-registry $name$newline"
  for host in $address_names; do
    block="$block$address $host$newline"
  done
  want hosts /etc/hosts
  write_hosts_block /etc/hosts "$block# END private-registry $name$newline"
  # shellcheck disable=SC2086 # a list of words
  say "hosts: $(commas $address_names) at $address"
}

# FILE LINE: the numbers of such lines.
line_numbers() {
  grep -nxF -e "$2" "$1" | cut -d : -f 1
}

# FILE BLOCK: puts the block where the one before it was, or on top; takes it out if it is empty.
# On top, it goes before an older line for the same name, and is safe from a last line without an
# end. The file is written in place, in one go: it may be a bind mount, and keeps its mode, owner
# and labels.
write_hosts_block() {
  if [ ! -e "$1" ]; then
    [ -n "$2" ] || return 0
    want file "$1"
    : >"$1"
  fi
  first=$(line_numbers "$1" "# BEGIN private-registry $name")
  last=$(line_numbers "$1" "# END private-registry $name")
  case $first:$last in
    :) [ -n "$2" ] || return 0 ;;
    *[!0-9:]* | :* | *:)
      fail "$1: expected one pair of the lines '# BEGIN private-registry $name' and" \\
        "'# END private-registry $name', but one is missing or there are more;" \\
        "delete them and what stands between them, and run this again"
      ;;
  esac
  {
    if [ -z "$first" ]; then
      printf '%s' "$2"
      cat "$1"
    else
      head -n "$((first - 1))" "$1"
      printf '%s' "$2"
      tail -n "+$((last + 1))" "$1"
    fi
  } >"$state/hosts.new"
  replace_text "$1" "$state/hosts.new"
}
`;
