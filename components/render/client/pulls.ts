import { proofReference } from "../proof-image";

/** Each runtime that is set up pulls a tiny image, and says why if it cannot. */
export const pulls = `# --- Proof: each runtime pulls a tiny image, and drops it again ---

# The runtimes that are set up, one on each line.
to_prove=
# A folder for the time of one pull.
scratch=$state/pull

# Where nobody is logged in, the registry refuses the pull; but only a runtime that trusts it hears
# that.
prove_pulls() {
  pulls_failed=no
  IFS=$newline
  for runtime in $to_prove; do
    unset IFS
    prove_runtime "$runtime"
  done
  unset IFS
  [ "$pulls_failed" = no ] || exit 1
}

# RUNTIME
prove_runtime() {
  account=root
  case $1 in
    docker | 'docker of '*) pull_with_docker "$1" ;;
    podman) pull_with_podman ;;
    containerd) pull_with_containerd ;;
    microk8s)
      pull_with_ctr microk8s /var/snap/microk8s/common/run/containerd.sock 'microk8s ctr' \\
        /var/snap/microk8s/current/args/certs.d
      ;;
    k3s) pull_with_crictl k3s /run/k3s/containerd/containerd.sock 'k3s crictl' ;;
    rke2)
      pull_with_crictl rke2 /run/k3s/containerd/containerd.sock /var/lib/rancher/rke2/bin/crictl
      ;;
  esac
}

# These set $account to who pulls, $logged_in to whether that is to succeed, $ask to what asks the
# runtime without the registry, and $certificates to the folder that it takes them from.

# RUNTIME: logins of others are left out of it.
pull_with_docker() {
  certificates=/etc/docker/certs.d
  ! docker_is_snap || certificates=$snap_docker$certificates
  logged_in=no
  case $1$keepers in
    'docker of '*)
      account=$user
      certificates=$(home_of "$user")/.config/docker/certs.d
      ;;
    *" docker:$user"*) [ -S "/run/user/$uid/docker.sock" ] || account=$user ;;
  esac
  find_docker
  case $1:$docker in
    'docker of '*:docker)
      not_proved "$1" 'its daemon does not run'
      return
      ;;
  esac
  case "$keepers " in
    *" docker:$account "*) logged_in=yes ;;
    *) docker="$docker --config /nonexistent" ;;
  esac
  ask="$docker version"
  pull_each "$1" "$docker pull --quiet \\"\\$image\\" && $docker image rm \\"\\$image\\""
}

pull_with_podman() {
  certificates=/etc/containers/certs.d
  ask=:
  logged_in=no
  find_podman || {
    not_proved podman 'there is no podman, skopeo or buildah to ask it with'
    return
  }
  case "$keepers " in
    *" podman:$user "*)
      account=$user
      logged_in=yes
      ;;
  esac
  # One that keeps no images leaves nothing behind.
  if [ "$logged_in" = no ] && command -v skopeo >/dev/null; then
    podman=skopeo
  fi
  case $podman:$logged_in in
    skopeo:yes)
      pull_each podman "folder=\\$(mktemp -d) && trap 'rm -rf \\"\\$folder\\"' EXIT &&
        skopeo copy --quiet \\"docker://\\$image\\" \\"dir:\\$folder\\""
      ;;
    skopeo:no) pull_each podman "skopeo inspect --raw --no-creds \\"docker://\\$image\\"" ;;
    *:yes) pull_each podman "$podman pull --quiet \\"\\$image\\" && $podman rmi \\"\\$image\\"" ;;
    *)
      mkdir -p "$scratch"
      echo '{}' >"$scratch/auth.json"
      # At its first use it would make files in /etc.
      ! "$podman" --help | grep -q -e --network-config-dir ||
        podman="$podman --network-config-dir '$scratch'"
      pull_each podman "$podman pull --quiet --authfile '$scratch/auth.json' \\"\\$image\\" &&
        $podman rmi \\"\\$image\\""
      rm -r "$scratch"
      ;;
  esac
}

pull_with_containerd() {
  if command -v ctr >/dev/null || ! command -v nerdctl >/dev/null; then
    pull_with_ctr containerd "\${containerd_socket:-}" ctr "$hosts_folder"
  else
    logged_in=\${login_basic:+yes}
    certificates=$hosts_folder
    ask='nerdctl version'
    pull_each containerd "nerdctl pull --quiet \\"\\$image\\" && nerdctl rmi \\"\\$image\\""
  fi
  case $toml_state in
    ours | theirs)
      ! command -v crictl >/dev/null ||
        pull_with_crictl "containerd's CRI" "\${containerd_socket:-}" crictl
      ;;
  esac
}

# RUNTIME SOCKET CTR FOLDER
pull_with_ctr() {
  certificates=$4
  find_service "$1" "$2" "$3" "--address '$2'" || return 0
  # It asks the registry itself, in the place of a service without the session's proxies. Its progress
  # would hide what it says in the end.
  pull_each "$1" "unset $proxies; $ctr content fetch --hosts-dir '$4' \\"\\$image\\" >/dev/null &&
    $ctr images rm --sync \\"\\$image\\""
}

# RUNTIME SOCKET CRICTL
pull_with_crictl() {
  certificates="the files it has been set up with"
  find_service "$1" "$2" "$3" "--runtime-endpoint 'unix://$2' --image-endpoint 'unix://$2'" ||
    return 0
  pull_each "$1" "$ctr pull \\"\\$image\\" && $ctr rmi \\"\\$image\\""
}

# RUNTIME SOCKET PROGRAM OPTIONS: sets $ctr to the program with what leads it there.
find_service() {
  logged_in=\${login_basic:+yes}
  ctr="$3 $4"
  ask="$ctr version"
  if ! [ -S "$2" ]; then
    not_proved "$1" 'it does not run'
  elif ! command -v "\${3%% *}" >/dev/null; then
    not_proved "$1" "there is no \${3%% *} to ask it with"
  else
    # It may have just been restarted.
    for seconds in 1 2 3 4 5; do
      ! is_answering || return 0
      sleep "$seconds"
    done
    not_proved "$1" 'it does not answer'
  fi
  return 1
}

# Whether the runtime itself answers, in a time in which it would.
is_answering() {
  (limit=\${limit:+timeout 10} && run_as "$account" "$ask" >/dev/null 2>&1)
}

# CODE: whether timeout has ended the command: of busybox, it is that of the signal.
is_timeout() {
  [ "$1" -eq 124 ] || [ "$1" -eq 143 ]
}

# RUNTIME WHY
not_proved() {
  say "$1: \${ca_pem:+trusts $names; }not proved: $2"
}

# RUNTIME COMMAND: has it pull "$image" by each name of the registry.
pull_each() {
  answer_code=0
  is_answering || answer_code=$?
  if is_timeout "$answer_code"; then
    not_proved "$1" 'it does not answer'
    return
  fi
  has_pulled=no
  no_names=
  for own_host in $proved; do
    image_name=$(image_host "$own_host")
    pull_by_name "$1" "$2" "$image_name" "$logged_in" || return 0
    # The login is without the port.
    [ "$port" != 443 ] || pull_by_name "$1" "$2" "$image_name:443" no || return 0
  done
  [ -z "$ca_pem" ] || say "$1: trusts $names, proved by a pull"
  # shellcheck disable=SC2086 # a list of words
  [ -z "$no_names" ] || say "$1: not proved by $(commas $no_names), which it takes for no image's name"
  case $has_pulled in
    yes) say "$1: pulled an image for a proof" ;;
    none) say "$1: pulled no image for a proof, as this registry has none for that" ;;
  esac
}

# RUNTIME COMMAND NAME LOGGED_IN: whether that proves something; if not, it has been said why.
pull_by_name() {
  code=0
  words=$(run_as "$account" "image='$3/${proofReference}'
$2" 2>&1) || code=$?
  words=$(printf '%s\\n' "$words" | grep -v '^[[:space:]]*$' | tail -n 1)
  if [ "$code" -eq 0 ]; then
    [ "$4" != yes ] || has_pulled=yes
    return
  fi
  ! is_timeout "$code" || words='the pull did not end within a minute'
  case $code:$words in
    127:*) not_proved "$1" "there is no program to ask it with: $words" ;;
    *'annot connect to the Docker daemon'* | *'docker daemon running'* | *'dial unix'*)
      not_proved "$1" "its daemon does not run, or not for $account"
      ;;
    *'permission denied'* | *'user namespace'* | *newuidmap* | *'cannot clone'*)
      not_proved "$1" "$account may not use it: $words"
      ;;
    *'invalid reference'*) no_names="$no_names $3" && return ;;
    *x509:* | *'tls: '* | *'client certificate'* | *proxyconnect*) refuse_pull "$1" "$3" ;;
    *'manifest unknown'* | *'name unknown'* | *': not found' | *'404 Not Found'*)
      [ "$4" != yes ] || has_pulled=none
      return
      ;;
    *toomanyrequests* | *'429 Too Many'*) return ;;
    *'no basic auth credentials'* | *'nauthorized: '* | *'401 Unauthorized'* | *'denied: '* | \\
      *'authentication required'* | *'authorization failed'*)
      [ "$4" = yes ] || return 0
      refuse_pull "$1" "$3"
      ;;
    *) refuse_pull "$1" "$3" ;;
  esac
  return 1
}

# RUNTIME NAME
refuse_pull() {
  complain "$2: $1 cannot pull as $account: $words; $(mend_pull "$1" "$2")"
  pulls_failed=yes
}

# RUNTIME NAME: what to do about $words.
mend_pull() {
  case $words in
    *'issing client certificate'* | *'issing key'* | *'PEM data'* | *'does not match public key'*)
      say "in $certificates/$2 is a .key or .cert (a client's certificate) without its other half," \\
        'or one that is damaged: add what is missing, or delete both'
      return
      ;;
    *'not yet valid'* | *'has expired'*)
      mend_clock "$words"
      return
      ;;
  esac
  proxy=
  case $1 in
    docker*)
      proxy=$(run_as "$account" "$docker info --format '{{.HTTPSProxy}} {{.NoProxy}}'" 2>/dev/null) || :
      ;;
    # These ask the registry themselves.
    podman | containerd)
      proxy=$(run_as "$account" 'printf "%s %s" "\${HTTPS_PROXY:-\${https_proxy:-}}" \\
        "\${NO_PROXY:-\${no_proxy:-}}"' 2>/dev/null) || :
      ;;
  esac
  ! is_exempt "\${proxy#* }" || proxy=
  proxy=\${proxy%% *}
  case $proxy:$words in
    [!:]*:* | *proxyconnect*)
      # Without the password that may be in it.
      words="it goes through a proxy\${proxy:+, $(printf '%s' "$proxy" | sed 's|[^/]*@||')}:"
      words="$words exempt $own_host from that"
      case $1 in
        docker*)
          say "$words (\\"no-proxy\\" of \\"proxies\\" in /etc/docker/daemon.json, or NO_PROXY in the" \\
            'environment of its service), then restart it'
          ;;
        podman | containerd)
          say "$words (no_proxy and NO_PROXY in the environment of $account, such as in" \\
            '/etc/environment), then run this again'
          ;;
        *) say "$words (NO_PROXY in the environment of its service), then restart it" ;;
      esac
      ;;
    *x509:* | *'tls: '*)
      say "it knows another CA for that name, or none, in spite of $certificates/$2:" \\
        'check what is there, and that it reads that folder'
      ;;
    # The words of "mend" are those of other programs.
    *) mend "\${words##*failed to resolve reference}" ;;
  esac
}

# LIST: whether $own_host is in it, as programs in Go read NO_PROXY: with all names below one.
is_exempt() {
  IFS=' ,'
  for exempt in $1; do
    exempt=\${exempt%:"$port"}
    exempt=\${exempt#'*.'}
    case $exempt:.$own_host in
      '*':* | *:*".\${exempt#.}") unset IFS && return ;;
    esac
  done
  unset IFS
  return 1
}
`;
