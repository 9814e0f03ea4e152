/**
 * k3s and RKE2 make the configuration of their own containerd from `registries.yaml`, whenever they
 * start. They are done with containerd.
 */
export const rancher = `# --- k3s, RKE2 ---

set_up_rancher() {
  for kind in k3s rke2; do
    [ -d "/etc/rancher/$kind" ] || command -v "$kind" >/dev/null || continue
    file=/etc/rancher/$kind/registries.yaml
    lines=
    for registry in $registries; do
      lines="$lines
  \\"$registry\\":"
      [ -z "$ca_pem" ] || lines="$lines
    tls:
      ca_file: $state/ca.crt"
      [ -z "$login_basic" ] || lines="$lines
    auth:
      auth: $login_basic"
    done
    if ! [ -e "$file" ] || includes "$made" "file $file"; then
      place "$file" "configs:$lines" "\${login_basic:+077}"
      if includes "$placed" "$file"; then
        : >"$state/restart-$kind"
      fi
    elif [ -n "$ca_pem" ] && ! grep -qF "$state/ca.crt" "$file"; then
      say "$kind: $file is not this script's and stays as it is;" \\
        "add below its line \\"configs:\\", then restart $kind:$(
          printf '%s\\n' "$lines" | grep -v '^ *auth:'
        )"
      continue
    fi
    later=
    say_trusts "$kind"
  done
}

# Containers run on meanwhile.
restart_rancher() {
  socket=/run/k3s/containerd/containerd.sock
  restart_if_due k3s /etc/rancher/k3s/registries.yaml "$socket" k3s k3s-agent
  restart_if_due rke2 /etc/rancher/rke2/registries.yaml "$socket" rke2-server rke2-agent
}
`;
