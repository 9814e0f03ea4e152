/** The commands. */
export const main = `# --- The commands ---

# RUNTIME HERE: whether to set it up. One that is asked for by name may be installed later.
chosen() {
  later=
  if [ -n "$runtimes" ]; then
    [ "$2" = yes ] || later='; not installed yet'
    case " $runtimes " in
      *" $1 "*) return 0 ;;
      *) return 1 ;;
    esac
  elif [ "$2" = no ]; then
    absent="$absent $1"
    return 1
  fi
}

# RUNTIME: one that is there has to prove it (see prove_pulls).
say_trusts() {
  if [ -z "$later" ]; then
    to_prove="$to_prove$1$newline"
  elif [ -n "$ca_pem" ]; then
    say "$1: trusts $names$later"
  fi
}

# RUNTIME: whether it is there and set up.
in_use() {
  case "$used " in
    *" $1 "*) return 0 ;;
    *) return 1 ;;
  esac
}

apply() {
  # A first run that fails leaves nothing behind: nobody would know that it has to be removed.
  [ -f "$state/manifest" ] || undo_on_failure=yes
  mkdir -p "$state"
  bring_up_to_date
  prove
  restart_containerd
  restart_rancher
  await_hosts
  log_in
  prove_pulls
}

# Goes the same way, and only notes what is not as it should be.
check() {
  bring_up_to_date
  if [ -z "$found" ]; then
    prove
    log_in
  fi
  IFS=$newline
  for line in $found; do
    say "changed: $line"
  done
  unset IFS
}

bring_up_to_date() {
  sign
  [ -z "$ca_pem" ] || place "$state/ca.crt" "$ca_pem"
  set_up_runtimes
  set_up_system_store
  set_up_hosts
  want_logins
  keep_logins
  forget_unwanted
  refresh_system_store
  write_choices
  write_manifest
  [ -z "$left" ] || exit 1
  tell_of_manager
}

# Says whose set-up this is.
sign() {
  if [ -z "$client" ] || [ "$(signer)" = "$client" ] || noted "$state/client"; then
    return
  fi
  printf '%s\\n' "$client" >"$state/client"
}

signer() {
  cat "$state/client" 2>/dev/null || :
}

set_up_runtimes() {
  absent=
  used=
  daemon=no
  # shellcheck disable=SC2086 # lists of words
  names=$(commas $registries)
  if [ -z "$ca_pem" ]; then
    say 'runtimes: no CA to give them; this machine is expected to know the issuer already'
    [ -n "$login_user" ] || return 0
  fi
  if docker_is_here; then here=yes; else here=no; fi
  if { [ "$here" = yes ] || ! has_rootless_docker; } && chosen docker "$here"; then
    [ "$here" = no ] || used="$used docker"
    set_up_docker
    daemon=$here
    say_trusts docker
  fi
  case " \${runtimes:-docker} " in
    *' docker '*)
      set_up_rootless_docker
      tell_of_builders
      ;;
  esac
  if podman_is_here; then here=yes; else here=no; fi
  if chosen podman "$here"; then
    [ "$here" = no ] || used="$used podman"
    set_up_podman
    say_trusts podman
  fi
  if containerd_is_here; then here=yes; else here=no; fi
  if chosen containerd "$here"; then
    [ "$here" = no ] || used="$used containerd"
    set_up_containerd
    say_trusts containerd
    tell_of_containerd
  fi
  case " \${runtimes:-containerd} " in
    *' containerd '*)
      set_up_microk8s
      set_up_rancher
      ;;
  esac
  # shellcheck disable=SC2086 # a list of words
  [ -z "$absent" ] || say "not in use: $(commas $absent)"
}

remove() {
  if [ "$made" = "$newline" ]; then
    say 'nothing to remove'
    return
  fi
  # The same machine under another name or address, by which it has been set up since.
  other=$(signer)
  if [ -n "$client" ] && [ -n "$other" ] && [ "$other" != "$client" ]; then
    say "left as it is: it was set up as $other since"
    return
  fi
  if [ -z "$client" ] && [ -n "$other" ]; then
    say "managed by Pulumi as $other, which may set this machine up again: take it out of the clients there"
  fi
  forget_unwanted
  refresh_system_store
  write_manifest
  [ -z "$left" ] || exit 1
  say 'removed'
}

on_exit() {
  status=$?
  trap - EXIT
  # Whoever heard what this says may be gone.
  trap '' PIPE
  set +e
  show_typing
  [ -z "$unfinished" ] || rm -f "$unfinished"
  if [ -n "$locked" ]; then
    rm -f "$state/file.new"
    rm -rf "$scratch"
  fi
  if [ "$status" -ne 0 ] && [ "$undo_on_failure" = yes ]; then
    # In bash, a bare "return" in a trap returns the status from before the trap; not so in a subshell.
    (undo)
  fi
  release_lock
  exit "$status"
}

undo() {
  complain 'this first set-up failed, so what it had made is taken away again'
  read_manifests
  wanted=$newline
  left=
  forget_unwanted
  refresh_system_store
  write_manifest
}

main() {
  parse_arguments "$@"
  [ "$(id -u)" -eq 0 ] || fail "$(id -un) cannot change /etc: run this as root, such as with sudo"
  for folder in /etc /var/lib; do
    [ -w "$folder" ] || fail "$folder cannot be written: mount it writable"
  done
  undo_on_failure=no
  trap on_exit EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 141' PIPE
  trap 'exit 143' TERM
  ask_password
  # No command can read on in the script, which may be standard input.
  run_command </dev/null
}

run_command() {
  take_lock
  recover_files
  read_manifests
  find_user
  show_host_key
  say "$heading"
  adopt
  [ "$command" = remove ] || keep_choices
  case $command in
    apply) apply ;;
    check) check ;;
    remove) remove ;;
  esac
}
`;
