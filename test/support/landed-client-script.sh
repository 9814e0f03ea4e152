# --- What this script made, and its manifest ---

state=/var/lib/private-registry/$name
newline='
'
# The manifests of earlier runs: this registry's, and all registries' on this machine.
made=$newline
made_by_any=$newline
# The manifest of this run.
wanted=$newline
# What earlier runs made and this one could not take away.
left=
# The files that this run placed, and those that it took away.
placed=$newline
taken=$newline
# A file that is being written.
unfinished=
# What a check has found, one line for each.
found=
# Who is to own what is made, "1000:1000"; root if empty.
owner=

say() {
  printf '%s\n' "$*"
}

complain() {
  printf 'private-registry: %s\n' "$*" >&2
}

fail() {
  complain "$@"
  exit 1
}

# "a, b, c"
commas() {
  list=
  for item in "$@"; do
    list="${list:+$list, }$item"
  done
  printf '%s' "$list"
}

# WHAT: in a check, notes what is about to be changed, which the caller then leaves as it is.
noted() {
  [ "$command" = check ] || return
  includes "$newline$found" "$1" || found="$found$1$newline"
}

# LINES LINE: whether the one is among the others.
includes() {
  case $1 in
    *"$newline$2$newline"*) return 0 ;;
    *) return 1 ;;
  esac
}

read_manifests() {
  if [ -f "$state/manifest" ]; then
    made=$newline$(cat "$state/manifest")$newline
  fi
  set +f
  made_by_any=$newline$(cat /var/lib/private-registry/*/manifest 2>/dev/null || :)$newline
  set -f
}

# KIND PATH: this run wants it, and may be about to make it.
want() {
  includes "$wanted" "$1 $2" && return
  wanted="$wanted$1 $2$newline"
  if ! includes "$made" "$1 $2" && [ "$command" = apply ]; then
    say "$1 $2" >>"$state/manifest"
  fi
}

# PATH: a folder that is about to be made, with those above it. One that another registry's script
# made is shared: whichever is removed last takes it away.
want_folder() {
  [ -n "$1" ] || return 0
  want_folder "${1%/*}"
  if [ ! -d "$1" ] || includes "$made_by_any" "folder $1"; then
    want folder "$1"
  fi
}

make_folder() {
  [ ! -d "$1" ] || return 0
  make_folder "${1%/*}"
  mkdir "$1"
  [ -z "$owner" ] || chown "$owner" "$1"
}

# PATH TEXT [UMASK]: a file of this script's own. It is there in full or not at all.
place() {
  want_folder "${1%/*}"
  want file "$1"
  if [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; then
    return
  fi
  ! noted "$1" || return 0
  make_folder "${1%/*}"
  placed="$placed$1$newline"
  # What it held before is gone.
  [ ! -f "$1" ] || taken="$taken$1$newline"
  unfinished=${1%/*}/.private-registry-new
  rm -f "$unfinished"
  (umask "${3:-022}" && printf '%s\n' "$2" >"$unfinished")
  [ -z "$owner" ] || chown "$owner" "$unfinished"
  mv -f "$unfinished" "$1"
  unfinished=
}

# FOLDER: the CA in a folder whose every *.crt is trusted. A ca.crt of somebody else stays as it is.
place_ca() {
  [ -n "$ca_pem" ] || return 0
  if { [ -e "$1/ca.crt" ] || [ -L "$1/ca.crt" ]; } && ! includes "$made" "file $1/ca.crt"; then
    place "$1/$name.crt" "$ca_pem"
  else
    place "$1/ca.crt" "$ca_pem"
  fi
}

# Takes away what earlier runs made and this one does not want, the newest first. What cannot be
# taken away stays in the manifest.
forget_unwanted() {
  newest_first=
  IFS=$newline
  for line in $made; do
    includes "$wanted" "$line" || newest_first="$line$newline$newest_first"
  done
  for line in $newest_first; do
    unset IFS
    forget "${line%% *}" "${line#* }" || left="$left$line$newline"
  done
  unset IFS
}

forget() {
  ! noted "$1 $2" || return 0
  # shellcheck disable=SC2086 # two lines are of words
  case $1 in
    file)
      # One for the same registry that another installation has taken over.
      ! others_want "$1 $2" || return 0
      if [ -e "$2" ] || [ -L "$2" ]; then
        taken="$taken$2$newline"
        rm -f "$2"
      fi
      ;;
    folder)
      # Not empty: somebody else uses it by now.
      rmdir "$2" 2>/dev/null || :
      ;;
    # The file was made for a block; whatever else it holds by now is not this script's.
    empty) [ -s "$2" ] || rm -f "$2" ;;
    hosts) write_block "$2" "private-registry $name" '' ;;
    block) others_want "$1 $2" || write_block "$2" "$containerd_mark" '' ;;
    credentials) restore_credentials $2 ;;
    login) log_out $2 ;;
  esac
}

# LINE: whether another registry's manifest has it.
others_want() {
  set +f
  others=$(grep -lxF -e "$1" /var/lib/private-registry/*/manifest | grep -vxF "$state/manifest") || :
  set -f
  [ -n "$others" ]
}

