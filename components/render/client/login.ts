/**
 * Leaves the machine logged in: Docker and podman by their own `login`, for the user who logs in
 * there over SSH; containerd and k3s, which pull for everybody on the machine, by the files that
 * they are set up with.
 *
 * In the manifest, `credentials PROGRAM ACCOUNT` is a file that is put back, and
 * `login PROGRAM ACCOUNT USER REGISTRY` one login in it.
 */
export const login = `# --- Login ---

# Who keeps logins with what: "docker:ops".
keepers=
# What ends a command that hangs, where there is a program for that.
limit=

# Sets $user to the ordinary user who has become root for this, or else to root, with $uid.
find_user() {
  user=\${SUDO_USER:-\${DOAS_USER:-root}}
  case $user in
    -* | *[!A-Za-z0-9._-]*) user=root ;;
  esac
  if ! uid=$(id -u "$user" 2>/dev/null); then
    user=root
    uid=0
  fi
  # busybox had other options once.
  ! timeout 5 true 2>/dev/null || limit='timeout 60'
}

home_of() {
  eval "printf '%s' ~$1"
}

# USER COMMAND: runs a line of shell as that user, for at most a minute.
run_as() {
  set -- "$1" "PATH=\\$PATH:\\$HOME/bin:\\$HOME/.local/bin
$2"
  if [ "$1" = root ]; then
    # shellcheck disable=SC2086 # words
    (unset XDG_RUNTIME_DIR && HOME=$(home_of root) && export HOME && exec $limit sh -c "$2")
  else
    # The limit is inside, as su begins a session of its own.
    (
      XDG_RUNTIME_DIR=/run/user/$(id -u "$1")
      export XDG_RUNTIME_DIR
      [ -d "$XDG_RUNTIME_DIR" ] || unset XDG_RUNTIME_DIR
      command_line=$2
      export command_line
      exec su -s /bin/sh -c "exec $limit sh -c \\"\\$command_line\\"" "$1"
    )
  fi
}

# HOST: as images are named, without the port where that is the usual one.
image_host() {
  case $1 in
    *:*) set -- "[$1]" ;;
  esac
  [ "$port" = 443 ] || set -- "$1:$port"
  printf '%s' "$1"
}

# Sets $podman to a program that keeps its logins where podman does.
find_podman() {
  for podman in podman skopeo buildah; do
    ! command -v "$podman" >/dev/null || return 0
  done
  return 1
}

# Sets $docker to the command for the engine that $account uses.
find_docker() {
  docker=docker
  if [ "$account" = "$user" ] && [ -S "/run/user/$uid/docker.sock" ]; then
    docker="PATH=\\"\\$PATH:\\$HOME/bin\\" DOCKER_HOST=unix:///run/user/$uid/docker.sock docker"
  fi
}

want_logins() {
  [ -n "$login_user" ] || return 0
  if in_use docker && { has_rootless_docker || command -v docker >/dev/null; }; then
    want_login docker "$(docker_account)"
  fi
  if in_use podman && find_podman; then
    want_login podman "$user"
    want_login_before podman-run
    want_login_before podman-session
  fi
}

# Who must be root to use Docker is logged in as root.
docker_account() {
  if [ -S "/run/user/$uid/docker.sock" ] || run_as "$user" '[ -w /var/run/docker.sock ]'; then
    printf '%s' "$user"
  else
    printf root
  fi
}

# PROGRAM: a login in a file where podman looks first hides that of this script, so it gives way.
want_login_before() {
  read_credentials "$1" "$user" || exit 1
  [ "$exists" = yes ] || return 0
  for host in $hosts; do
    holder=$(user_at "$(image_host "$host")")
    [ -n "$holder" ] || continue
    if [ "$holder" != "$login_user" ]; then
      say "podman: $user is logged in at $(image_host "$host") as $holder in $file, which goes" \\
        "before the other; that login is back once this one is removed"
    fi
    want_login "$1" "$user"
    return
  done
}

# PROGRAM ACCOUNT
want_login() {
  find_credentials "$1" "$2"
  want_folder "\${file%/*}"
  if [ "$command" = apply ]; then
    settle_credentials "$1" "$2" || exit 1
    for own_host in $hosts; do
      keep_helped_login "$(image_host "$own_host")" || exit 1
    done
    # The first version had no such file: none means that it is not known which logins are its own.
    includes "$made" "credentials $1 $2" || keep "$kept.own" '' 600 || exit 1
  fi
  want credentials "$1 $2"
  for own_host in $hosts; do
    want login "$1 $2 $login_user $(image_host "$own_host")"
  done
  keepers="$keepers $1:$2"
}

# Logs in at every host that answers.
log_in() {
  for keeper in $keepers; do
    for own_host in $proved; do
      log_in_at "\${keeper%%:*}" "\${keeper#*:}" "$(image_host "$own_host")"
    done
    [ "$command" = apply ] || continue
    case $keeper in
      podman-*) say "podman: \${keeper#*:} is logged in as $login_user in $file too" ;;
      *) say "\${keeper%%:*}: \${keeper#*:} is logged in as $login_user" ;;
    esac
  done
}

# PROGRAM ACCOUNT REGISTRY
log_in_at() {
  if [ "$command" = check ]; then
    read_credentials "$1" "$2" || exit 1
    holder=$(user_at "$3")
    if [ "$holder" != "$login_user" ]; then
      noted "\${1%-*}: $2 is not logged in at $3\${holder:+ as $login_user, but as $holder}" || :
    fi
    return
  fi
  settle_credentials "$1" "$2" || exit 1
  was=$now
  find_podman || :
  find_docker
  case $1 in
    docker) client_program=docker by="$docker login" ;;
    *) client_program=$podman by="$podman login --authfile '$file'" ;;
  esac
  refused=no
  said=$(printf '%s\\n' "$login_password" |
    run_as "$2" "$by --username '$login_user' --password-stdin '$3'" 2>&1) || refused=yes
  read_credentials "$1" "$2" || exit 1
  if [ "$exists" = yes ]; then
    keep_only_entry "$3" && keep_sum || exit 1
    [ "$refused" = yes ] || keep_own "$3" || exit 1
  fi
  if [ "$refused" = yes ]; then
    said=$(printf '%s' "$said" | grep -v '^WARNING' | tail -n 1)
    fail "$3: $2 cannot log in as $login_user with $client_program: $said; mend that, or take login" \\
      "or \\"\${1%-*}\\" out of this client's settings"
  fi
}

# REGISTRY: programs write the whole file anew, without what they do not know. Of that, only the new
# entry is to be in the file that there $was. Where a helper keeps logins, they may have chosen it.
keep_only_entry() {
  merged=$now
  entry=$(member "$now" '"auths"' "$1") || :
  case $entry in
    '') ;;
    "$(member "$was" '"auths"' "$1")") merged=$was ;;
    *'"auth":'*)
      if [ -n "$was" ] && merged=$(edit_json "$was" put "$1" "$entry" && echo x); then
        merged=\${merged%x}
      else
        merged=$now
      fi
      ;;
  esac
  write_credentials "$merged" u=rw,g=,o=
}

# PROGRAM ACCOUNT USER REGISTRY: takes that login away; one that somebody else has made since stays.
log_out() {
  settle_credentials "$1" "$2" || return
  [ "$exists" = yes ] || return 0
  log_out_of_helper "$3" "$4" || return
  was=$now
  drop_login "$3" "$4" || return
  [ "$now" = "$was" ] || write_credentials "$now" "$(mode_of "$file")" || return
  keep_sum
}
`;
