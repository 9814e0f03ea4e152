/**
 * One run at a time on a machine, whichever registry it is for. The lock is a symbolic link, which is
 * made in one go where flock may be missing, and whose target says who has it: a process that is gone
 * has no lock.
 */
export const lock = `# --- One run at a time ---

# The lock that this run has.
locked=

# PROCESS: sets $stamp to what tells it from later ones of the same number; empty if it is gone.
find_stamp() {
  stamp=
  if [ ! -r /proc/self/stat ]; then
    ! kill -0 "$1" 2>/dev/null || stamp=$1.
    return
  fi
  { IFS= read -r words <"/proc/$1/stat"; } 2>/dev/null || return 0
  # The name may hold anything, but ends with the last bracket.
  # shellcheck disable=SC2086 # a list of words, whose twentieth is when it began
  set -- "$1" \${words##*) }
  stamp=$1.\${21}
}

# LOCK: takes it, unless one who lives has it. Only who has the lock of a dead holder may end it.
take() {
  ! ln -sn "$me" "$1" 2>/dev/null || return 0
  holder=$(readlink "$1") || return
  find_stamp "\${holder%%.*}"
  [ "$stamp" != "$holder" ] || return
  set -- "$1" "$holder"
  take "$1.$2" || return
  [ "$(readlink "$1")" != "$2" ] || rm -f "$1"
  rm -f "$1.$2"
  ln -sn "$me" "$1" 2>/dev/null
}

take_lock() {
  find_stamp $$
  me=$stamp
  for folder in /run /var/run /var/lib; do
    if [ -d "$folder" ] && [ -w "$folder" ]; then
      break
    fi
  done
  waited=0
  waits_for=
  until take "$folder/private-registry.lock"; do
    holder=$(readlink "$folder/private-registry.lock") || holder=
    if [ "$holder" != "$waits_for" ]; then
      waits_for=$holder
      waited=0
    fi
    if [ "$waited" -ge 600 ]; then
      [ -n "$holder" ] || fail "$folder/private-registry.lock cannot be made: free the way for it"
      fail "process \${holder%%.*} on this machine is setting up or removing a registry here, and has" \\
        "not ended for 10 minutes; end it, or wait for it, then run this again"
    fi
    sleep 1
    waited=$((waited + 1))
  done
  locked=$folder/private-registry.lock
}

release_lock() {
  [ -z "$locked" ] || rm -f "$locked"
  locked=
}
`;
