#!/bin/sh
# Makes this machine trust the container registry registry.example.com, or forget it again:
#
#   sudo sh trust.sh           set it up, or bring it up to date
#   sudo sh trust.sh remove    take all of it away
#
# Made by Pulumi for the registry "private-registry-dev-hub". It holds no secret.

set -euf
umask 022
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

name=private-registry-dev-hub
heading='--- private-registry private-registry-dev-hub ---'
# The registry's hosts, those of them that mean whichever machine asks, and the port.
hosts='registry.example.com 10.0.0.5'
own_hosts=''
port=443
# What image names may begin with; runtimes look a registry's CA up by exactly that.
registries='registry.example.com registry.example.com:443 10.0.0.5 10.0.0.5:443'
# The address that /etc/hosts gives these names; none if empty.
address=10.0.0.5
address_names=registry.example.com
# The runtimes to set up; those that are found if empty.
runtimes=''
# Whether the machine's own trust store is given the CA as well: yes or no.
system_trust=no
ca_pem='-----BEGIN CERTIFICATE-----
MIIB
-----END CERTIFICATE-----'

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
  includes "$made" "$1 $2" || say "$1 $2" >>"$state/manifest"
}

# PATH: a folder, with those above it. One that another registry's script made is shared: whichever
# is removed last takes it away.
make_folder() {
  [ -n "$1" ] || return 0
  make_folder "${1%/*}"
  if [ ! -d "$1" ]; then
    want folder "$1"
    mkdir "$1"
  elif includes "$made_by_any" "folder $1"; then
    want folder "$1"
  fi
}

