import { proofReference } from "../proof-image";

/**
 * Leaves the machine logged in: Docker and podman by their own `login`, for the user who logs in
 * there over SSH; containerd and k3s, which pull for everybody on the machine, by the files that
 * they are set up with. Then each pulls a tiny image.
 *
 * In the manifest, `credentials PROGRAM ACCOUNT` is a file that is put back as it was, and
 * `login PROGRAM ACCOUNT USER REGISTRY` one login in it.
 */
export const login = `# --- Login ---

# Who keeps logins with what: "docker:ops".
keepers=
# The home is that of the account.
# shellcheck disable=SC2016
podman_options='--authfile "$HOME/.config/containers/auth.json"'
# The lines "credentials" whose files nobody has changed since this script did.
untouched=$newline

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
}

home_of() {
  eval "printf '%s' ~$1"
}

# USER COMMAND: runs a line of shell as that user.
run_as() {
  if [ "$1" = root ]; then
    HOME=$(home_of root) sh -c "$2"
  else
    su -s /bin/sh -c "$2" "$1"
  fi
}

# PROGRAM ACCOUNT: where it keeps credentials is $file; $copy is of before, $sum the checksum since.
# podman's own default is gone when the machine restarts.
find_credentials() {
  case $1 in
    docker) file=$(docker_home "$2")/.docker/config.json ;;
    podman) file=$(home_of "$2")/.config/containers/auth.json ;;
  esac
  copy=$state/logins/$1-$2.before
  sum=$state/logins/$1-$2.after
}

# HOST: as images are named, without the port where that is the usual one.
image_host() {
  case $1 in
    *:*) set -- "[$1]" ;;
  esac
  [ "$port" = 443 ] || set -- "$1:$port"
  printf '%s' "$1"
}

# Sets $tool to one that keeps its logins where podman does.
find_podman() {
  for tool in podman skopeo buildah; do
    ! command -v "$tool" >/dev/null || return 0
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

want_login() {
  find_credentials "$1" "$2"
  want_folder "\${file%/*}"
  if [ "$command" = apply ]; then
    [ -d "$state/logins" ] || mkdir -m 700 "$state/logins"
    if [ -e "$file" ] && ! includes "$made" "credentials $1 $2"; then
      cp -p "$file" "$copy"
    fi
  fi
  want credentials "$1 $2"
  for host in $hosts; do
    want login "$1 $2 $login_user $(image_host "$host")"
  done
  keepers="$keepers $1:$2"
}

# Logs in at every host that answers.
log_in() {
  for keeper in $keepers; do
    account=\${keeper#*:}
    keeper=\${keeper%%:*}
    find_credentials "$keeper" "$account"
    for host in $proved; do
      "log_in_with_$keeper" "$(image_host "$host")"
    done
    [ "$command" = apply ] || continue
    if [ -f "$file" ]; then
      chmod 600 "$file"
      cksum <"$file" >"$sum"
    fi
    say "$keeper: $account is logged in as $login_user"
  done
}

log_in_with_docker() {
  if [ "$command" = check ]; then
    grep -qsF "\\"$1\\"" "$file" || noted "docker: $account is not logged in at $1"
    return
  fi
  find_docker
  log_in_by "$docker login --username '$login_user' --password-stdin '$1'" ||
    refuse_login docker "$1"
}

log_in_with_podman() {
  find_podman
  if [ "$command" = check ]; then
    words=$(run_as "$account" "$tool login --get-login $podman_options '$1'" 2>/dev/null) || words=
    [ "$words" = "$login_user" ] || noted "$tool: $account is not logged in at $1"
    return
  fi
  log_in_by "$tool login $podman_options --username '$login_user' --password-stdin '$1'" ||
    refuse_login "$tool" "$1"
}

log_in_by() {
  words=$(printf '%s\\n' "$login_password" | run_as "$account" "$1" 2>&1)
}

# PROGRAM REGISTRY
refuse_login() {
  words=$(printf '%s' "$words" | grep -v '^WARNING' | tail -n 1)
  fail "$2: $account cannot log in as $login_user with $1: $words; mend that, or take login or" \\
    "\\"$keeper\\" out of this client's settings"
}

# PROGRAM ACCOUNT USER REGISTRY
log_out() {
  find_credentials "$1" "$2"
  line="docker logout '$4'"
  if [ "$1" = podman ]; then
    find_podman || return 0
    line="$tool logout $podman_options '$4'"
  fi
  # It fails as well where there is no such login.
  words=$(run_as "$2" "$line" 2>&1) || :
  if grep -qsF "\\"$4\\"" "$file"; then
    complain "$4: $2 cannot be logged out with $1: $words"
    return 1
  fi
}

# PROGRAM ACCOUNT: the file as it was, unless somebody else has changed it.
restore_credentials() {
  find_credentials "$1" "$2"
  if includes "$untouched" "$1 $2"; then
    if [ -e "$copy" ]; then
      cp -p "$copy" "$file"
    else
      rm -f "$file"
    fi
  elif [ ! -e "$copy" ] && [ -f "$file" ]; then
    case $(tr -d '[:space:]' <"$file") in
      '{}' | '{"auths":{}}') rm "$file" ;;
    esac
  fi
  rm -f "$copy" "$sum"
}

# Finds the files of credentials that are as this script left them, before it changes them again.
find_untouched() {
  IFS=$newline
  for line in $made; do
    case $line in
      'credentials '*)
        unset IFS
        # shellcheck disable=SC2086 # words
        find_credentials \${line#* }
        if [ -f "$file" ] && [ -f "$sum" ] && [ "$(cksum <"$file")" = "$(cat "$sum")" ]; then
          untouched="$untouched\${line#* }$newline"
        fi
        ;;
    esac
  done
  unset IFS
}

# --- Proof: whatever is logged in pulls a tiny image, and drops it again ---

prove_pulls() {
  [ -n "$login_user" ] || return 0
  # shellcheck disable=SC2086 # a list of words
  set -- $proved
  [ $# -gt 0 ] || return 0
  image=$(image_host "$1")/${proofReference}
  for keeper in $keepers; do
    account=\${keeper#*:}
    case $keeper in
      docker:*)
        find_docker
        pull docker "$docker pull --quiet '$image' && $docker image rm '$image'"
        ;;
      podman:*)
        find_podman
        case $tool in
          skopeo)
            pull skopeo "folder=\\$(mktemp -d) && trap 'rm -rf \\"\\$folder\\"' EXIT &&
              skopeo copy --quiet 'docker://$image' \\"dir:\\$folder\\""
            ;;
          *) pull "$tool" "$tool pull --quiet '$image' && $tool rmi '$image'" ;;
        esac
        ;;
    esac
  done
  if in_use containerd && [ -S "$containerd_socket" ] && command -v ctr >/dev/null; then
    account=root
    ctr="ctr --address '$containerd_socket'"
    await_containerd
    pull containerd "$ctr content fetch --hosts-dir '$hosts_folder' '$image' &&
      $ctr images rm --sync '$image'"
  fi
}

# It may have just been restarted.
await_containerd() {
  for seconds in 1 2 3 4; do
    ! run_as root "$ctr version" >/dev/null 2>&1 || return 0
    sleep "$seconds"
  done
}

# PROGRAM COMMAND
pull() {
  if words=$(run_as "$account" "$2" 2>&1); then
    say "$1: pulled an image for a proof"
    return
  fi
  words=$(printf '%s' "$words" | tail -n 1)
  case $words in
    *'not found'* | *'manifest unknown'*)
      say "$1: pulled no image for a proof, as this registry has none for that"
      ;;
    *) fail "\${image%%/*}: $1 cannot pull as $account: $words" ;;
  esac
}
`;
