/** The two commands. */
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

apply() {
  # A first run that fails leaves nothing behind: nobody would know that it has to be removed.
  [ -f "$state/manifest" ] || undo_on_failure=yes
  mkdir -p "$state"
  [ -z "$ca_pem" ] || place "$state/ca.crt" "$ca_pem"
  set_up_runtimes
  set_up_system_store
  set_up_hosts
  forget_unwanted
  refresh_system_store
  write_manifest
  [ -z "$left" ] || exit 1
  prove
  restart_containerd
  restart_rancher
  await_hosts
}

set_up_runtimes() {
  absent=
  daemon=no
  # shellcheck disable=SC2086 # lists of words
  names=$(commas $registries)
  if [ -z "$ca_pem" ]; then
    say 'runtimes: no CA to give them; this machine is expected to know the issuer already'
    return
  fi
  if docker_is_here; then here=yes; else here=no; fi
  if chosen docker "$here"; then
    set_up_docker
    daemon=$here
    say "docker: trusts $names$later"
  fi
  case " \${runtimes:-docker} " in
    *' docker '*) set_up_rootless_docker ;;
  esac
  if podman_is_here; then here=yes; else here=no; fi
  if chosen podman "$here"; then
    set_up_podman
    say "podman: trusts $names$later"
  fi
  if containerd_is_here; then here=yes; else here=no; fi
  if chosen containerd "$here"; then
    set_up_containerd
    say "containerd: trusts $names$later"
    tell_of_containerd
  fi
  case " \${runtimes:-containerd} " in
    *' containerd '*) set_up_rancher ;;
  esac
  # shellcheck disable=SC2086 # a list of words
  [ -z "$absent" ] || say "not in use: $(commas $absent)"
}

remove() {
  if [ "$made" = "$newline" ]; then
    say 'nothing to remove'
    return
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
  set +e
  [ -z "$unfinished" ] || rm -f "$unfinished"
  rm -f "$state/file.new"
  if [ "$status" -ne 0 ] && [ "$undo_on_failure" = yes ]; then
    complain 'this first set-up failed, so what it had made is taken away again'
    read_manifests
    wanted=$newline
    left=
    forget_unwanted
    refresh_system_store
    write_manifest
  fi
  exit "$status"
}

main() {
  command=\${1:-apply}
  case $command in
    apply | remove) ;;
    *) fail "expected the argument apply or remove, got \\"$command\\"" ;;
  esac
  [ "$(id -u)" -eq 0 ] || fail "$(id -un) cannot change /etc: run this as root, such as with sudo"
  for folder in /etc /var/lib; do
    [ -w "$folder" ] || fail "$folder cannot be written: mount it writable"
  done
  undo_on_failure=no
  trap on_exit EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  read_manifests
  say "$heading"
  case $command in
    apply) apply ;;
    remove) remove ;;
  esac
}
`;
