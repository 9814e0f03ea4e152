/** What a person gives the script on a command line, and what one that Pulumi made chose before. */
export const byHand = `# --- Run by hand ---

# Who manages this machine, if that is Pulumi and a person runs this script.
manager=
# Whom the machine is left logged in as, by a password that this script does not have.
kept_login=

usage() {
  say "usage: sudo sh trust.sh [apply] [--system-trust] [--login USER]
       sudo sh trust.sh check | remove

Makes this machine trust the registry \${hosts%% *}, tells what has changed since, or takes all of it
away again.

  --system-trust  gives the CA to the machine's own trust store too, for curl and other programs
  --login USER    leaves the machine logged in as that user of the registry; the password is asked
                  for, or is the first line of the standard input where that is no terminal"
}

refuse_arguments() {
  complain "$@"
  usage >&2
  exit 2
}

parse_arguments() {
  command=
  option=
  asked_login=
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help | help)
        usage
        exit 0
        ;;
      apply | check | remove)
        [ -z "$command" ] || refuse_arguments "expected one command, got \\"$command\\" and \\"$1\\""
        command=$1
        ;;
      --system-trust) system_trust=yes option=$1 ;;
      --login)
        [ $# -gt 1 ] || refuse_arguments 'expected a user of the registry after --login, got nothing'
        asked_login=$2 option=$1
        shift
        ;;
      --login=*) asked_login=\${1#*=} option=--login ;;
      *) refuse_arguments "expected apply, check, remove, --system-trust or --login USER, got \\"$1\\"" ;;
    esac
    case $option:$asked_login in
      --login: | --login:[!A-Za-z0-9]* | --login:*[!A-Za-z0-9._@-]*)
        refuse_arguments "--login: expected a user of the registry, got \\"$asked_login\\""
        ;;
    esac
    shift
  done
  command=\${command:-apply}
  if [ -n "$option" ] && [ "$command" != apply ]; then
    refuse_arguments "$command takes no $option"
  fi
}

# Sets the login that --login asks for.
ask_password() {
  [ -n "$asked_login" ] || return 0
  login_user=$asked_login
  login_password=
  # The standard input is this script itself, unless that is a file.
  if [ -t 0 ] || ! grep -qsF -e "$heading" "$0"; then
    if ! (: </dev/tty) 2>/dev/null; then
      fail "--login: there is no terminal to ask for the password of $login_user; copy this script to a" \\
        'file, and give the password on its standard input'
    fi
    terminal=$(stty -g </dev/tty) && stty -echo </dev/tty
    printf 'Password of %s at %s: ' "$login_user" "\${hosts%% *}" >/dev/tty
    IFS= read -r login_password </dev/tty || :
    show_typing
    printf '\\n' >/dev/tty
  else
    IFS= read -r login_password || :
  fi
  [ -n "$login_password" ] || fail "--login: expected the password of $login_user, got nothing"
  if command -v base64 >/dev/null; then
    login_basic=$(printf '%s:%s' "$login_user" "$login_password" | base64 | tr -d '\\n')
  else
    login_basic=$(printf '%s:%s' "$login_user" "$login_password" | openssl base64 -A)
  fi
}

# The terminal's settings, while it does not show what is typed.
terminal=

show_typing() {
  [ -z "$terminal" ] || stty "$terminal" </dev/tty
  terminal=
}

# A script that everybody may have does not know what Pulumi has chosen for this machine: that stays
# as it is. A check by hand asks whether all is as it was set up, whoever did.
keep_choices() {
  [ -z "$client" ] && [ "$made" != "$newline" ] || return 0
  manager=$(signer)
  if [ -z "$manager" ] && [ "$command" = apply ]; then
    tell_of_taken_back
    return
  fi
  if [ -f "$state/choices" ]; then
    while read -r choice value; do
      case $choice in
        runtimes) runtimes=$value ;;
        system_trust) [ "$value" = no ] || system_trust=yes ;;
        hosts_entry) [ "$value" = yes ] || address= ;;
        login) kept_login=$value ;;
      esac
    done <"$state/choices"
  else
    find_choices
  fi
  if [ -n "$login_user" ]; then
    kept_login=
  elif [ -n "$kept_login" ]; then
    login_basic=$(find_basic)
  fi
}

# Nobody keeps the choices of a run by hand: the next one has its own.
tell_of_taken_back() {
  set --
  if [ "$system_trust" = no ] && is_in_store; then
    set -- "the CA in the machine's own trust store (--system-trust)"
  fi
  before=$(find_login)
  if [ -z "$login_user" ] && [ -n "$before" ]; then
    set -- "$@" "the login as $before (--login $before)"
  fi
  [ $# -eq 0 ] || say "not asked for this time, so taken back: $(commas "$@")"
}

# Whether an earlier run has given the CA to the machine's own trust store.
is_in_store() {
  for store in $stores; do
    case $made in
      *"\${newline}file \${store%:*}/"*) return 0 ;;
    esac
  done
  return 1
}

# Whom an earlier run has logged in.
find_login() {
  known=$(printf '%s' "$made" | sed -n 's/^login [^ ]* [^ ]* \\([^ ]*\\) .*/\\1/p' | head -n 1)
  if [ -z "$known" ] && [ -n "$(find_basic)" ]; then
    known=$(find_basic | { base64 -d || openssl base64 -d -A; } 2>/dev/null | sed 's/:.*//')
  fi
  printf '%s' "$known"
}

# Those of the version before this, from its manifest.
find_choices() {
  includes "$made" 'hosts /etc/hosts' || address=
  ! is_in_store || system_trust=yes
  kept_login=$(find_login)
  has=''
  lacks=''
  for runtime in docker podman containerd; do
    # Docker's containerd is here only for those who ask for it by name.
    case $runtime:$made in
      docker:*'file /etc/docker/'* | docker:*/.config/docker/certs.d/* | \\
        podman:*'file /etc/containers/'* | containerd:*/hosts.toml* | containerd:*/registries.yaml*)
        has="$has $runtime"
        ;;
      *) ! "\${runtime}_is_here" || lacks=yes ;;
    esac
  done
  [ -z "$lacks" ] || runtimes=\${has# }
}

# The credentials in the files that are set up with them.
find_basic() {
  set +f
  set -- "$state"/written/*
  set -f
  if [ "$adopts" = yes ]; then
    IFS=$newline
    for line in $made; do
      case $line in
        'file '*/hosts.toml | 'file '*/registries.yaml) set -- "$@" "\${line#* }" ;;
      esac
    done
    unset IFS
  fi
  cat "$@" 2>/dev/null |
    sed -n -e 's/^  authorization = "Basic \\(.*\\)"$/\\1/p' -e 's/^ *auth: \\(..*\\)$/\\1/p' | head -n 1
}

# What is logged in stays so.
keep_logins() {
  [ -n "$kept_login" ] || return 0
  IFS=$newline
  for line in $made; do
    case $line in
      'credentials '*)
        unset IFS
        # shellcheck disable=SC2086 # words
        want_folder_of_login \${line#* }
        wanted=$wanted$line$newline
        ;;
      'login '*) wanted=$wanted$line$newline ;;
    esac
  done
  unset IFS
}

# PROGRAM ACCOUNT: who is gone has no folders.
want_folder_of_login() {
  id -u "$2" >/dev/null 2>&1 || return 0
  find_credentials "$1" "$2"
  want_folder "\${file%/*}"
}

# For the next run by hand.
write_choices() {
  [ "$command" = apply ] || return 0
  text="runtimes $runtimes
system_trust $system_trust
hosts_entry $([ -n "$address" ] && echo yes || echo no)
login \${login_user:-$kept_login}"
  if [ "$(cat "$state/choices" 2>/dev/null)" != "$text" ]; then
    printf '%s\\n' "$text" >"$state/choices"
  fi
}

tell_of_manager() {
  [ -n "$manager" ] || return 0
  say "managed by Pulumi as $manager, which sets this machine up again whenever it changes something:" \\
    'what it has chosen here is kept; change it among its clients'
}
`;
