/**
 * Makes files and folders, and remembers them, so that a later run can take away exactly those.
 *
 * The manifest has one line for each: `folder PATH`, `file PATH`, `hosts PATH` (a block in it),
 * `yaml PATH` (one below a key of it), `block PATH` (one that all registries share), `empty PATH` (a
 * file made for a block), `mode MODE PATH` (what a file's mode was), `refresh COMMAND` (what has to
 * run yet), and `credentials` and `login` (see login.ts). A line is written before its thing is
 * made: an interrupted run leaves nothing unknown.
 *
 * The folder `written` has the text that a run wrote into each file, by which it is told from what
 * others have written there since.
 *
 * A check goes the same way through the script, and only notes what it would change.
 */
export const manifest = `# --- What this script made, and its manifest ---

states=/var/lib/private-registry
state=$states/$name
# Where what others wrote is kept, if it cannot stay where it is.
saved=/var/lib/private-registry.saved
newline='
'
# The manifests of earlier runs: this registry's, and all registries' on this machine.
made=$newline
made_by_any=$newline
# The manifest of this run.
wanted=$newline
# What earlier runs made and this one could not take away.
left=
# A file that is being written.
unfinished=
# What a check has found, one line for each.
found=

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
  made=$newline
  if [ -f "$state/manifest" ]; then
    made=$newline$(cat "$state/manifest")$newline
  fi
  states_of_all=
  set +f
  made_by_any=$newline$(cat "$states"/*/manifest 2>/dev/null || :)$newline
  for each_state in "$states"/*/manifest; do
    each_state=\${each_state%/manifest}
    states_of_all="$states_of_all $each_state"
  done
  set -f
}

# KIND PATH: this run wants it, and may be about to make it.
want() {
  ! includes "$wanted" "$1 $2" || return 0
  wanted="$wanted$1 $2$newline"
  if ! includes "$made" "$1 $2" && [ "$command" != check ]; then
    say "$1 $2" >>"$state/manifest"
  fi
}

# LINE
unwant() {
  if includes "$wanted" "$1"; then
    wanted=\${wanted%%"$newline$1$newline"*}$newline\${wanted#*"$newline$1$newline"}
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
  as_owner "$1" 'mkdir "$path"' || fail "$1: cannot be made, as the line above says"
}

# PATH: whoever's home it is in, or root.
owner_of() {
  case $1 in
    */.config | */.config/*) stat -c %U "\${1%%/.config*}" 2>/dev/null || echo root ;;
    *) echo root ;;
  esac
}

# PATH LINE: runs a line of shell about "$path". In a home, as whose home it is: a link that was
# planted there would lead root anywhere.
as_owner() (
  path=$1
  owner=$(owner_of "$path")
  if [ "$owner" = root ]; then
    eval "$2"
  else
    export path
    run_as "$owner" "$2"
  fi
)

# FILE: an empty one for what not everybody may read.
make_private() {
  rm -f "$1" && (umask 077 && : >"$1")
}

# FILE [STATE]: sets $copy to where a registry's script, by default this one's, keeps what it wrote.
find_copy() {
  copy=\${2:-$state}/written/$(printf '%s' "$1" | sed 's,=,==,g; s,/,=,g')
}

# FILE TEXT: before it is written. What was written before counts until that is settled.
remember() {
  find_copy "$1"
  [ -d "$state/written" ] || mkdir -m 700 "$state/written"
  (umask 077 && printf '%s' "$2" >"$copy.next")
}

# FILE: it has been written.
settle() {
  find_copy "$1"
  [ ! -e "$copy.next" ] || mv -f "$copy.next" "$copy"
}

# FILE TEXT: nothing is to be written, but a killed run may have left it unsettled, and the version
# before this knew no copies.
keep_copy() {
  ! is_own "$1" && [ "$command" != check ] || return 0
  find_copy "$1"
  if [ -f "$copy.next" ] || [ ! -f "$copy" ] || [ "$(cat "$copy")$newline" != "$2" ]; then
    remember "$1" "$2"
    settle "$1"
  fi
}

unremember() {
  find_copy "$1"
  rm -f "$copy" "$copy.next"
}

# FILE: sets $content to all bytes of it, with the end of its last line if it has one.
read_file() {
  content=$(as_owner "$1" 'cat "$path" && printf .') && content=\${content%.}
}

# FILE STATE...: sets $text to the longest text that the scripts with these folders are known to have
# written into it, and that its $content still has.
find_written() {
  text=
  file_of_text=$1
  shift
  for each_state in "$@"; do
    find_copy "$file_of_text" "$each_state"
    for each_copy in "$copy.next" "$copy"; do
      [ -f "$each_copy" ] || continue
      known_text=$(cat "$each_copy" && printf .)
      known_text=\${known_text%.}
      [ "\${#known_text}" -gt "\${#text}" ] || continue
      case $content in
        *"$known_text"*) text=$known_text ;;
      esac
    done
  done
  [ -n "$text" ]
}

# FILE: sets $others to the folders of the other registries whose manifests have the line "KIND FILE".
find_others() {
  set +f
  others=$(grep -lxF -e "$1" "$states"/*/manifest 2>/dev/null | grep -vxF "$state/manifest" |
    sed 's,/manifest$,,') || :
  set -f
}

# LINE: whether another registry's manifest has it.
others_want() {
  find_others "$1"
  [ -n "$others" ]
}

# FILE: sets $aside to where it can be kept for whoever wrote it.
find_aside() {
  aside=$saved$1
  number=1
  while [ -e "$aside" ] || [ -L "$aside" ]; do
    number=$((number + 1))
    aside=$saved$1.$number
  done
  (umask 077 && mkdir -p "\${aside%/*}")
}

# FILE: moves away what somebody else has written there, and says so.
save_aside() {
  find_aside "$1" || return
  if [ "$(owner_of "$1")" = root ]; then
    mv "$1" "$aside"
  else
    as_owner "$1" 'cat "$path"' >"$aside" && as_owner "$1" 'rm -f "$path"'
  fi || return
  say "$1: somebody has changed it since this script wrote it; what it held is now $aside"
}

# PATH TEXT [UMASK]: a file of this script's own. It is there in full or not at all. What others have
# put before or behind its text stays there.
place() {
  want_folder "\${1%/*}"
  want file "$1"
  new=$2$newline
  [ ! -d "$1" ] || fail "$1: expected a file or nothing, got a folder; remove it, then run this again"
  if [ -e "$1" ]; then
    read_file "$1"
    is_own "$1" || merge "$1"
    if [ "$new" = "$content" ]; then
      if [ "\${3:-022}" = 077 ]; then keep_private "$1"; fi
      keep_copy "$1" "$2$newline"
      return
    fi
  fi
  ! noted "$1" || return 0
  make_folder "\${1%/*}"
  # What it held before is gone.
  if [ -f "$1" ]; then due_in_store "$1" --fresh; else due_in_store "$1"; fi
  is_own "$1" || remember "$1" "$2$newline"
  unfinished=\${1%/*}/.private-registry-new
  if is_secret "$1" "$new"; then set -- "$1" "$2" 077; fi
  printf '%s' "$new" | as_owner "$1" "umask \${3:-022}"' && new=\${path%/*}/.private-registry-new &&
    rm -f "$new" && cat >"$new" && mv -f "$new" "$path"' ||
    fail "$1: cannot be written, as the line above says"
  unfinished=
  settle "$1"
}

# FILE: with credentials; somebody may have given it another mode.
keep_private() {
  case $(mode_of "$1") in
    *,g=,o=) ;;
    *) noted "$1" || chmod 600 "$1" ;;
  esac
}

# FILE TEXT: whether the text has credentials for containerd, whoever wrote them.
is_secret() {
  case $1:$2 in
    */hosts.toml:*[Aa]uthorization*) return 0 ;;
    *) return 1 ;;
  esac
}

# FILE: whether it is in this script's own folder, where nobody else writes.
is_own() {
  case $1 in
    "$state"/*) return 0 ;;
    *) return 1 ;;
  esac
}

# FILE: makes $new of $content, which is there, and of $new, which is to be.
merge() {
  # shellcheck disable=SC2086 # a list of words
  if find_written "$1" "$state" $states_of_all; then
    new=\${content%%"$text"*}$new\${content#*"$text"}
    return
  fi
  case $content in
    *"$new"*) new=$content ;;
    ?*) [ "$command" != apply ] || written_before "$1" || save_aside "$1" ;;
  esac
}

# FILE: whether another registry's script wrote it that remembered no text.
written_before() {
  find_others "file $1"
  for other in $others; do
    [ -d "$other/written" ] || return 0
  done
  return 1
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
  modes=
  IFS=$newline
  for line in $made; do
    ! includes "$wanted" "$line" || continue
    case $line in
      # Not before the secret is gone.
      'mode '*) modes="$modes$line$newline" ;;
      *) newest_first="$line$newline$newest_first" ;;
    esac
  done
  for unwanted in $newest_first$modes; do
    unset IFS
    # In their own order: what was made first goes last the next time, too.
    forget "\${unwanted%% *}" "\${unwanted#* }" || left=$unwanted$newline$left
  done
  unset IFS
}

# KIND PATH: takes it away, unless another registry's script wants it as well.
forget() {
  case $1 in
    # It is to be done yet.
    refresh) want refresh "$2" ;;
    file | folder | hosts | yaml | block | empty | mode | credentials | login)
      ! noted "$1 $2" || return 0
      "forget_$1" "$2"
      ;;
  esac
}

forget_file() {
  case $1 in
    # The version before this had the whole file, which is a matter of the lines now.
    */registries.yaml)
      if ! includes "$wanted" "yaml $1"; then
        forget_yaml "$1" && forget_empty "$1" || return
      fi
      return
      ;;
  esac
  rm -f "\${1%/*}/.private-registry-new"
  find_others "file $1"
  if [ -n "$others" ]; then
    hand_over "$1"
  elif [ -d "$1" ]; then
    :
  elif [ -L "$1" ]; then
    save_aside "$1"
  elif [ -e "$1" ]; then
    due_in_store "$1" --fresh
    read_file "$1" || return
    if is_own "$1"; then
      rm -f "$1"
    elif find_written "$1" "$state"; then
      rest=\${content%%"$text"*}\${content#*"$text"}
      if [ -z "$(printf '%s' "$rest" | tr -d '[:space:]')" ]; then
        as_owner "$1" 'rm -f "$path"'
      else
        make_private "$state/file.new" &&
          printf '%s' "$rest" >"$state/file.new" &&
          overwrite "$1" "$state/file.new" || return
        say "$1: what somebody else has put there stays"
      fi
    elif [ -n "$content" ]; then
      save_aside "$1"
    else
      as_owner "$1" 'rm -f "$path"'
    fi
  fi || return
  unremember "$1"
}

# FILE: one of the same registry, as another of its installations wrote it, if this one wrote later.
hand_over() {
  [ -f "$1" ] || return 0
  read_file "$1" || return
  # shellcheck disable=SC2086 # a list of words
  ! find_written "$1" $others || return 0
  find_written "$1" "$state" || return 0
  for other in $others; do
    find_copy "$1" "$other"
    [ -f "$copy" ] || continue
    due_in_store "$1" --fresh
    make_private "$state/file.new" && {
      printf '%s' "\${content%%"$text"*}" && cat "$copy" && printf '%s' "\${content#*"$text"}"
    } >"$state/file.new" || return
    if is_secret "$1" "$(cat "$copy")"; then chmod 600 "$1" || return; fi
    overwrite "$1" "$state/file.new"
    return
  done
}

forget_folder() {
  # What a killed run was writing.
  rm -f "$1/.private-registry-new"
  if as_owner "$1" 'rmdir "$path"' 2>/dev/null || [ ! -d "$1" ] || others_want "folder $1"; then
    return
  fi
  # Somebody else uses it by now, unless something in it could not be taken away.
  case $newline$left in
    *"$newline"*" $1/"*) return 1 ;;
  esac
}

# The file was made for a block; whatever else it holds by now is not this script's.
forget_empty() {
  [ -s "$1" ] || others_want "empty $1" || rm -f "$1"
}

forget_hosts() {
  write_block "$1" "private-registry $name" '' && unremember "$1"
}

forget_block() {
  rm -f "\${1%/*}/.private-registry-new"
  others_want "block $1" || write_block "$1" "$containerd_mark" '' || return
  unremember "$1"
}

# "MODE FILE": as it was before it was given a secret.
forget_mode() {
  if others_want "mode $1" || [ ! -e "\${1#* }" ] || [ "$(stat -L -c %a "\${1#* }")" != 600 ]; then
    return 0
  fi
  case $newline$left in
    *"\${newline}yaml \${1#* }$newline"*) return 1 ;;
  esac
  chmod "\${1%% *}" "\${1#* }"
}

forget_credentials() {
  # shellcheck disable=SC2086 # words
  restore_credentials $1
}

forget_login() {
  # shellcheck disable=SC2086 # words
  log_out $1
}

# The version before this kept here, alone, what a file held that it could not write in full.
keep_old() {
  [ -s "$state/file.old" ] || return 0
  find_aside "$state/file.old" && mv "$state/file.old" "$aside" || return
  say "$state/file.old: what a file held that an earlier run could not write in full; it is now $aside"
}

write_manifest() {
  [ "$command" != check ] || return 0
  text=\${wanted#"$newline"}$left
  if [ -z "$text" ]; then
    if [ -e "$state/overwriting" ]; then
      rm -f "$state/manifest"
      return
    fi
    keep_old || return
    rm -rf "$state"
    rmdir "$states" 2>/dev/null || :
  elif [ "$text" != "$(cat "$state/manifest" 2>/dev/null)$newline" ]; then
    unfinished=$state/manifest.new
    printf '%s' "$text" >"$unfinished"
    mv -f "$unfinished" "$state/manifest"
    unfinished=
  fi
}
`;
