/** Docker reads every `*.crt` of a registry's folder at each request: nothing has to restart. */
export const docker = `# --- Docker ---

docker_is_here() {
  command -v dockerd >/dev/null && return
  # The package podman-docker has a command of this name too.
  command -v docker >/dev/null && ! docker --version 2>/dev/null | grep -qi podman
}

set_up_docker() {
  for registry in $registries; do
    place_ca "/etc/docker/certs.d/$registry"
  done
}

# Docker that runs as an ordinary user has its folders in that user's home.
set_up_rootless_docker() {
  [ "$user" != root ] || return 0
  home=$(home_of "$user")
  if [ -S "/run/user/$uid/docker.sock" ]; then
    daemon=yes
  elif ! [ -d "$home/.config/docker" ]; then
    return
  fi
  owner=$uid:$(id -g "$user")
  for registry in $registries; do
    place_ca "$home/.config/docker/certs.d/$registry"
  done
  owner=
  later=
  say_trusts "docker of $user"
}
`;
