/** containerd reads a registry's folder at each request; its CRI does so once it has `config_path`. */
export const containerd = `# --- containerd ---

containerd_toml=/etc/containerd/config.toml
# One block for all registries: they need the same.
containerd_mark=private-registry

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
  hosts_folder=/etc/containerd/certs.d
  toml_state=
  if [ "$here" = yes ]; then
    set_config_path
  fi
  place_hosts_files "$hosts_folder"
}

# MicroK8s has a containerd of its own.
set_up_microk8s() {
  [ -d /var/snap/microk8s/current/args/certs.d ] || return 0
  place_hosts_files /var/snap/microk8s/current/args/certs.d
  later=
  say_trusts microk8s
  tell_of_foreign microk8s
}

# FOLDER: sets $foreign to the files that stand in the way.
place_hosts_files() {
  foreign=
  ca_line=\${ca_pem:+"ca = \\"$state/ca.crt\\""}
  for registry in $registries; do
    file=$1/$registry/hosts.toml
    # Another installation's is one of the same registry under an older name.
    if [ -e "$file" ] && ! includes "$made_by_any" "file $file"; then
      foreign="$foreign $file"
      continue
    fi
    place "$file" "$(hosts_toml "$registry" "$login_basic" "$ca_pem")" "\${login_basic:+077}"
  done
}

# REGISTRY CREDENTIALS CA
hosts_toml() {
  ca_line=\${3:+"ca = \\"$state/ca.crt\\""}
  say "server = \\"https://$1\\"
$ca_line

[host.\\"https://$1\\"]
  capabilities = [\\"pull\\", \\"resolve\\", \\"push\\"]
  $ca_line"
  [ -z "$2" ] || say "
[host.\\"https://$1\\".header]
  authorization = \\"Basic $2\\""
}

# RUNTIME
tell_of_foreign() {
  for file in $foreign; do
    say "$1: $file is not this script's and stays as it is; add: $ca_line"
  done
  if [ -n "$login_basic" ]; then
    say "$1: logs in as \${login_user:-$kept_login} for whoever pulls with it"
  fi
}

# What was set for it, or stands in the way.
tell_of_containerd() {
  tell_of_foreign containerd
  case $toml_state in
    ours) say "containerd: its CRI reads $hosts_folder, by config_path in $containerd_toml" ;;
    theirs) say "containerd: its CRI reads $hosts_folder, as its own configuration says" ;;
    off)
      say "containerd: its CRI is switched off, as Docker's packages have it;" \\
        "$containerd_toml stays as it is"
      ;;
    inline)
      mend="move what it has there to $hosts_folder"
      if [ "$toml_version" = 2 ]; then
        mend="$mend, or add ca_file = \\"$state/ca.crt\\" in"
        mend="$mend [plugins.\\"$plugin\\".registry.configs.\\"REGISTRY\\".tls] for each REGISTRY"
      fi
      say "containerd: $containerd_toml has registry.mirrors or registry.configs, beside which it takes" \\
        "no config_path, and stays as it is; for Kubernetes, $mend; then restart containerd"
      ;;
    unreadable)
      say "containerd: cannot read its own configuration: $words; $containerd_toml stays as it is"
      ;;
    unsure)
      say "containerd: $containerd_toml stays as it is; for Kubernetes, set config_path =" \\
        "\\"$hosts_folder\\" in [plugins.\\"$plugin\\".registry] and restart containerd"
      ;;
  esac
}

# Sees to it that the CRI, over which Kubernetes pulls, reads the registries' folders. $hosts_folder
# is where they are, and $toml_state what came of it.
set_config_path() {
  if includes "$made_by_any" "block $containerd_toml" && [ -e "$containerd_toml" ]; then
    find_block "$containerd_toml" "$containerd_mark" || return
    if [ -n "$block" ]; then
      read_containerd || :
      if [ "$config_path" = "$hosts_folder" ]; then
        want_config_path
        return
      fi
      # Somebody has changed it since, or around it.
      write_block "$containerd_toml" "$containerd_mark" ''
    fi
  fi
  read_containerd || {
    toml_state=unreadable
    return 0
  }
  if [ "$cri" = no ]; then
    toml_state=off
  elif [ -n "$config_path" ]; then
    toml_state=theirs
    # A list of folders.
    case :$config_path: in
      *":$hosts_folder:"*) ;;
      *) hosts_folder=\${config_path%%:*} ;;
    esac
  elif [ "$inline" = yes ]; then
    toml_state=inline
  else
    insert_config_path
  fi
}

want_config_path() {
  toml_state=ours
  if includes "$made_by_any" "empty $containerd_toml"; then
    want empty "$containerd_toml"
  fi
  want block "$containerd_toml"
}

# [OPTION...]: what containerd itself takes its configuration to be, with all its parts and
# defaults: the CRI's $config_path, whether there is a $cri, and $inline registries, and its
# $containerd_socket. $plugin is whose section that is.
read_containerd() {
  config_path=
  cri=no
  inline=no
  containerd_socket=/run/containerd/containerd.sock
  plugin=io.containerd.cri.v1.images
  toml_version=3
  if ! dump=$(containerd "$@" config dump 2>/dev/null); then
    words=$(containerd "$@" config dump 2>&1 | tail -n 1)
    # Before 2.0, it has none to dump without a file.
    if [ -e "$containerd_toml" ] || ! dump=$(containerd config default 2>/dev/null); then
      return 1
    fi
  fi
  off=no
  table=
  IFS=$newline
  for line in $(printf '%s\\n' "$dump" | bare_toml); do
    case $line in
      '['*.registry.mirrors.* | '['*.registry.configs.*.tls']') inline=yes ;;
      '['*) table=$line ;;
    esac
    case $table$line in
      version=2)
        plugin=io.containerd.grpc.v1.cri
        toml_version=2
        ;;
      # In such a list, the name of old or the full one.
      disabled_plugins=*[[,]cri[],]* | \\
        disabled_plugins=*io.containerd.grpc.v1.cri[],]* | \\
        disabled_plugins=*io.containerd.cri.v1.images[],]*) off=yes ;;
      '[grpc]address='?*) containerd_socket=\${line#*=} ;;
      '[plugins.io.containerd.grpc.v1.cri.registry]config_path='* | \\
        '[plugins.io.containerd.cri.v1.images.registry]config_path='*)
        cri=yes
        config_path=\${line#*=}
        ;;
    esac
  done
  unset IFS
  [ "$off" = no ] || cri=no
}

# TOML's lines without comments, space and quotes, for a look at its names.
bare_toml() {
  sed "s/#.*//; s/[[:space:]\\"']//g"
}

# FILE: its line numbers of tables, "12:[plugins]".
toml_tables() {
  bare_toml <"$1" | grep -n '^\\['
}

# Puts one line more into config.toml, with the head of its table where there is none; or one in
# the place of another that is empty. It becomes containerd's only once containerd has read it.
insert_config_path() {
  setting="config_path = \\"$hosts_folder\\""
  before=0
  after=1
  was=
  if [ ! -e "$containerd_toml" ] || [ -z "$(bare_toml <"$containerd_toml" | tr -d '\\n')" ]; then
    lines="version = $toml_version
[plugins.\\"$plugin\\".registry]
  $setting"
  else
    tables=$(toml_tables "$containerd_toml") || :
    first=\${tables%%:*}
    version=$(bare_toml <"$containerd_toml" | sed -n "1,\${first:-\\$}s/^version=//p" | head -n 1)
    case $version in
      '' | 0 | 1) key=plugins.cri.registry plugin=cri ;;
      2) plugin=io.containerd.grpc.v1.cri ;;
      *) plugin=io.containerd.cri.v1.images ;;
    esac
    [ "$plugin" = cri ] || key=plugins.\\"$plugin\\".registry
    table=$(printf '%s\\n' "$tables" | grep -F -e ":[plugins.$plugin.registry]" | head -n 1)
    if [ -n "$table" ]; then
      before=\${table%%:*}
      lines="  $setting"
      next=$(bare_toml <"$containerd_toml" | tail -n "+$((before + 1))" |
        grep -n -e '^\\[' -e '^config_path=' | head -n 1)
      case $next in
        *:config_path=)
          before=$((before + \${next%%:*}))
          was=$(head -n "$before" "$containerd_toml" | tail -n 1)
          lines="  $setting$newline# was: $was"
          before=$((before - 1))
          ;;
      esac
    elif [ -n "$first" ]; then
      before=$((first - 1))
      lines="[$key]$newline  $setting"
    else
      lines="$key.$setting"
    fi
    after=$((before + 1))
    [ -z "$was" ] || after=$((after + 1))
  fi
  if noted "$containerd_toml"; then
    want_config_path
    return
  fi
  text="# BEGIN $containerd_mark
$lines
# END $containerd_mark
"
  want_folder "\${containerd_toml%/*}"
  make_folder "\${containerd_toml%/*}"
  # Beside the other, for it may name files from there.
  unfinished=\${containerd_toml%/*}/.private-registry-new
  make_private "$unfinished"
  if ! try_config_path; then
    rm -f "$unfinished"
    unfinished=
    toml_state=unsure
    return
  fi
  if [ ! -e "$containerd_toml" ]; then
    want empty "$containerd_toml"
  fi
  want_config_path
  : >"$state/restart-containerd"
  remember "$containerd_toml" "$text"
  if [ -e "$containerd_toml" ]; then
    overwrite "$containerd_toml" "$unfinished" || return
  else
    chmod 644 "$unfinished"
    mv "$unfinished" "$containerd_toml"
  fi
  unfinished=
  settle "$containerd_toml"
}

# Makes the new config.toml; whether containerd understands it as it is meant.
try_config_path() {
  if [ ! -e "$containerd_toml" ]; then
    printf '%s' "$text" >"$unfinished"
  else
    # A line to put back later has to have an end.
    [ "$(wc -l <"$containerd_toml")" -ge "$((after - 1))" ] || return
    with_text "$containerd_toml" "$text" >"$unfinished"
  fi
  read_containerd --config "$unfinished" && [ "$config_path" = "$hosts_folder" ]
}

# Containers run on meanwhile.
restart_containerd() {
  restart_if_due containerd "$containerd_toml" "\${containerd_socket:-}" containerd
}
`;
