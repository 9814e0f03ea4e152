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
`;