write_manifest() {
  [ "$command" != check ] || return 0
  text=${wanted#"$newline"}$left
  if [ -z "$text" ]; then
    rm -f "$state/manifest" "$state/client" "$state/restart-containerd" "$state/restart-k3s"       "$state/restart-rke2"
    rmdir "$state/logins" "$state" 2>/dev/null || :
    rmdir /var/lib/private-registry 2>/dev/null || :
  elif [ "$newline$text" != "$made" ]; then
    unfinished=$state/manifest.new
    printf '%s' "$text" >"$unfinished"
    mv -f "$unfinished" "$state/manifest"
    unfinished=
  fi
}

# --- Blocks in files of others ---

# FILE LINE: the numbers of such lines.
line_numbers() {
  grep -nxF -e "$2" "$1" | cut -d : -f 1
}

# FILE MARK: finds the block. $before lines stand before it, and it ends before line $after; $block
# is what it is, or empty.
find_block() {
  begin="# BEGIN $2"
  end="# END $2"
  block=
  before=0
  after=1
  begins=$(line_numbers "$1" "$begin")
  ends=$(line_numbers "$1" "$end")
  [ -n "$begins$ends" ] || return 0
  case $begins:$ends in
    *[!0-9:]* | :* | *:) false ;;
    *) [ "$begins" -lt "$ends" ] ;;
  esac || {
    # shellcheck disable=SC2086 # lists of numbers
    complain "$1: expected one line \"$begin\" with one line \"$end\" below it, got such lines" \
      "at \"$(commas $begins)\" and \"$(commas $ends)\"; delete them and what is between them," \
      'then run this again'
    return 1
  }
  block=$(head -n "$ends" "$1" | tail -n "+$begins")$newline
  before=$((begins - 1))
  after=$((ends + 1))
}

# FILE TEXT: the file with the text between line $before and line $after.
with_text() {
  head -n "$before" "$1" && printf '%s' "$2" && tail -n "+$after" "$1"
}

# FILE MARK LINES: puts a block of the lines where the one before was, or on top; without lines,
# takes it out, and puts back the line that its line "# was: " holds, if it has one. On top, it goes
# before older lines for the same names, and the last line may lack its end.
write_block() {
  [ -e "$1" ] || return 0
  find_block "$1" "$2" || return
  if [ -n "$3" ]; then
    text=$begin$newline$3$end$newline
  else
    text=$(printf '%s' "$block" | sed -n 's/^# was: //p')
    text=${text:+$text$newline}
  fi
  if [ "$text" = "$block" ] || noted "$1"; then
    return
  fi
  block_changed=yes
  new=$state/file.new
  with_text "$1" "$text" >"$new" &&
    overwrite "$1" "$new" &&
    rm "$new"
}

