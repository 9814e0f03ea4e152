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
    : >/etc/hosts
  elif includes "$made" 'empty /etc/hosts'; then
    want empty /etc/hosts
  fi
  want hosts /etc/hosts
  write_hosts_block /etc/hosts "$lines"
  # shellcheck disable=SC2086 # a list of words
  say "hosts: $(commas $address_names) at $address"
}

# Programs in Go, as all these runtimes are, may go by the names that they read up to 5 s before.
await_hosts() {
  if [ "$hosts_changed" = yes ] && [ "$daemon" = yes ]; then
    sleep 5
  fi
}

# FILE LINE: the numbers of such lines.
line_numbers() {
  grep -nxF -e "$2" "$1" | cut -d : -f 1
}

# FILE LINES: puts a block of the lines where the one before was, or on top; without lines, takes
# it out. On top, it goes before older lines for the same names, and the last line may lack its end.
write_hosts_block() {
  [ -e "$1" ] || return 0
  begin="# BEGIN private-registry $name"
  end="# END private-registry $name"
  block=\${2:+$begin$newline$2$end$newline}
  begins=$(line_numbers "$1" "$begin")
  ends=$(line_numbers "$1" "$end")
  before=0
  after=1
  if [ -n "$begins$ends" ]; then
    case $begins:$ends in
      *[!0-9:]* | :* | *:) false ;;
      *) [ "$begins" -lt "$ends" ] ;;
    esac || {
      # shellcheck disable=SC2086 # lists of numbers
      complain "$1: expected one line \\"$begin\\" with one line \\"$end\\" below it, got such lines" \\
        "at \\"$(commas $begins)\\" and \\"$(commas $ends)\\"; delete them and what is between them," \\
        'then run this again'
      return 1
    }
    if [ "$(head -n "$ends" "$1" | tail -n "+$begins")$newline" = "$block" ]; then
      return
    fi
    before=$((begins - 1))
    after=$((ends + 1))
  fi
  hosts_changed=\${2:+yes}
  new=$state/hosts.new
  { head -n "$before" "$1" && printf '%s' "$block" && tail -n "+$after" "$1"; } >"$new" &&
    overwrite "$1" "$new" &&
    rm "$new"
}

same_bytes() {
  [ "$(cat "$1" && echo .)" = "$(cat "$2" && echo .)" ]
}

# FILE NEW: gives the file the new bytes, in place and in one go: it may be a bind mount, and keeps
# its mode, owner and labels.
overwrite() {
  old=$state/hosts.old
  cat "$1" >"$old" || return
  if ! cat "$2" >"$1"; then
    cat "$old" >"$1" 2>/dev/null || :
    if same_bytes "$1" "$old"; then
      rm "$old"
      complain "$1: cannot be written, as the line above says;" \\
        'make it writable, or set hostsEntry to false for this client'
    else
      complain "$1: was not written in full, as the line above says; all it held is in $old"
    fi
    return 1
  fi
  rm "$old"
}
`;