# PATH TEXT: a file of this script's own. It is there in full or not at all.
place() {
  make_folder "${1%/*}"
  want file "$1"
  if [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; then
    return
  fi
  placed="$placed$1$newline"
  unfinished=${1%/*}/.private-registry-new
  printf '%s\n' "$2" >"$unfinished"
  mv -f "$unfinished" "$1"
  unfinished=
}

# FOLDER: the CA in a folder whose every *.crt is trusted. A ca.crt of somebody else stays as it is.
place_ca() {
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
  case $1 in
    file)
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
    hosts) write_hosts_block "$2" '' ;;
  esac
}

write_manifest() {
  text=${wanted#"$newline"}$left
  if [ -z "$text" ]; then
    rm -f "$state/manifest"
    rmdir "$state" 2>/dev/null || :
    rmdir /var/lib/private-registry 2>/dev/null || :
  elif [ "$newline$text" != "$made" ]; then
    unfinished=$state/manifest.new
    printf '%s' "$text" >"$unfinished"
    mv -f "$unfinished" "$state/manifest"
    unfinished=
  fi
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
    : >/etc/hosts
  elif includes "$made" 'empty /etc/hosts'; then
    want empty /etc/hosts
  fi
  want hosts /etc/hosts
  write_hosts_block /etc/hosts "$lines"
  # shellcheck disable=SC2086 # a list of words
  say "hosts: $(commas $address_names) at $address"
}

# Programs in Go, as all these runtimes are, may go by the names that they read up to 5 s before.
await_hosts() {
  if [ "$hosts_changed" = yes ] && [ "$daemon" = yes ]; then
    sleep 5
  fi
}

# FILE LINE: the numbers of such lines.
line_numbers() {
  grep -nxF -e "$2" "$1" | cut -d : -f 1
}

# FILE LINES: puts a block of the lines where the one before was, or on top; without lines, takes
# it out. On top, it goes before older lines for the same names, and the last line may lack its end.
write_hosts_block() {
  [ -e "$1" ] || return 0
  begin="# BEGIN private-registry $name"
  end="# END private-registry $name"
  block=${2:+$begin$newline$2$end$newline}
  begins=$(line_numbers "$1" "$begin")
  ends=$(line_numbers "$1" "$end")
  before=0
  after=1
  if [ -n "$begins$ends" ]; then
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
    if [ "$(head -n "$ends" "$1" | tail -n "+$begins")$newline" = "$block" ]; then
      return
    fi
    before=$((begins - 1))
    after=$((ends + 1))
  fi
  hosts_changed=${2:+yes}
  new=$state/hosts.new
  { head -n "$before" "$1" && printf '%s' "$block" && tail -n "+$after" "$1"; } >"$new" &&
    overwrite "$1" "$new" &&
    rm "$new"
}

same_bytes() {
  [ "$(cat "$1" && echo .)" = "$(cat "$2" && echo .)" ]
}

# FILE NEW: gives the file the new bytes, in place and in one go: it may be a bind mount, and keeps
# its mode, owner and labels.
overwrite() {
  old=$state/hosts.old
  cat "$1" >"$old" || return
  if ! cat "$2" >"$1"; then
    cat "$old" >"$1" 2>/dev/null || :
    if same_bytes "$1" "$old"; then
      rm "$old"
      complain "$1: cannot be written, as the line above says;" \
        'make it writable, or set hostsEntry to false for this client'
    else
      complain "$1: was not written in full, as the line above says; all it held is in $old"
    fi
    return 1
  fi
  rm "$old"
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
    place "$file" "server = \"https://$registry\"
ca = \"$state/ca.crt\"

[host.\"https://$registry\"]
  capabilities = [\"pull\", \"resolve\", \"push\"]
  ca = \"$state/ca.crt\""
  done
}

# What stands in the way, if anything does.
containerd_needs() {
  for file in $foreign; do
    say "containerd: $file is not this script's and stays as it is; add: ca = \"$state/ca.crt\""
  done
  # Whatever asks over the CRI, as Kubernetes does, needs to be told of the folder.
  config=$(containerd config dump 2>/dev/null) || return 0
  case $config in
    *"$folder"*) ;;
    *'config_path = ""'*)
      say "containerd: for Kubernetes, set config_path = \"$folder\" in the section of" \
        'the CRI registry in /etc/containerd/config.toml, and restart containerd'
      ;;
  esac
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

apply() {
  # A first run that fails leaves nothing behind: nobody would know that it has to be removed.
  [ -f "$state/manifest" ] || undo_on_failure=yes
  mkdir -p "$state"
  [ -z "$ca_pem" ] || place "$state/ca.crt" "$ca_pem"
  set_up_runtimes
  set_up_system_store
  set_up_hosts
  forget_unwanted
  refresh_system_store
  write_manifest
  [ -z "$left" ] || exit 1
  prove
  await_hosts
}

set_up_runtimes() {
  absent=
  daemon=no
  # shellcheck disable=SC2086 # lists of words
  names=$(commas $registries)
  if [ -z "$ca_pem" ]; then
    say 'runtimes: no CA to give them; this machine is expected to know the issuer already'
    return
  fi
  if docker_is_here; then here=yes; else here=no; fi
  if chosen docker "$here"; then
    set_up_docker
    daemon=$here
    say "docker: trusts $names$later"
  fi
  if podman_is_here; then here=yes; else here=no; fi
  if chosen podman "$here"; then
    set_up_podman
    say "podman: trusts $names$later"
  fi
  if containerd_is_here; then here=yes; else here=no; fi
  if chosen containerd "$here"; then
    set_up_containerd
    say "containerd: trusts $names$later"
    containerd_needs
  fi
  # shellcheck disable=SC2086 # a list of words
  [ -z "$absent" ] || say "not in use: $(commas $absent)"
}

remove() {
  if [ "$made" = "$newline" ]; then
    say 'nothing to remove'
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
  rm -f "$state/hosts.new"
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
    apply | remove) ;;
    *) fail "expected the argument apply or remove, got \"$command\"" ;;
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
  say "$heading"
  case $command in
    apply) apply ;;
    remove) remove ;;
  esac
}

{
  main "$@" </dev/null
}
