/** podman, skopeo, buildah and CRI-O share one configuration, for root and all users. */
export const podman = `# --- podman, skopeo, buildah, CRI-O ---

podman_is_here() {
  for program in podman skopeo buildah crio; do
    command -v "$program" >/dev/null && return
  done
  return 1
}

set_up_podman() {
  for registry in $registries; do
    place_ca "/etc/containers/certs.d/$registry"
  done
}
`;
