/**
 * Makes files and folders, and remembers them, so that a later run can take away exactly those.
 *
 * The manifest has one line for each: `folder PATH`, `file PATH`, `hosts PATH` (a block in it),
 * `block PATH` (one that all registries share), `empty PATH` (a file made for a block), and
 * `credentials` and `login` (see login.ts). A line is written before its thing is made: an
 * interrupted run leaves nothing unknown.
 *
 * A check goes the same way through the script, and only notes what it would change.
 */
export const manifest = `# --- What this script made, and its manifest ---

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
  printf '%s\\n' "$*"
}

complain() {
  printf 'private-registry: %s\\n' "$*" >&2
}

fail() {
  complain "$@"
  exit 1
}

# "a, b, c"
commas() {
  list=
  for item in "$@"; do
    list="\${list:+$list, }$item"
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
  want_folder "\${1%/*}"
  if [ ! -d "$1" ] || includes "$made_by_any" "folder $1"; then
    want folder "$1"
  fi
}

make_folder() {
  [ ! -d "$1" ] || return 0
  make_folder "\${1%/*}"
  mkdir "$1"
  [ -z "$owner" ] || chown "$owner" "$1"
}

# PATH TEXT [UMASK]: a file of this script's own. It is there in full or not at all.
place() {
  want_folder "\${1%/*}"
  want file "$1"
  if [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; then
    return
  fi
  ! noted "$1" || return 0
  make_folder "\${1%/*}"
  placed="$placed$1$newline"
  # What it held before is gone.
  [ ! -f "$1" ] || taken="$taken$1$newline"
  unfinished=\${1%/*}/.private-registry-new
  rm -f "$unfinished"
  (umask "\${3:-022}" && printf '%s\\n' "$2" >"$unfinished")
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
    # In their own order: what was made first goes last the next time, too.
    forget "\${line%% *}" "\${line#* }" || left="$line$newline$left"
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
  text=\${wanted#"$newline"}$left
  if [ -z "$text" ]; then
    rm -f "$state/manifest" "$state/client" "$state/restart-containerd" "$state/restart-k3s" \
      "$state/restart-rke2"
    rmdir "$state/logins" "$state" 2>/dev/null || :
    rmdir /var/lib/private-registry 2>/dev/null || :
  elif [ "$newline$text" != "$made" ]; then
    unfinished=$state/manifest.new
    printf '%s' "$text" >"$unfinished"
    mv -f "$unfinished" "$state/manifest"
    unfinished=
  fi
}
`;