same_bytes() {
  [ "$(cat "$1" && echo .)" = "$(cat "$2" && echo .)" ]
}

# FILE NEW: gives the file the new bytes, in place and in one go: it may be a bind mount, and keeps
# its mode, owner and labels.
overwrite() {
  old=$state/file.old
  cat "$1" >"$old" || return
  if ! cat "$2" >"$1"; then
    cat "$old" >"$1" 2>/dev/null || :
    if same_bytes "$1" "$old"; then
      rm "$old"
      case $1 in
        /etc/hosts) other_way='set hostsEntry to false for this client' ;;
        *) other_way="leave containerd out of this client's runtimes" ;;
      esac
      complain "$1: cannot be written, as the line above says; make it writable, or $other_way"
    else
      complain "$1: was not written in full, as the line above says; all it held is in $old"
    fi
    return 1
  fi
  rm "$old"
}

# --- Services ---

# NAME: restarts the service if a manager runs it; whether it did. A restart that fails is an error.
restart_service() {
  if [ -d /run/systemd/system ] && systemctl --quiet is-active "$1" 2>/dev/null; then
    set -- systemctl restart "$1"
  elif [ -x "/etc/init.d/$1" ] && rc-service "$1" status >/dev/null 2>&1; then
    set -- rc-service "$1" restart
  elif [ -x "/etc/init.d/$1" ] && service "$1" status >/dev/null 2>&1; then
    set -- service "$1" restart
  else
    return 1
  fi
  run_quietly "$@" || exit 1
}

# WHAT FILE SOCKET SERVICE...: has it read the file that this script has changed, which it does when
# it starts. That is not due if it does not run, or has been started since.
restart_if_due() {
  due=$state/restart-$1
  [ -e "$due" ] || return 0
  if [ -n "$(find "$2" -newer "$3" 2>/dev/null)" ]; then
    hint="$1: restart it, so that it reads $2"
    shift 3
    while ! restart_service "$1"; do
      shift
      if [ $# -eq 0 ]; then
        say "$hint"
        return
      fi
    done
  fi
  rm "$due"
}

# --- /etc/hosts ---

# Whether this run has given names an address.
hosts_changed=

set_up_hosts() {
  if [ -z "$address" ] || [ -z "$address_names" ]; then
    return
  fi
  lines=
  for host in $address_names; do
    lines="$lines$address $host$newline"
  done
  if [ ! -e /etc/hosts ]; then
    want empty /etc/hosts
    noted /etc/hosts || : >/etc/hosts
  elif includes "$made" 'empty /etc/hosts'; then
    want empty /etc/hosts
  fi
  want hosts /etc/hosts
  block_changed=
  write_block /etc/hosts "private-registry $name" "$lines"
  hosts_changed=$block_changed
  # shellcheck disable=SC2086 # a list of words
  say "hosts: $(commas $address_names) at $address"
}

# Programs in Go, as all these runtimes are, may go by the names that they read up to 5 s before.
await_hosts() {
  if [ "$hosts_changed" = yes ] && [ "$daemon" = yes ]; then
    sleep 5
  fi
}

# --- Docker ---

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

# --- podman, skopeo, buildah, CRI-O ---

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

# --- containerd ---

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
  ca_line=${ca_pem:+"ca = \"$state/ca.crt\""}
  for registry in $registries; do
    file=$1/$registry/hosts.toml
    # Another installation's is one of the same registry under an older name.
    if [ -e "$file" ] && ! includes "$made_by_any" "file $file"; then
      foreign="$foreign $file"
      continue
    fi
    text="server = \"https://$registry\"
$ca_line

[host.\"https://$registry\"]
  capabilities = [\"pull\", \"resolve\", \"push\"]
  $ca_line"
    [ -z "$login_basic" ] || text="$text

[host.\"https://$registry\".header]
  authorization = \"Basic $login_basic\""
    place "$file" "$text" "${login_basic:+077}"
  done
}

# RUNTIME
tell_of_foreign() {
  for file in $foreign; do
    say "$1: $file is not this script's and stays as it is; add: $ca_line"
  done
  if [ -n "$login_basic" ]; then
    say "$1: logs in as $login_user for whoever pulls with it"
  fi
}

# What was set for it, or stands in the way.
tell_of_containerd() {
  tell_of_foreign containerd
  case $toml_state in
    ours) say "containerd: its CRI reads $hosts_folder, by config_path in $containerd_toml" ;;
    theirs) say "containerd: its CRI reads $hosts_folder, as its own configuration says" ;;
    off)
      say "containerd: its CRI is switched off, as Docker's packages have it;" \
        "$containerd_toml stays as it is"
      ;;
    inline)
      mend="move what it has there to $hosts_folder"
      if [ "$toml_version" = 2 ]; then
        mend="$mend, or add ca_file = \"$state/ca.crt\" in"
        mend="$mend [plugins.\"$plugin\".registry.configs.\"REGISTRY\".tls] for each REGISTRY"
      fi
      say "containerd: $containerd_toml has registry.mirrors or registry.configs, beside which it takes" \
        "no config_path, and stays as it is; for Kubernetes, $mend; then restart containerd"
      ;;
    unreadable)
      say "containerd: cannot read its own configuration: $words; $containerd_toml stays as it is"
      ;;
    unsure)
      say "containerd: $containerd_toml stays as it is; for Kubernetes, set config_path =" \
        "\"$hosts_folder\" in [plugins.\"$plugin\".registry] and restart containerd"
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
      *) hosts_folder=${config_path%%:*} ;;
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
  for line in $(printf '%s\n' "$dump" | bare_toml); do
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
      disabled_plugins=*[[,]cri[],]* | \
        disabled_plugins=*io.containerd.grpc.v1.cri[],]* | \
        disabled_plugins=*io.containerd.cri.v1.images[],]*) off=yes ;;
      '[grpc]address='?*) containerd_socket=${line#*=} ;;
      '[plugins.io.containerd.grpc.v1.cri.registry]config_path='* | \
        '[plugins.io.containerd.cri.v1.images.registry]config_path='*)
        cri=yes
        config_path=${line#*=}
        ;;
    esac
  done
  unset IFS
  [ "$off" = no ] || cri=no
}

