/** containerd reads a registry's folder at each request; its CRI does so once it has `config_path`. */
export const containerd = `# --- containerd ---

containerd_is_here() {
  command -v containerd >/dev/null || return
  [ -z "$runtimes" ] || return 0
  # Docker brings one of its own, which is to be set up only if something else pulls with it.
  docker_is_here || return 0
  for program in crictl nerdctl kubelet; do
    command -v "$program" >/dev/null && return
  done
  return 1
}

set_up_containerd() {
  folder=/etc/containerd/certs.d
  foreign=
  for registry in $registries; do
    file=$folder/$registry/hosts.toml
    if [ -e "$file" ] && ! includes "$made" "file $file"; then
      foreign="$foreign $file"
      continue
    fi
    place "$file" "server = \\"https://$registry\\"
ca = \\"$state/ca.crt\\"

[host.\\"https://$registry\\"]
  capabilities = [\\"pull\\", \\"resolve\\", \\"push\\"]
  ca = \\"$state/ca.crt\\""
  done
}

# What stands in the way, if anything does.
containerd_needs() {
  for file in $foreign; do
    say "containerd: $file is not this script's and stays as it is; add: ca = \\"$state/ca.crt\\""
  done
  # Whatever asks over the CRI, as Kubernetes does, needs to be told of the folder.
  config=$(containerd config dump 2>/dev/null) || return 0
  case $config in
    *"$folder"*) ;;
    *'config_path = ""'*)
      say "containerd: for Kubernetes, set config_path = \\"$folder\\" in the section of" \\
        'the CRI registry in /etc/containerd/config.toml, and restart containerd'
      ;;
  esac
}
`;
