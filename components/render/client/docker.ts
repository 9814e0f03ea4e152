/** Docker reads every `*.crt` of a registry's folder at each request: nothing has to restart. */
export const docker = `# --- Docker ---

# What the snap of Docker has its folders in.
snap_docker=/var/snap/docker/current

docker_is_here() {
  command -v dockerd >/dev/null && return
  [ ! -d "$snap_docker" ] || return 0
  # The package podman-docker has a command of this name too.
  command -v docker >/dev/null && ! docker --version 2>/dev/null | grep -qi podman
}

# Whether the only Docker is a snap, which sees none of /etc.
docker_is_snap() {
  [ -d "$snap_docker" ] && ! command -v dockerd >/dev/null || return
  case $(command -v docker) in
    '' | /snap/*) return 0 ;;
    *) return 1 ;;
  esac
}

set_up_docker() {
  for registry in $registries; do
    docker_is_snap || place_ca "/etc/docker/certs.d/$registry"
    [ ! -d "$snap_docker" ] || place_ca "$snap_docker/etc/docker/certs.d/$registry"
  done
}

# ACCOUNT: the folder in which its docker looks for .docker.
docker_home() {
  if docker_is_snap; then
    printf '%s/snap/docker/current' "$(home_of "$1")"
  else
    home_of "$1"
  fi
}

# Whether the user has a Docker that runs, whose programs may be where only that user finds them.
has_rootless_docker() {
  [ "$user" != root ] && [ -S "/run/user/$uid/docker.sock" ]
}

# Docker that runs as an ordinary user has its folders in that user's home.
set_up_rootless_docker() {
  [ "$user" != root ] || return 0
  home=$(home_of "$user")
  if has_rootless_docker; then
    daemon=yes
    case " $used " in
      *' docker '*) ;;
      *) used="$used docker" ;;
    esac
  elif ! [ -d "$home/.config/docker" ]; then
    return
  fi
  for registry in $registries; do
    place_ca "$home/.config/docker/certs.d/$registry"
  done
  later=
  say_trusts "docker of $user"
}

# A builder in a container has neither the machine's certificates nor its names. It gets them when it
# is made, so that only its owner can tell when to make it anew.
tell_of_builders() {
  [ -n "$ca_pem" ] || return 0
  builders=
  for account in root "$user"; do
    for folder in "$(home_of "$account")/.docker" "$(home_of "$account")/snap/docker/current/.docker"; do
      set +f
      for each in "$folder"/buildx/instances/*; do
        set -f
        ! grep -qs '"Driver": *"docker-container"' "$each" || builders="$builders$newline\${each##*/}"
      done
      set -f
    done
  done
  [ -n "$builders" ] || return 0
  builders=$(printf '%s\\n' "$builders" | sort -u | tail -n +2)
  text=
  for registry in $registries; do
    text="\${text}[registry.\\"$registry\\"]$newline  ca = [\\"$state/ca.crt\\"]$newline"
  done
  place "$state/buildkitd.toml" "\${text%"$newline"}"
  # shellcheck disable=SC2086 # a list of words
  say "docker: what buildx builds with $(commas $builders) does not trust the registry, as such a builder" \\
    "runs in a container; docker buildx rm NAME, then: docker buildx create --name NAME --driver" \\
    "docker-container\${address:+ --driver-opt network=host} --buildkitd-config $state/buildkitd.toml"
}
`;