# TOML's lines without comments, space and quotes, for a look at its names.
bare_toml() {
  sed "s/#.*//; s/[[:space:]\"']//g"
}

# FILE: its line numbers of tables, "12:[plugins]".
toml_tables() {
  bare_toml <"$1" | grep -n '^\['
}

# Puts one line more into config.toml, with the head of its table where there is none; or one in
# the place of another that is empty. It becomes containerd's only once containerd has read it.
insert_config_path() {
  setting="config_path = \"$hosts_folder\""
  before=0
  after=1
  was=
  if [ ! -e "$containerd_toml" ] || [ -z "$(bare_toml <"$containerd_toml" | tr -d '\n')" ]; then
    lines="version = $toml_version
[plugins.\"$plugin\".registry]
  $setting"
  else
    tables=$(toml_tables "$containerd_toml") || :
    first=${tables%%:*}
    version=$(bare_toml <"$containerd_toml" | sed -n "1,${first:-\$}s/^version=//p" | head -n 1)
    case $version in
      '' | 0 | 1) key=plugins.cri.registry plugin=cri ;;
      2) plugin=io.containerd.grpc.v1.cri ;;
      *) plugin=io.containerd.cri.v1.images ;;
    esac
    [ "$plugin" = cri ] || key=plugins.\"$plugin\".registry
    table=$(printf '%s\n' "$tables" | grep -F -e ":[plugins.$plugin.registry]" | head -n 1)
    if [ -n "$table" ]; then
      before=${table%%:*}
      lines="  $setting"
      next=$(bare_toml <"$containerd_toml" | tail -n "+$((before + 1))" |
        grep -n -e '^\[' -e '^config_path=' | head -n 1)
      case $next in
        *:config_path=)
          before=$((before + ${next%%:*}))
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
  want_folder "${containerd_toml%/*}"
  make_folder "${containerd_toml%/*}"
  # Beside the other, for it may name files from there.
  unfinished=${containerd_toml%/*}/.private-registry-new
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
  if [ -e "$containerd_toml" ]; then
    overwrite "$containerd_toml" "$unfinished" || return
    rm "$unfinished"
  else
    mv "$unfinished" "$containerd_toml"
  fi
  unfinished=
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
  restart_if_due containerd "$containerd_toml" "${containerd_socket:-}" containerd
}

# --- k3s, RKE2 ---

set_up_rancher() {
  for kind in k3s rke2; do
    [ -d "/etc/rancher/$kind" ] || command -v "$kind" >/dev/null || continue
    file=/etc/rancher/$kind/registries.yaml
    lines=
    for registry in $registries; do
      lines="$lines
  \"$registry\":"
      [ -z "$ca_pem" ] || lines="$lines
    tls:
      ca_file: $state/ca.crt"
      [ -z "$login_basic" ] || lines="$lines
    auth:
      auth: $login_basic"
    done
    if ! [ -e "$file" ] || includes "$made" "file $file"; then
      place "$file" "configs:$lines" "${login_basic:+077}"
      if includes "$placed" "$file"; then
        : >"$state/restart-$kind"
      fi
    elif [ -n "$ca_pem" ] && ! grep -qF "$state/ca.crt" "$file"; then
      say "$kind: $file is not this script's and stays as it is;" \
        "add below its line \"configs:\", then restart $kind:$(
          printf '%s\n' "$lines" | grep -v '^ *auth:'
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

# --- The machine's own trust store ---

# Where the distributions keep the anchors of the machine's owner, and what reads them:
# RHEL and Fedora; Arch; SUSE; Debian, Ubuntu and Alpine.
stores='/etc/pki/ca-trust/source/anchors:update-ca-trust
/etc/ca-certificates/trust-source/anchors:update-ca-trust
/etc/pki/trust/anchors:update-ca-certificates
/usr/local/share/ca-certificates:update-ca-certificates'
# Whether this run has given the CA to the store.
in_store=

set_up_system_store() {
  [ "$system_trust" = yes ] && [ -n "$ca_pem" ] || return 0
  for store in $stores; do
    if [ -d "${store%:*}" ] && command -v "${store#*:}" >/dev/null; then
      place_in_store "${store%:*}"
      in_store=yes
      return
    fi
  done
  say 'system store: none that is known; is the package ca-certificates installed?'
}

# FOLDER: some stores read no more than one certificate from a file.
place_in_store() {
  end_of_one='-----END CERTIFICATE-----'
  rest=$ca_pem$newline
  number=1
  file=$name
  while includes "$newline$rest" "$end_of_one"; do
    place "$1/$file.crt" "${rest%%"$end_of_one"*}$end_of_one"
    rest=${rest#*"$end_of_one$newline"}
    number=$((number + 1))
    file=$name-$number
  done
}

# Has the stores read that this run has placed something in, or taken something from.
refresh_system_store() {
  for store in $stores; do
    folder=${store%:*}
    command -v "${store#*:}" >/dev/null || continue
    case $taken in
      # Only a fresh start forgets there what is gone.
      *"$newline$folder/"*)
        case $store in
          *:update-ca-certificates) run_quietly update-ca-certificates --fresh || return ;;
          *) run_quietly update-ca-trust || return ;;
        esac
        continue
        ;;
    esac
    case $placed in
      *"$newline$folder/"*) run_quietly "${store#*:}" || return ;;
    esac
  done
}

# COMMAND...: what it says is of interest only if it fails. /tmp may be out of its reach.
run_quietly() {
  if ! words=$(TMPDIR=$state "$@" 2>&1); then
    complain "$1 failed: $words"
    return 1
  fi
}

# --- Proof: the registry answers at each host, with a certificate that the CA signed ---

prove() {
  # What counts is how this machine itself reaches the registry.
  unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY
  if command -v curl >/dev/null; then
    tool=curl
  elif wget --version 2>/dev/null | grep -q 'GNU Wget'; then
    # busybox has a wget as well, which checks no certificate.
    tool=wget
  elif command -v openssl >/dev/null; then
    tool=openssl
  else
    say 'not proved: this machine has no curl, GNU wget or openssl to ask the registry with'
    proved=
    for host in $hosts; do
      means_itself "$host" || proved="$proved $host"
    done
    return
  fi
  ca_file=${ca_pem:+$state/ca.crt}
  prove_hosts "proved with $tool"
  if [ -n "$in_store" ]; then
    ca_file=
    prove_hosts "proved with $tool and the system store"
  fi
}

# WORDS: asks at every host, with the CA in $ca_file, or with the machine's own trust store.
prove_hosts() {
  proved=
  failed=
  for host in $hosts; do
    if answers "$host"; then
      proved="$proved $host"
    elif means_itself "$host"; then
      # No fault: only on the registry's own machine can it be reached by that.
      say "not proved: $host, which is this machine itself, where no such registry answers"
    else
      failed="$failed $host"
      complain "$host: not $1: $words; $(mend "$words")"
    fi
  done
  [ -z "$failed" ] || exit 1
  if [ -z "$proved" ]; then
    fail "not $1: every host of the registry means this machine itself, where none answers;" \
      'give the registry a domain or address that other machines reach it by'
  fi
  # shellcheck disable=SC2086 # a list of words
  say "$1: $(commas $proved)"
}

means_itself() {
  for own in $own_hosts; do
    [ "$1" != "$own" ] || return 0
  done
  return 1
}

# HOST: whether the registry answers there; if not, $words says why. A registry that has just been
# changed may need a moment.
answers() {
  authority=$1:$port
  case $1 in
    *:*) authority=[$1]:$port ;;
  esac
  for pause in 1 0; do
    case $tool in
      curl) ask_with_curl ;;
      wget) ask_with_wget ;;
      openssl) ask_with_openssl "$1" ;;
    esac
    case $code in
      # 401 is what a registry says to those without credentials.
      200 | 401 | 403 | 429) return 0 ;;
      [1-9]*) words="https://$authority/v2/ answered HTTP $code, expected 200 or 401" ;;
    esac
    sleep "$pause"
  done
  return 1
}

# These set $code to the HTTP status, or to nothing and $words to what went wrong.

ask_with_curl() {
  set -- "https://$authority/v2/"
  [ -z "$ca_file" ] || set -- --cacert "$ca_file" "$@"
  words=$(curl -q --globoff --silent --show-error --connect-timeout 10 --max-time 30 \
    --output /dev/null --write-out "$newline%{http_code}" "$@" 2>&1) || :
  code=${words##*"$newline"}
  code=${code#000}
  words=$(printf '%s' "$words" | head -n 1)
}

ask_with_wget() {
  set -- "https://$authority/v2/"
  [ -z "$ca_file" ] || set -- --ca-certificate="$ca_file" "$@"
  # A home of its own, for wget keeps files there.
  words=$(HOME=$state wget --no-config --no-hsts --no-verbose --server-response --tries=1 \
    --timeout=10 --output-document=/dev/null "$@" 2>&1) || :
  status_of "$words"
  words=$(printf '%s' "$words" | grep -v '^To connect to' | head -n 2 | tr '\n' ' ')
}

ask_with_openssl() {
  case $1 in
    *:*) set -- -verify_ip "$1" ;;
    *[!0-9.]*) set -- -verify_hostname "$1" -servername "$1" ;;
    *) set -- -verify_ip "$1" ;;
  esac
  [ -z "$ca_file" ] || set -- -CAfile "$ca_file" "$@"
  set -- openssl s_client -quiet -connect "$authority" -verify_return_error "$@"
  if command -v timeout >/dev/null; then
    set -- timeout 30 "$@"
  fi
  words=$(printf 'GET /v2/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$authority" |
    "$@" 2>&1) || :
  status_of "$words"
  words=$(printf '%s' "$words" | grep -i error | head -n 1)
}

# TEXT: sets $code to the HTTP status that stands in it.
status_of() {
  code=
  case $1 in
    *HTTP/1.[01]\ [1-9][0-9][0-9]*)
      code=${1#*HTTP/1.[01] }
      code=${code%%[!0-9]*}
      ;;
  esac
}

# WORDS: what to do about them.
mend() {
  case $1 in
    *esolv* | *'ame or service'* | *'in name resolution'* | *'bad address'* | *'odename'*)
      say 'this machine does not know the name: set registryAddress for a hosts entry,' \
        'or add the name to the DNS that this machine asks'
      ;;
    *' answered HTTP '*)
      say 'something else than the registry may have that address, or the registry is not well:' \
        "check where the name leads, and the registry's containers"
      ;;
    *ertificate* | *verif* | *SSL* | *TLS*)
      say 'either another server answers there, or the registry has a certificate of another CA' \
        'or without this name: check where the name leads, then run "pulumi up" again'
      ;;
    *)
      say "check that the registry runs, that port $port is open from here to there," \
        'and that the name leads to the right address'
      ;;
  esac
}

# --- Login ---

# Who keeps logins with what: "docker:ops".
keepers=
# The home is that of the account.
# shellcheck disable=SC2016
podman_options='--authfile "$HOME/.config/containers/auth.json"'
# The lines "credentials" whose files nobody has changed since this script did.
untouched=$newline

# Sets $user to the ordinary user who has become root for this, or else to root, with $uid.
find_user() {
  user=${SUDO_USER:-${DOAS_USER:-root}}
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
    docker) file=$(home_of "$2")/.docker/config.json ;;
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
    docker="DOCKER_HOST=unix:///run/user/$uid/docker.sock docker"
  fi
}

want_logins() {
  [ -n "$login_user" ] || return 0
  if in_use docker && command -v docker >/dev/null; then
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
  want_folder "${file%/*}"
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
    account=${keeper#*:}
    keeper=${keeper%%:*}
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
    grep -qsF "\"$1\"" "$file" || noted "docker: $account is not logged in at $1"
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
  words=$(printf '%s\n' "$login_password" | run_as "$account" "$1" 2>&1)
}

# PROGRAM REGISTRY
refuse_login() {
  words=$(printf '%s' "$words" | grep -v '^WARNING' | tail -n 1)
  fail "$2: $account cannot log in as $login_user with $1: $words; mend that, or take login or" \
    "\"$keeper\" out of this client's settings"
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
  if grep -qsF "\"$4\"" "$file"; then
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
        find_credentials ${line#* }
        if [ -f "$file" ] && [ -f "$sum" ] && [ "$(cksum <"$file")" = "$(cat "$sum")" ]; then
          untouched="$untouched${line#* }$newline"
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
  image=$(image_host "$1")/private-registry-proof@sha256:d41a8bedca7607ebf8317f657342d13f374c18df27845f704fc9b3d11880da7b
  for keeper in $keepers; do
    account=${keeper#*:}
    case $keeper in
      docker:*)
        find_docker
        pull docker "$docker pull --quiet '$image' && $docker image rm '$image'"
        ;;
      podman:*)
        find_podman
        case $tool in
          skopeo)
            pull skopeo "folder=\$(mktemp -d) && trap 'rm -rf \"\$folder\"' EXIT &&
              skopeo copy --quiet 'docker://$image' \"dir:\$folder\""
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
    *) fail "${image%%/*}: $1 cannot pull as $account: $words" ;;
  esac
}

# --- The host key of this machine ---

show_host_key() {
  [ "$tell_host_key" = yes ] || return 0
  for key in $(sshd -T 2>/dev/null | sed -n 's/^hostkey //p') \
    /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_ecdsa_key; do
    case $(cut -c -11 "$key.pub" 2>/dev/null) in
      ssh-ed25519 | ecdsa-sha2-)
        say "host key: $(cut -d ' ' -f -2 "$key.pub")"
        return
        ;;
    esac
  done
}

# --- The commands ---

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

say_trusts() {
  [ -z "$ca_pem" ] || say "$1: trusts $names$later"
}

# RUNTIME: whether it is there and set up.
in_use() {
  case "$used " in
    *" $1 "*) return 0 ;;
    *) return 1 ;;
  esac
}

apply() {
  # A first run that fails leaves nothing behind: nobody would know that it has to be removed.
  [ -f "$state/manifest" ] || undo_on_failure=yes
  mkdir -p "$state"
  bring_up_to_date
  prove
  restart_containerd
  restart_rancher
  await_hosts
  log_in
  prove_pulls
}

# Goes the same way, and only notes what is not as it should be.
check() {
  bring_up_to_date
  if [ -z "$found" ]; then
    prove
    log_in
  fi
  IFS=$newline
  for line in $found; do
    say "changed: $line"
  done
  unset IFS
}

bring_up_to_date() {
  sign
  [ -z "$ca_pem" ] || place "$state/ca.crt" "$ca_pem"
  set_up_runtimes
  set_up_system_store
  set_up_hosts
  want_logins
  forget_unwanted
  refresh_system_store
  write_manifest
  [ -z "$left" ] || exit 1
}

# Says whose set-up this is.
sign() {
  if [ -z "$client" ] || [ "$(signer)" = "$client" ] || noted "$state/client"; then
    return
  fi
  printf '%s\n' "$client" >"$state/client"
}

signer() {
  cat "$state/client" 2>/dev/null || :
}

set_up_runtimes() {
  absent=
  used=
  daemon=no
  # shellcheck disable=SC2086 # lists of words
  names=$(commas $registries)
  if [ -z "$ca_pem" ]; then
    say 'runtimes: no CA to give them; this machine is expected to know the issuer already'
    [ -n "$login_user" ] || return 0
  fi
  if docker_is_here; then here=yes; else here=no; fi
  if chosen docker "$here"; then
    [ "$here" = no ] || used="$used docker"
    set_up_docker
    daemon=$here
    say_trusts docker
  fi
  case " ${runtimes:-docker} " in
    *' docker '*) set_up_rootless_docker ;;
  esac
  if podman_is_here; then here=yes; else here=no; fi
  if chosen podman "$here"; then
    [ "$here" = no ] || used="$used podman"
    set_up_podman
    say_trusts podman
  fi
  if containerd_is_here; then here=yes; else here=no; fi
  if chosen containerd "$here"; then
    [ "$here" = no ] || used="$used containerd"
    set_up_containerd
    say_trusts containerd
    tell_of_containerd
  fi
  case " ${runtimes:-containerd} " in
    *' containerd '*)
      set_up_microk8s
      set_up_rancher
      ;;
  esac
  # shellcheck disable=SC2086 # a list of words
  [ -z "$absent" ] || say "not in use: $(commas $absent)"
}

remove() {
  if [ "$made" = "$newline" ]; then
    say 'nothing to remove'
    return
  fi
  # The same machine under another name or address, by which it has been set up since.
  other=$(signer)
  if [ -n "$client" ] && [ -n "$other" ] && [ "$other" != "$client" ]; then
    say "left as it is: it was set up as $other since"
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
  command=${1:-apply}
  case $command in
    apply | check | remove) ;;
    *) fail "expected the argument apply, check or remove, got \"$command\"" ;;
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
  find_user
  find_untouched
  show_host_key
  say "$heading"
  case $command in
    apply) apply ;;
    check) check ;;
    remove) remove ;;
  esac
}

{
  main "$@" </dev/null
}
