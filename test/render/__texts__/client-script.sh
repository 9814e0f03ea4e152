#!/bin/sh
# Makes this machine trust the container registry registry.example.com, or forget it again:
#
#   sudo sh trust.sh           set it up, or bring it up to date
#   sudo sh trust.sh check     tell what has changed since, and change nothing
#   sudo sh trust.sh remove    take all of it away
#   sh trust.sh --help         the options --system-trust and --login USER
#
# Made by Pulumi for the registry "private-registry-dev-hub". It holds no secret.

set -euf
umask 022
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
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
# Made anew, or programs would be handed what the session's environment has by such a name; or told
# of credentials or runtimes elsewhere.
unset login_password login_basic DOCKER_CONFIG DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY \
  DOCKER_CONTENT_TRUST DOCKER_DEFAULT_PLATFORM REGISTRY_AUTH_FILE CONTAINER_HOST
# The user of the registry that this machine is left logged in as; nobody if empty.
login_user=''
login_password=''
login_basic=
# Whose set-up this is, and whether to tell this machine's host key: yes or no.
client=''
tell_host_key=no

# --- One run at a time ---

# The lock that this run has.
locked=

# PROCESS: sets $stamp to what tells it from later ones of the same number; empty if it is gone.
find_stamp() {
  stamp=
  if [ ! -r /proc/self/stat ]; then
    ! kill -0 "$1" 2>/dev/null || stamp=$1.
    return
  fi
  { IFS= read -r words <"/proc/$1/stat"; } 2>/dev/null || return 0
  # The name may hold anything, but ends with the last bracket.
  # shellcheck disable=SC2086 # a list of words, whose twentieth is when it began
  set -- "$1" ${words##*) }
  stamp=$1.${21}
}

# LOCK: takes it, unless one who lives has it. Only who has the lock of a dead holder may end it.
take() {
  ! ln -sn "$me" "$1" 2>/dev/null || return 0
  holder=$(readlink "$1") || return
  find_stamp "${holder%%.*}"
  [ "$stamp" != "$holder" ] || return
  set -- "$1" "$holder"
  take "$1.$2" || return
  [ "$(readlink "$1")" != "$2" ] || rm -f "$1"
  rm -f "$1.$2"
  ln -sn "$me" "$1" 2>/dev/null
}

take_lock() {
  find_stamp $$
  me=$stamp
  for folder in /run /var/run /var/lib; do
    if [ -d "$folder" ] && [ -w "$folder" ]; then
      break
    fi
  done
  waited=0
  waits_for=
  until take "$folder/private-registry.lock"; do
    holder=$(readlink "$folder/private-registry.lock") || holder=
    if [ "$holder" != "$waits_for" ]; then
      waits_for=$holder
      waited=0
    fi
    if [ "$waited" -ge 600 ]; then
      [ -n "$holder" ] || fail "$folder/private-registry.lock cannot be made: free the way for it"
      fail "process ${holder%%.*} on this machine is setting up or removing a registry here, and has" \
        "not ended for 10 minutes; end it, or wait for it, then run this again"
    fi
    sleep 1
    waited=$((waited + 1))
  done
  locked=$folder/private-registry.lock
}

release_lock() {
  [ -z "$locked" ] || rm -f "$locked"
  locked=
}

# --- What this script made, and its manifest ---

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
  made=$newline
  if [ -f "$state/manifest" ]; then
    made=$newline$(cat "$state/manifest")$newline
  fi
  states_of_all=
  set +f
  made_by_any=$newline$(cat "$states"/*/manifest 2>/dev/null || :)$newline
  for each_state in "$states"/*/manifest; do
    each_state=${each_state%/manifest}
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
    wanted=${wanted%%"$newline$1$newline"*}$newline${wanted#*"$newline$1$newline"}
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
  as_owner "$1" 'mkdir "$path"' || fail "$1: cannot be made, as the line above says"
}

# PATH: whoever's home it is in, or root.
owner_of() {
  case $1 in
    */.config | */.config/*) stat -c %U "${1%%/.config*}" 2>/dev/null || echo root ;;
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
  copy=${2:-$state}/written/$(printf '%s' "$1" | sed 's,=,==,g; s,/,=,g')
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
  content=$(as_owner "$1" 'cat "$path" && printf .') && content=${content%.}
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
      known_text=${known_text%.}
      [ "${#known_text}" -gt "${#text}" ] || continue
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
  (umask 077 && mkdir -p "${aside%/*}")
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
  want_folder "${1%/*}"
  want file "$1"
  new=$2$newline
  [ ! -d "$1" ] || fail "$1: expected a file or nothing, got a folder; remove it, then run this again"
  if [ -e "$1" ]; then
    read_file "$1"
    is_own "$1" || merge "$1"
    if [ "$new" = "$content" ]; then
      if [ "${3:-022}" = 077 ]; then keep_private "$1"; fi
      keep_copy "$1" "$2$newline"
      return
    fi
  fi
  ! noted "$1" || return 0
  make_folder "${1%/*}"
  # What it held before is gone.
  if [ -f "$1" ]; then due_in_store "$1" --fresh; else due_in_store "$1"; fi
  is_own "$1" || remember "$1" "$2$newline"
  unfinished=${1%/*}/.private-registry-new
  if is_secret "$1" "$new"; then set -- "$1" "$2" 077; fi
  printf '%s' "$new" | as_owner "$1" "umask ${3:-022}"' && new=${path%/*}/.private-registry-new &&
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
    new=${content%%"$text"*}$new${content#*"$text"}
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
    forget "${unwanted%% *}" "${unwanted#* }" || left=$unwanted$newline$left
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
  rm -f "${1%/*}/.private-registry-new"
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
      rest=${content%%"$text"*}${content#*"$text"}
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
      printf '%s' "${content%%"$text"*}" && cat "$copy" && printf '%s' "${content#*"$text"}"
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
  rm -f "${1%/*}/.private-registry-new"
  others_want "block $1" || write_block "$1" "$containerd_mark" '' || return
  unremember "$1"
}

# "MODE FILE": as it was before it was given a secret.
forget_mode() {
  if others_want "mode $1" || [ ! -e "${1#* }" ] || [ "$(stat -L -c %a "${1#* }")" != 600 ]; then
    return 0
  fi
  case $newline$left in
    *"${newline}yaml ${1#* }$newline"*) return 1 ;;
  esac
  chmod "${1%% *}" "${1#* }"
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
  text=${wanted#"$newline"}$left
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
# before older lines for the same names, and the last line may lack its end. What others have written
# into the block stays, behind it.
write_block() {
  [ -e "$1" ] || return 0
  find_block "$1" "$2" || return
  if [ -z "$block" ]; then
    case $(head -n 1 "$1") in
      # It has to be the first line.
      '## template:'*)
        before=1
        after=2
        ;;
    esac
  fi
  find_lines_of_others "$1"
  if [ -n "$3" ]; then
    own_block=$begin$newline$3$end$newline
    text=$own_block
  else
    text=$(printf '%s' "$block" | sed -n 's/^# was: //p')
    text=${text:+$text$newline}
    case $1 in
      *.toml)
        # They may belong to a table that begins in the block.
        [ -z "$lines_of_others" ] || {
          text=$(printf '%s' "$block" | grep -vxF -e "$begin" -e "$end" |
            sed '/^ *config_path = "[^"]*"$/d; s/^# was: //')$newline
          lines_of_others=
        }
        ;;
    esac
  fi
  text=$text$lines_of_others
  if [ "$text" = "$block" ]; then
    [ -z "$3" ] || keep_copy "$1" "$own_block"
    return
  fi
  ! noted "$1" || return 0
  block_changed=yes
  [ -z "$3" ] || remember "$1" "$own_block" || return
  make_private "$state/file.new" &&
    with_text "$1" "$text" >"$state/file.new" &&
    overwrite "$1" "$state/file.new" || return
  settle "$1"
}

# FILE: sets $lines_of_others to the lines of its $block that no script has written, as far as any
# remembers what it wrote.
find_lines_of_others() {
  lines_of_others=
  find_copy "$1"
  key=${copy##*/}
  set +f
  # Not of one registry but of all: they may share the block.
  known=$newline$(cat "$states"/*/written/"$key" "$states"/*/written/"$key.next" 2>/dev/null || :)$newline
  set -f
  [ "$known" != "$newline$newline" ] || return 0
  IFS=$newline
  for each in $block; do
    includes "$known" "$each" || lines_of_others=$lines_of_others$each$newline
  done
  unset IFS
}

same_bytes() {
  [ "$(cat "$1" && echo .)" = "$(cat "$2" && echo .)" ]
}

# FILE NEW: gives the file the new bytes and removes the other, in place and in one go: it may be a
# bind mount, and keeps its mode, owner and labels. A run that is cut off in the middle of it leaves
# a folder, by which the next one puts back what the file held.
overwrite() {
  recover_files || return
  rm -rf "$state/overwriting.new"
  if ! keep_both "$1" "$2" || ! mv "$state/overwriting.new" "$state/overwriting"; then
    rm -rf "$state/overwriting.new"
    complain "$1: stays as it is, as no copy of it could be made in $state, as the line above says;" \
      'make some room there, then run this again'
    return 1
  fi
  if as_owner "$1" 'cat >"$path"' <"$2"; then
    end_overwriting "$state/overwriting"
    rm -f "$2"
    return
  fi
  as_owner "$1" 'cat >"$path"' <"$state/overwriting/old" 2>/dev/null || :
  if same_bytes "$1" "$state/overwriting/old"; then
    end_overwriting "$state/overwriting"
    case $1 in
      /etc/hosts | /etc/cloud/*) other_way='set hostsEntry to false for this client' ;;
      *) other_way="leave containerd out of this client's runtimes" ;;
    esac
    complain "$1: cannot be written, as the line above says; make it writable, or $other_way"
  else
    complain "$1: was not written in full, as the line above says; all it held is in" \
      "$state/overwriting/old, and the next run puts it back"
  fi
  return 1
}

# FILE NEW: on the disk before the file is touched.
keep_both() (
  umask 077
  mkdir "$state/overwriting.new" && cd "$state/overwriting.new" || exit
  printf '%s' "$1" >path && as_owner "$1" 'cat "$path"' >old && cat "$2" >new || exit
  sync old 2>/dev/null || sync
)

# FOLDER: in one go, as half of it would say something else.
end_overwriting() {
  rm -rf "$1.new"
  mv "$1" "$1.new" && rm -rf "$1.new"
}

# Puts back what files held that any registry's script was writing when it was cut off.
recover_files() {
  set +f
  set -- "$states"/*/overwriting
  set -f
  for each; do
    [ -d "$each" ] || continue
    half=$(cat "$each/path")
    ! noted "$half" || continue
    content=
    [ ! -e "$half" ] || read_file "$half"
    # What has arrived of the new bytes is how they begin.
    case $(cat "$each/new" && printf .) in
      "$content".) ;;
      "$content"*)
        if ! as_owner "$half" 'cat >"$path"' <"$each/old" || ! same_bytes "$half" "$each/old"; then
          complain "$half: a run that was cut off has left it unfinished, and now it cannot be written," \
            "as the line above says; all it held is in $each/old"
          return 1
        fi
        complain "$half: a run that was cut off had left it unfinished; it is as it was before that"
        ;;
      *)
        if ! same_bytes "$half" "$each/old"; then
          find_aside "$half" && cp "$each/old" "$aside" || return
          complain "$half: a run was cut off while it wrote that, and somebody has changed it since;" \
            "what it held before is now $aside"
        fi
        ;;
    esac
    end_overwriting "$each"
    rmdir "${each%/*}" 2>/dev/null || :
  done
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
  elif includes "$made_by_any" 'empty /etc/hosts'; then
    want empty /etc/hosts
  fi
  want hosts /etc/hosts
  block_changed=
  write_block /etc/hosts "private-registry $name" "$lines"
  hosts_changed=$block_changed
  # shellcheck disable=SC2086 # a list of words
  say "hosts: $(commas $address_names) at $address"
  set_up_hosts_template
  tell_of_wsl
}

# With manage_etc_hosts, cloud-init makes /etc/hosts anew at each start.
set_up_hosts_template() {
  cloud_init_makes_hosts || return 0
  template=
  # Its own comment in /etc/hosts names the template, and so does what the distribution is like.
  for each in $(sed -n 's,.*\(/etc/cloud/templates/hosts\.[a-z]*\.*tmpl\).*,\1,p' /etc/hosts) \
    $(sed -n 's/^ID\(_LIKE\)*=//p' /etc/os-release 2>/dev/null | tr -d '"' |
      sed 's/rhel\|fedora\|centos/redhat/g; s/opensuse[a-z-]*\|sles/suse/g; s/ubuntu/debian/g'); do
    case $each in
      /*) ;;
      *) each=/etc/cloud/templates/hosts.$each.tmpl ;;
    esac
    if [ -f "$each" ]; then
      template=$each
      break
    fi
  done
  if [ -z "$template" ]; then
    say 'hosts: cloud-init makes /etc/hosts anew at each start, from a template that is not found in' \
      '/etc/cloud/templates; set manage_etc_hosts to false, or add the lines to the template'
    return
  fi
  want hosts "$template"
  write_block "$template" "private-registry $name" "$lines"
  say "hosts: the same in $template, of which cloud-init makes /etc/hosts at each start"
}

# The last one counts that says something, as cloud-init itself has it.
cloud_init_makes_hosts() {
  [ -d /etc/cloud/templates ] || return
  set +f
  managed=$(cat /etc/cloud/cloud.cfg /etc/cloud/cloud.cfg.d/*.cfg \
    /var/lib/cloud/instance/cloud-config.txt 2>/dev/null |
    sed -n "s/^manage_etc_hosts: *[\"']*\([A-Za-z]*\).*/\1/p" | tail -n 1)
  set -f
  case $managed in
    [Tt]rue | TRUE | [Yy]es | [Oo]n | template) return 0 ;;
    *) return 1 ;;
  esac
}

# WSL makes it of what Windows has, unless it is told otherwise.
tell_of_wsl() {
  grep -qsi microsoft /proc/sys/kernel/osrelease ||
    grep -qs 'automatically generated by WSL' /etc/hosts || return 0
  ! tr -d '[:blank:]' </etc/wsl.conf 2>/dev/null | grep -qi '^generateHosts=false' || return 0
  say 'hosts: WSL makes /etc/hosts anew at each start; to keep these names, write the lines [network] and' \
    'generateHosts = false into /etc/wsl.conf, or give Windows itself these names'
}

# Programs in Go, as all these runtimes are, may go by the names that they read up to 5 s before.
await_hosts() {
  if [ "$hosts_changed" = yes ] && [ "$daemon" = yes ]; then
    sleep 5
  fi
}

# --- Docker ---

# What the snap of Docker has its folders in.
snap_docker=/var/snap/docker/current

docker_is_here() {
  command -v dockerd >/dev/null && return
  [ ! -d "$snap_docker" ] || return 0
  # The package podman-docker has a command of this name too.
  command -v docker >/dev/null && ! docker --version 2>/dev/null | grep -qi podman
}

# Whether the only Docker is a snap, which sees none of /etc.
docker_is_snap() {
  [ -d "$snap_docker" ] && ! command -v dockerd >/dev/null || return
  case $(command -v docker) in
    '' | /snap/*) return 0 ;;
    *) return 1 ;;
  esac
}

set_up_docker() {
  for registry in $registries; do
    docker_is_snap || place_ca "/etc/docker/certs.d/$registry"
    [ ! -d "$snap_docker" ] || place_ca "$snap_docker/etc/docker/certs.d/$registry"
  done
}

# ACCOUNT: the folder in which its docker looks for .docker.
docker_home() {
  if docker_is_snap; then
    printf '%s/snap/docker/current' "$(home_of "$1")"
  else
    home_of "$1"
  fi
}

# Whether the user has a Docker that runs, whose programs may be where only that user finds them.
has_rootless_docker() {
  [ "$user" != root ] && [ -S "/run/user/$uid/docker.sock" ]
}

# Docker that runs as an ordinary user has its folders in that user's home.
set_up_rootless_docker() {
  [ "$user" != root ] || return 0
  home=$(home_of "$user")
  if has_rootless_docker; then
    daemon=yes
    case " $used " in
      *' docker '*) ;;
      *) used="$used docker" ;;
    esac
  elif ! [ -d "$home/.config/docker" ]; then
    return
  fi
  for registry in $registries; do
    place_ca "$home/.config/docker/certs.d/$registry"
  done
  later=
  say_trusts "docker of $user"
}

# A builder in a container has neither the machine's certificates nor its names. It gets them when it
# is made, so that only its owner can tell when to make it anew.
tell_of_builders() {
  [ -n "$ca_pem" ] || return 0
  builders=
  for account in root "$user"; do
    for folder in "$(home_of "$account")/.docker" "$(home_of "$account")/snap/docker/current/.docker"; do
      set +f
      for each in "$folder"/buildx/instances/*; do
        set -f
        ! grep -qs '"Driver": *"docker-container"' "$each" || builders="$builders$newline${each##*/}"
      done
      set -f
    done
  done
  [ -n "$builders" ] || return 0
  builders=$(printf '%s\n' "$builders" | sort -u | tail -n +2)
  text=
  for registry in $registries; do
    text="${text}[registry.\"$registry\"]$newline  ca = [\"$state/ca.crt\"]$newline"
  done
  place "$state/buildkitd.toml" "${text%"$newline"}"
  # shellcheck disable=SC2086 # a list of words
  say "docker: what buildx builds with $(commas $builders) does not trust the registry, as such a builder" \
    "runs in a container; docker buildx rm NAME, then: docker buildx create --name NAME --driver" \
    "docker-container${address:+ --driver-opt network=host} --buildkitd-config $state/buildkitd.toml"
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
    place "$file" "$(hosts_toml "$registry" "$login_basic" "$ca_pem")" "${login_basic:+077}"
  done
}

# REGISTRY CREDENTIALS CA
hosts_toml() {
  ca_line=${3:+"ca = \"$state/ca.crt\""}
  say "server = \"https://$1\"
$ca_line

[host.\"https://$1\"]
  capabilities = [\"pull\", \"resolve\", \"push\"]
  $ca_line"
  [ -z "$2" ] || say "
[host.\"https://$1\".header]
  authorization = \"Basic $2\""
}

# RUNTIME
tell_of_foreign() {
  for file in $foreign; do
    say "$1: $file is not this script's and stays as it is; add: $ca_line"
  done
  if [ -n "$login_basic" ]; then
    say "$1: logs in as ${login_user:-$kept_login} for whoever pulls with it"
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
  restart_if_due containerd "$containerd_toml" "${containerd_socket:-}" containerd
}

# --- k3s, RKE2 ---

own_header='configs: # private-registry'
tab=$(printf '\t')
apostrophe="'"
carriage_return=$(printf '\r')

set_up_rancher() {
  for kind in k3s rke2; do
    [ -d "/etc/rancher/$kind" ] || command -v "$kind" >/dev/null || continue
    file=/etc/rancher/$kind/registries.yaml
    want_folder "${file%/*}"
    if [ ! -e "$file" ] || includes "$made_by_any" "empty $file" ||
      includes "$made_by_any" "file $file"; then
      want empty "$file"
    fi
    want yaml "$file"
    # shellcheck disable=SC2086 # a list of words
    write_registries "$file" "$name" "$(registry_lines $registries)$newline"
    if [ -n "$in_the_way" ]; then
      # shellcheck disable=SC2086 # a list of words
      say "$kind: $file $why_not and stays as it is;" \
        "add below its line \"configs:\", then restart $kind:$newline$(
          registry_lines $in_the_way | grep -v '^ *auth:'
        )"
      continue
    fi
    later=
    say_trusts "$kind"
  done
}

# REGISTRY...
registry_lines() {
  for registry in "$@"; do
    say "  \"$registry\":"
    [ -z "$ca_pem" ] || say "    tls:$newline      ca_file: $state/ca.crt"
    [ -z "$login_basic" ] || say "    auth:$newline      auth: $login_basic"
  done
}

# LINES: the registries that they are for, one a line.
keys_of() {
  printf '%s\n' "$1" | sed -n 's/^  "\(.*\)":$/\1/p'
}

# FILE NAME LINES: makes the lines the block of the registry of that name; without lines, takes it out.
# Sets $in_the_way to the registries that could not be written, and $why_not.
write_registries() {
  content=
  [ ! -e "$1" ] || read_file "$1"
  read_registries "$1" "$2" "$3"
  if [ "$understood" = no ]; then
    in_the_way=
    if [ "$2" = "$name" ] && [ -n "$3" ] && has_lines_of "$2"; then
      new=$content
      if has_secret "$3"; then hide "$1" "$2"; else keep_modes "$1"; fi
      find_copy "$1"
      [ "$(cat "$copy" 2>/dev/null)$newline" = "$3" ] || noted "$1" ||
        fail "$1: is not understood as a whole any more, so this registry's lines in it stay as they" \
          'were; write it without tabs, anchors, braces below "configs:" and line ends of Windows, or' \
          'delete those lines, then run this again'
      return
    fi
    case $content in
      *"$state/ca.crt"*) ;;
      *) [ -z "$ca_pem" ] || in_the_way=$(keys_of "$3") ;;
    esac
    return
  fi
  block=
  key=
  IFS=$newline
  for row in $3; do
    case $row in
      '  "'*)
        key=${row#*\"}
        key=${key%\"*}
        ;;
    esac
    includes "$keys" "$key" || block=$block${indent:-  }${row#  }$newline
  done
  unset IFS
  if [ -n "$block" ]; then
    block="# BEGIN private-registry $2$newline$block# END private-registry $2$newline"
  fi
  case $header in
    '' | "$own_header$newline")
      header=
      if [ -n "$block$has_blocks" ]; then
        header=$own_header$newline
      elif [ -n "$has_entries" ]; then
        header=configs:$newline
      fi
      ;;
  esac
  new=$head$header$block$rest
  if [ -e "$1" ] && has_secret "$3"; then
    hide "$1" "$2"
  fi
  if [ "$new" = "$content" ]; then
    [ "$2" != "$name" ] || [ -z "$3" ] || keep_copy "$1" "$3"
    return
  fi
  ! noted "$1" || return 0
  folder=${1%/*}
  : >"$state/restart-${folder##*/}"
  if [ "$2" = "$name" ] && [ -n "$3" ]; then
    remember "$1" "$3"
  fi
  make_folder "${1%/*}"
  if [ ! -e "$1" ]; then
    if [ -n "$login_basic" ]; then make_private "$1"; else : >"$1"; fi
  fi
  make_private "$state/file.new" && printf '%s' "$new" >"$state/file.new" && overwrite "$1" "$state/file.new" && settle "$1"
}

# NAME: whether the $content, which is not understood, has lines of that registry's script.
has_lines_of() {
  case $old_form:$(printf '%s' "$content" | tr -d '\r')$newline in
    *"# BEGIN private-registry $1$newline"* | *"# END private-registry $1$newline"* | \
      yes:*"$states/$1/ca.crt"*) return 0 ;;
  esac
  return 1
}

# LINES: whether they have credentials, and $new does.
has_secret() {
  case $1 in
    *'    auth: '*) ;;
    *) return 1 ;;
  esac
  secret=${1##*'    auth: '}
  secret=${secret%%"$newline"*}
  case $new in
    *"  auth: $secret"*) return 0 ;;
    *) return 1 ;;
  esac
}

# FILE: it has its mode again only once no secret of this registry is in it.
keep_modes() {
  IFS=$newline
  for line in $made_by_any; do
    case $line in
      "mode "*" $1") want mode "${line#mode }" ;;
    esac
  done
  unset IFS
}

# FILE NAME: only root is to read what the registry of that name is about to have in it.
hide() {
  # Another one's script has its mode in a manifest of its own.
  [ "$2" != "$name" ] || keep_modes "$1"
  case $(stat -L -c %a "$1") in
    *00) ;;
    *)
      ! noted "$1" || return 0
      [ "$2" != "$name" ] || want mode "$(stat -L -c %a "$1") $1"
      chmod 600 "$1"
      ;;
  esac
}

# FILE NAME LINES: takes the $content of the file apart, without what the lines replace. $head stands
# before the $header, which is the line of the key configs, and $rest behind it. The other entries
# below that have the $keys, and the $indent. $in_the_way are the registries that somebody else has
# written the entries of.
read_registries() {
  yaml=$1
  whose=$2
  understood=yes
  why_not="is not this script's"
  in_the_way=
  lead=
  head=
  header=
  rest=
  indent=
  keys=$newline
  has_blocks=
  has_entries=
  new_keys=$newline$(keys_of "$3")$newline
  find_copy "$1" "$states/$2"
  old_keys=$newline$(keys_of "$(cat "$copy" "$copy.next" 2>/dev/null)")$newline
  removes=
  [ -n "$3" ] || removes=yes
  # The version before this had the whole file, and no block.
  old_form=
  ! grep -qsxF "file $1" "$states/$2/manifest" || old_form=yes
  part=lead
  section=
  entry=
  pending=
  in_block=
  if [ -e "$1" ]; then
    while IFS= read -r row || [ -n "$row" ]; do
      read_row
    done <"$1"
    end_entry
  fi
  [ -z "$in_block" ] || understood=no
  case $header in
    '')
      rest=$head
      head=$lead
      ;;
    "configs:$newline") [ -z "$old_form" ] || header=$own_header$newline ;;
  esac
  case $content in
    '' | *"$newline") ;;
    *)
      # A line can be put before the last one, but not behind it.
      [ -n "$rest" ] || understood=no
      rest=${rest%"$newline"}
      ;;
  esac
  [ "$understood" = no ] || [ -z "$in_the_way" ] || why_not='has entries of somebody else for that'
}

# TEXT: adds it to the part that the rows belong to.
emit() {
  case $part in
    lead) lead=$lead$1 ;;
    head) head=$head$1 ;;
    block) other_block=$other_block$1 ;;
    rest) rest=$rest$1 ;;
  esac
}

# Reads $row.
read_row() {
  margin=${row%%[! ]*}
  case $row in
    *"$tab"* | *"$carriage_return"*) understood=no ;;
    '# BEGIN private-registry '*)
      end_entry
      [ -z "$in_block" ] && [ "$section" = configs ] || understood=no
      in_block=${row#'# BEGIN private-registry '}
      [ "$in_block" = "$whose" ] || part=block other_block=$row$newline block_entries=
      ;;
    '# END private-registry '*)
      end_entry
      [ "$in_block" = "${row#'# END private-registry '}" ] || understood=no
      if [ "$part" = block ] && [ -n "$block_entries" ]; then
        has_blocks=yes
        rest=$rest$other_block$row$newline
      fi
      part=rest
      in_block=
      ;;
    "$margin" | "$margin#"*)
      if [ -n "$entry" ]; then pending=$pending$row$newline; else emit "$row$newline"; fi
      ;;
    # What is named, or meant, elsewhere.
    *': &'* | *': *'* | *'<<:'*) understood=no ;;
    ' '*) read_entry ;;
    '---')
      [ "$part" = lead ] || understood=no
      emit "$row$newline"
      ;;
    configs:*)
      [ -z "$header$in_block" ] || understood=no
      header=$row$newline
      head=$lead$head
      part=rest
      section=configs
      row=${row#configs:}
      case ${row#"${row%%[! ]*}"} in
        '' | '#'*) ;;
        *) understood=no ;;
      esac
      ;;
    [A-Za-z_]*:*)
      end_entry
      [ -z "$in_block" ] || understood=no
      [ "$part" != lead ] || part='head'
      section=other
      emit "$row$newline"
      ;;
    *) understood=no ;;
  esac
}

# Reads a $row that is below a key.
read_entry() {
  if [ "$section" != configs ]; then
    [ "$part" != lead ] || understood=no
    emit "$row$newline"
    return
  fi
  indent=${indent:-$margin}
  case $margin:${row#"$margin"} in
    "$indent":[A-Za-z0-9_.\""$apostrophe"]*:*)
      end_entry
      entry=$row$newline
      ;;
    "$indent":*) understood=no ;;
    "$indent"*)
      [ -n "$entry" ] || understood=no
      entry=$entry$pending$row$newline
      pending=
      ;;
    *) understood=no ;;
  esac
}

# An entry is complete: it stays, or is replaced.
end_entry() {
  [ -n "$entry" ] || {
    emit "$pending"
    pending=
    return
  }
  key=${entry%%"$newline"*}
  key=${key#"$indent"}
  case $key in
    \"*)
      key=${key#\"}
      key=${key%%\"*}
      ;;
    "$apostrophe"*)
      key=${key#"$apostrophe"}
      key=${key%%"$apostrophe"*}
      ;;
    *)
      key=${key%%: *}
      key=${key%:}
      ;;
  esac
  read_ca
  if ! is_replaced; then
    [ -z "$removes" ] || take_ca_out
    emit "$entry"
    case $part in
      block) block_entries=yes ;;
      rest)
        has_entries=yes
        if includes "$new_keys" "$key" && [ "$has_ca" = no ] && [ -n "$ca_pem" ]; then
          in_the_way="$in_the_way $key"
        fi
        ;;
    esac
    keys=$keys$key$newline
  fi
  emit "$pending"
  entry=
  pending=
}

# What the entry says as a script writes it: whether it has this registry's CA, whose CA it has
# otherwise, and whether anything else.
read_ca() {
  ca_of=
  has_ca=no
  body=${entry#*"$newline"}
  case $body in
    *"ca_file: $state/ca.crt$newline"*) has_ca=yes ;;
  esac
  case $body in
    "$indent  tls:$newline$indent    ca_file: $states/"*"/ca.crt$newline"*)
      ca_of=${body#*"$states/"}
      ca_of=${ca_of%%/*}
      body=${body#*"/ca.crt$newline"}
      ;;
  esac
  case $body in
    "$indent  auth:$newline$indent    auth: "*)
      body=${body#*"    auth: "}
      body=${body#*"$newline"}
      ;;
  esac
}

# Whether the entry is one of a script's, which its lines replace.
is_replaced() {
  [ -z "$body" ] || return
  if [ "$in_block" = "$whose" ]; then
    includes "$old_keys$new_keys" "$key"
  elif [ -n "$in_block" ]; then
    # The same registry of another installation.
    includes "$new_keys" "$key"
  elif [ "$ca_of" = "$whose" ]; then
    [ -n "$old_form" ]
  elif [ -n "$ca_of" ]; then
    includes "$new_keys" "$key" && grep -qsxF "file $yaml" "$states/$ca_of/manifest"
  else
    [ -n "$old_form" ] && includes "$new_keys" "$key"
  fi
}

# The entry was a script's, and somebody has added to it: that stays without the CA.
take_ca_out() {
  includes "$old_keys" "$key" || [ -n "$old_form" ] || return 0
  ca_rows="$indent    ca_file: $states/$whose/ca.crt$newline"
  case $entry in
    *"$indent  tls:$newline$ca_rows$indent    "*) ;;
    *"$indent  tls:$newline$ca_rows"*) ca_rows="$indent  tls:$newline$ca_rows" ;;
  esac
  case $entry in
    *"$ca_rows"*) entry=${entry%%"$ca_rows"*}${entry#*"$ca_rows"} ;;
  esac
}

forget_yaml() {
  [ -e "$1" ] || return 0
  write_registries "$1" "$name" '' || return
  if [ "$understood" = no ] && has_lines_of "$name"; then
    complain "$1: delete the lines for $state/ca.crt, as the file is not understood as a whole; then" \
      'run this again'
    return 1
  fi
  ! grep -qsF "$state/ca.crt" "$1" ||
    say "$1: somebody else's lines name $state/ca.crt, which is going; delete them"
  unremember "$1"
  # What another installation for the same registry wrote before this one did.
  find_others "yaml $1"
  for other in $others; do
    find_copy "$1" "$other"
    [ ! -f "$copy" ] || write_registries "$1" "${other##*/}" "$(cat "$copy")$newline" || return
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
      # The version before this forgot a command that had failed.
      [ "$adopts" = no ] || want refresh "${store#*:}"
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

# FILE [--fresh]: if it is in a store, the store has to be read again, which is due until it is done.
due_in_store() {
  for store in $stores; do
    case $1 in
      "${store%:*}"/*)
        # Only a fresh start forgets there what is gone.
        case $store:${2-} in
          *:update-ca-certificates:--fresh) want refresh 'update-ca-certificates --fresh' ;;
          *) want refresh "${store#*:}" ;;
        esac
        ;;
    esac
  done
}

# Has the stores read that are due.
refresh_system_store() {
  for reader in 'update-ca-certificates --fresh' update-ca-certificates update-ca-trust; do
    if ! includes "$wanted" "refresh $reader" || noted "the certificates that $reader reads"; then
      continue
    fi
    if command -v "${reader%% *}" >/dev/null; then
      # shellcheck disable=SC2086 # words
      run_quietly $reader || return
    fi
    unwant "refresh $reader"
    unwant "refresh ${reader%% *}"
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

# The session's, which the runtimes' services do not have.
proxies='http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY'

# COMMAND: what counts is how this machine itself reaches the registry.
without_proxies() (
  # shellcheck disable=SC2086 # a list of words
  unset $proxies
  "$@"
)

prove() {
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
  words=$(without_proxies curl -q --globoff --silent --show-error --connect-timeout 10 \
    --max-time 30 --output /dev/null --write-out "$newline%{http_code}" "$@" 2>&1) || :
  code=${words##*"$newline"}
  code=${code#000}
  words=$(printf '%s' "$words" | head -n 1)
}

ask_with_wget() {
  set -- "https://$authority/v2/"
  [ -z "$ca_file" ] || set -- --ca-certificate="$ca_file" "$@"
  # A home of its own, for wget keeps files there.
  words=$(without_proxies env HOME="$state" wget --no-config --no-hsts --no-verbose \
    --server-response --tries=1 --timeout=10 --output-document=/dev/null "$@" 2>&1) || :
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
  words=$(printf 'GET /v2/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$authority" |
    $limit "$@" 2>&1) || :
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
    *esolv* | *'ame or service'* | *'in name resolution'* | *'bad address'* | *'odename'* | \
      *'no such host'*)
      say 'this machine does not know the name: set registryAddress for a hosts entry,' \
        'or add the name to the DNS that this machine asks'
      ;;
    *' answered HTTP '*)
      say 'something else than the registry may have that address, or the registry is not well:' \
        "check where the name leads, and the registry's containers"
      ;;
    *'not yet valid'* | *'not yet activated'* | *'not yet been activated'* | *expired*)
      mend_clock "$1"
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

# WORDS: what to do about a certificate that is not valid yet, or not any more. Either this
# machine's clock is wrong, which a comparison with the registry's tells, or the certificate is.
mend_clock() {
  difference=$(clock_difference "$1")
  clock=$(date -u '+%Y-%m-%d %H:%M:%S UTC')
  if [ -z "$difference" ]; then
    say "either this machine's clock is wrong ($clock): then set it, such as with" \
      "\"$(clock_command)\"; or the certificate is: then run \"pulumi up\" again"
  elif [ "$difference" -gt 5 ] || [ "$difference" -lt -5 ]; then
    direction='ahead of'
    [ "$difference" -gt 0 ] || direction=behind
    say "this machine's clock ($clock) is $(duration "${difference#-}") $direction the registry's:" \
      "set the one that is wrong, such as with \"$(clock_command)\", then run this again"
  else
    say "this machine's clock ($clock) and the registry's agree, so the certificate has ended or" \
      'has not begun: run "pulumi up" again'
  fi
}

# WORDS: by how many seconds this machine's clock is ahead of the registry's, or behind if below 0;
# nothing if that cannot be known. Programs in Go say both times.
clock_difference() {
  dates=$(ask_date | tr -d '\r' | sed -n 's/^ *[Dd]ate: *//p' | head -n 1)
  if [ -n "$dates" ]; then
    dates="$(date -u '+%a, %d %b %Y %H:%M:%S GMT')$newline$dates"
  else
    dates=$(printf '%s' "$1" | sed -n 's/.*current time \([^ ]*\) is [a-z]* \([^ ]*\).*/\1 \2/p' |
      tr ' ' '\n')
  fi
  [ -n "$dates" ] || return 0
  printf '%s\n' "$dates" | awk '
    {
      if ($0 ~ /^[0-9]/) {
        split($0, part, /[-T:Z+]/)
        year = part[1]; month = part[2]; day = part[3]; hour = 4
      } else {
        split($0, part, /[:, ]+/)
        day = part[2]; year = part[4]; hour = 5
        month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", part[3]) + 2) / 3
      }
      # The year begins in March, so that the leap day is its last.
      if (month < 3) { month += 12; year-- }
      days = 365 * year + int(year / 4) - int(year / 100) + int(year / 400)
      days += int((153 * month - 457) / 5) + day
      time[NR] = ((days * 24 + part[hour]) * 60 + part[hour + 1]) * 60 + part[hour + 2]
    }
    END { print time[1] - time[2] }'
}

# The head of an answer from there, whoever it is: it is only asked for the time.
ask_date() {
  case ${tool:-} in
    curl)
      without_proxies curl -q --globoff --silent --insecure --connect-timeout 10 --max-time 30 \
        --output /dev/null --dump-header - "https://$authority/v2/"
      ;;
    wget)
      without_proxies env HOME="$state" wget --no-config --no-hsts --no-verbose --server-response \
        --tries=1 --timeout=10 --no-check-certificate --output-document=/dev/null "https://$authority/v2/" 2>&1
      ;;
    openssl)
      printf 'GET /v2/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$authority" |
        $limit openssl s_client -quiet -connect "$authority" 2>/dev/null
      ;;
  esac || :
}

# SECONDS, in words.
duration() {
  if [ "$1" -lt 120 ]; then
    printf '%s seconds' "$1"
  elif [ "$1" -lt 7200 ]; then
    printf '%s minutes' $(($1 / 60))
  elif [ "$1" -lt 172800 ]; then
    printf '%s hours' $(($1 / 3600))
  else
    printf '%s days' $(($1 / 86400))
  fi
}

# What sets the clock here.
clock_command() {
  if command -v chronyc >/dev/null; then
    printf 'chronyc makestep'
  elif command -v timedatectl >/dev/null; then
    printf 'timedatectl set-ntp true'
  elif command -v ntpd >/dev/null; then
    printf 'ntpd -gq'
  else
    printf 'date -u -s "YYYY-MM-DD hh:mm:ss"'
  fi
}

# --- Files of credentials ---

# What sums up bytes: not every busybox has the first.
for checksum in cksum sha256sum md5sum; do
  ! command -v "$checksum" >/dev/null || break
done

# Reads one line, an entry, then a file such as Docker's config.json and a line "x".
#   action=members   prints "OBJECT<tab>NAME<tab>VALUE" for each member of the file and its objects
#   action=user      prints whose the registry's entry in "auths" is
#   action=put       prints the file with that entry as the registry's
#   action=drop      prints the file without the registry's entry
# It ends with exit code 3 if the file is no JSON.
credentials_awk='
function wrong() { exit 3 }
function skip(count,   skipped) {
  skipped = substr(rest, 1, count)
  rest = substr(rest, count + 1)
  at += count
  return skipped
}
function blank() {
  if (match(rest, /^[ \t\r\n]+/)) skip(RLENGTH)
}
function string() {
  if (!match(rest, /^"([^"\\]|\\.)*"/)) wrong()
  return skip(RLENGTH)
}
# Skips a value, and returns it without space.
function value(name, depth,   first) {
  blank()
  first = substr(rest, 1, 1)
  if (first == "\"") return string()
  if (first == "{") return object(name, depth)
  if (first == "[") return list(depth)
  if (!match(rest, /^[-+.0-9A-Za-z]+/)) wrong()
  return skip(RLENGTH)
}
function list(depth,   text, count) {
  skip(1)
  blank()
  while (substr(rest, 1, 1) != "]") {
    if (count++) {
      if (skip(1) != ",") wrong()
      text = text ","
    }
    text = text value("", depth + 1)
    blank()
  }
  skip(1)
  return "[" text "]"
}
function object(name, depth,   text, count, key, start, content, held) {
  skip(1)
  if (depth == 0) root = at
  if (depth == 1 && name == "\"auths\"") auths = at
  blank()
  while (substr(rest, 1, 1) != "}") {
    if (count++) {
      if (skip(1) != ",") wrong()
      blank()
      text = text ","
    }
    start = at
    key = string()
    blank()
    if (skip(1) != ":") wrong()
    blank()
    content = at
    held = value(key, depth + 1)
    text = text key ":" held
    if (depth == 0 && !root_start) root_start = start
    if (depth == 0 && substr(held, 1, 1) != "{" || depth == 1 && name != "") {
      members = members (depth ? name : "") "\t" key "\t" held "\n"
    }
    if (depth == 1 && name == "\"auths\"") {
      entries++
      entry_start[entries] = start
      entry_content[entries] = content
      entry_end[entries] = at
      if (key == "\"" registry "\"") { own = entries; own_entry = held }
    }
    blank()
  }
  if (depth == 1 && name == "\"auths\"") auths_end = at
  skip(1)
  return "{" text "}"
}
function user(held,   code, bits, count, unit, byte, i, name) {
  gsub(/\\\//, "/", held)
  if (match(held, /"auth":"[^"]+"/)) {
    code = substr(held, RSTART + 8, RLENGTH - 9)
    for (i = 1; i <= length(code); i++) {
      bits = bits * 64 + index(alphabet, substr(code, i, 1)) - 1
      count += 6
      if (count < 8) continue
      count -= 8
      # busybox has no powers.
      unit = count == 4 ? 16 : count == 2 ? 4 : 1
      byte = int(bits / unit)
      bits -= byte * unit
      if (byte == 58) return name
      name = name sprintf("%c", byte)
    }
  }
  if (match(held, /"username":"[^"]*"/)) return substr(held, RSTART + 12, RLENGTH - 13)
  return ""
}
# The text with another one from one place up to, but not including, the other.
function spliced(from, to, with) {
  return substr(text, 1, from - 1) with substr(text, to)
}
function put(key) {
  if (own) return spliced(entry_content[own], entry_end[own], entry)
  if (auths && entries) {
    return spliced(auths, auths, substr(text, auths, entry_start[1] - auths) key ": " entry ",")
  }
  if (auths) return spliced(auths, auths, key ": " entry)
  if (members ~ /(^|\n)\t"auths"\t/) wrong()
  key = "\"auths\": {" key ": " entry "}"
  if (!root_start) return spliced(root, root, key)
  return spliced(root, root, substr(text, root, root_start - root) key ",")
}
function drop() {
  if (!own) return text
  if (entries == 1) return spliced(auths, auths_end, "")
  if (own == 1) return spliced(entry_start[1], entry_start[2], "")
  return spliced(entry_end[own - 1], entry_end[own], "")
}
BEGIN { alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" }
NR == 1 { entry = $0; next }
{ text = text $0 "\n" }
END {
  text = substr(text, 1, length(text) - 2)
  rest = text
  at = 1
  blank()
  if (substr(rest, 1, 1) != "{") wrong()
  object("", 0)
  blank()
  if (rest != "") wrong()
  if (action == "members") printf "%s", members
  if (action == "user") print user(own_entry)
  if (action == "put") printf "%s", put("\"" registry "\"")
  if (action == "drop") printf "%s", drop()
}'

# TEXT ACTION [REGISTRY [ENTRY]]
edit_json() {
  printf '%s\n%sx\n' "${4:-}" "$1" |
    awk -v action="$2" -v registry="${3:-}" "$credentials_awk"
}

# TEXT OBJECT NAME: the value of a member, in JSON.
member() {
  edit_json "$1" members | awk -F '\t' -v object="$2" -v name="\"$3\"" \
    '$1 == object && $2 == name { print substr($0, length($1 $2) + 3) }'
}

# PROGRAM ACCOUNT: where it keeps credentials is $file, and what this script keeps of it is beside
# $copy. podman looks in two other places first, which are gone when the machine restarts.
find_credentials() {
  program=$1
  account=$2
  case $program in
    docker) file=$(docker_home "$account")/.docker/config.json ;;
    podman) file=$(home_of "$account")/.config/containers/auth.json ;;
    podman-run) file=/run/containers/$(id -u "$account")/auth.json ;;
    podman-session) file=/run/user/$(id -u "$account")/containers/auth.json ;;
  esac
  kept=$state/logins/$program-$account
  copy=$kept.before
}

# PROGRAM ACCOUNT: sets $now to the text of the file, as its account reads it, and $exists.
read_credentials() {
  find_credentials "$1" "$2"
  exists=no
  now=
  id -u "$account" >/dev/null 2>&1 || return 0
  if now=$(run_as "$account" "[ ! -e '$file' ] || { cat '$file' && echo x; }"); then
    [ -z "$now" ] || exists=yes
    now=${now%x}
    # To an account that may not enter the folder, nothing is there.
    [ "$exists" = no ] && [ -e "$file" ] || return 0
  fi
  complain "$file: $account cannot read it, so the logins in it stay as they are"
  return 1
}

# FILE: its mode, for chmod.
mode_of() {
  # shellcheck disable=SC2012 # stat is not everywhere
  ls -ldL "$1" | sed 's/^.\(...\)\(...\)\(...\).*/u=\1,g=\2,o=\3/; s/[^ugorwx=,]//g'
}

# TEXT MODE: gives the file this text in one go, wherever it is a link to, and reads it again first.
write_credentials() {
  words=$(printf '%s' "$1" | run_as "$account" "
    umask 077
    file=\$(readlink -f '$file') && new=\${file%/*}/.private-registry-new || exit
    rm -f \"\$new\"
    { [ ! -e \"\$file\" ] || cp -p \"\$file\" \"\$new\"; } && cat >\"\$new\" &&
      [ \"\$($checksum <\"\$new\")\" = '$(printf '%s' "$1" | $checksum)' ] && chmod '$2' \"\$new\" || {
      rm -f \"\$new\"
      exit 1
    }
    # A mount cannot be replaced, only written.
    mv -f \"\$new\" \"\$file\" 2>/dev/null || { cat \"\$new\" >\"\$file\" && rm \"\$new\"; }" 2>&1) || {
    complain "$file: $account cannot write it: ${words:-the disk may be full}; it stays as it is"
    return 1
  }
  now=$1
  exists=yes
}

# FILE TEXT MODE: a file of this script's own, for root's eyes only, in full or not at all.
keep() {
  [ -d "$state/logins" ] || mkdir -m 700 "$state/logins" || return
  rm -f "$1.new"
  if (umask 077 && printf '%s' "$2" >"$1.new") && [ "$(cat "$1.new" && echo x)" = "$2x" ]; then
    chmod "$3" "$1.new" && mv -f "$1.new" "$1" && return
  fi
  rm -f "$1.new"
  complain "$1: cannot be written, so $file stays as it is; is the disk full?"
  return 1
}

# Remembers the file as this script leaves it.
keep_sum() {
  keep "$kept.after" "$(printf '%s' "$now" | $checksum) alone" 600
}

# Whether the file is as this script left it, and nobody else has changed it since $copy was made,
# nor logged in where a helper keeps it, and $copy has what is another installation's. In a subshell.
is_as_left() {
  [ "$exists" = yes ] && [ -f "$kept.after" ] || return
  for login in $(known_logins); do
    holder=$(user_at "${login#*/}")
    if [ "$holder" = "${login%%/*}" ]; then
      ! is_of_another "$holder" "${login#*/}" || is_in_copy "${login#*/}" || return
    elif [ -n "$holder" ] && find_helper "$now" "${login#*/}"; then
      return 1
    fi
  done
  case $(cat "$kept.after") in
    "$(printf '%s' "$now" | $checksum) alone") ;;
    "$(printf '%s' "$now" | $checksum)")
      # The first version's: others may have changed the file before it wrote that.
      [ "$(others_in "$now")" = "$(others_in "$(cat "$copy" 2>/dev/null || echo '{}')")" ]
      ;;
    *) return 1 ;;
  esac
}

# REGISTRY: whether $copy has the entry there that $now has.
is_in_copy() {
  [ -e "$copy" ] && [ "$(member "$now" '"auths"' "$1")" = "$(member "$(cat "$copy")" '"auths"' "$1")" ]
}

# TEXT: its members, without those that this script has made.
others_in() {
  edit_json "$1" members >/dev/null || return
  edit_json "$1" members | {
    members=$(cat)
    for pair in $(known_logins); do
      members=$(printf '%s\n' "$members" | grep -vF "\"auths\"	\"${pair#*/}\"	") || :
    done
    printf '%s' "$members"
  } | sort
}

# This script's logins in the file: "USER/REGISTRY".
known_logins() {
  printf '%s' "$made$wanted" | sed -n "s|^login $program $account \([^ ]*\) |\1/|p" | sort -u
}

# Brings $copy up to date if somebody else has changed the file: what they did in it stays.
settle_credentials() {
  read_credentials "$1" "$2" && hand_over_logins || return
  ! (is_as_left) || return 0
  if [ "$exists" = no ]; then
    rm -f "$copy" "$kept.after"
    return
  fi
  theirs=$(without_logins && echo x) || return
  theirs=${theirs%x}
  if [ -e "$copy" ]; then
    keep "$copy" "$theirs" "$(mode_of "$copy")" || return
  elif [ "$theirs" = "$now" ] || ! is_empty "$theirs"; then
    keep "$copy" "$theirs" "$(mode_of "$file")" || return
  fi
  rm -f "$kept.after"
}

is_empty() {
  case $(printf '%s' "$1" | tr -d '[:space:]') in
    '' | '{}' | '{"auths":{}}') return 0 ;;
    *) return 1 ;;
  esac
}

# Prints $now without this script's logins. In a subshell.
without_logins() {
  for login in $(known_logins); do
    drop_login "${login%%/*}" "${login#*/}" || return
  done
  printf '%s' "$now"
}

# USER REGISTRY: takes that login out of $now, if it is there, and puts in the one before it.
drop_login() {
  if ! edit_json "$now" members >/dev/null; then
    case $now in
      *"\"$2\""*)
        complain "$file: is no JSON, so the login at $2 stays in it; correct it, then run this again"
        return 1
        ;;
    esac
    return 0
  fi
  holder=$(user_at "$2")
  if [ "$holder" != "$1" ]; then
    # What a helper no longer keeps has an empty entry.
    [ -z "$holder" ] && [ "$(member "$now" '"auths"' "$2")" = '{}' ] || return 0
  elif is_of_another "$1" "$2"; then
    return 0
  fi
  now=$(as_before "$now" "$2") || return
  now=${now%x}
}

# TEXT REGISTRY: the text with the entry that $copy has there, or with none; and an x behind it.
as_before() (
  previous=
  [ ! -e "$copy" ] || previous=$(member "$(cat "$copy")" '"auths"' "$2") || :
  if [ -n "$previous" ]; then
    edit_json "$1" put "$2" "$previous"
  else
    edit_json "$1" drop "$2"
  fi && echo x
)

# PROGRAM ACCOUNT: the file without this script's logins; byte for byte as it was if nobody else has
# changed it.
restore_credentials() {
  # One that is still logged in needs all of this.
  case $newline$left in
    *"${newline}login $1 $2 "*) return 1 ;;
  esac
  settle_credentials "$1" "$2" || return
  if [ -e "$copy" ]; then
    theirs=$(cat "$copy" && echo x) || return
    mode=$(mode_of "$copy")
    # It holds another installation's login yet.
    ! others_want "credentials $1 $2" || mode=$(mode_of "$file")
    write_credentials "${theirs%x}" "$mode" || return
  elif [ "$exists" = yes ] && ! run_as "$account" "[ -L '$file' ] || rm '$file'"; then
    complain "$file: $account cannot delete it"
    return 1
  fi
  for part in before after helper own; do
    rm -f "$kept.$part" "$kept.$part.new"
  done
}

# --- Credential helpers, which keep logins elsewhere, such as in a keyring ---

# TEXT REGISTRY: sets $helper to the one that keeps this registry's login.
find_helper() {
  helper=$(member "$1" '"credHelpers"' "$2") || :
  [ -n "$helper" ] || helper=$(member "$1" '' credsStore) || :
  helper=$(printf '%s' "$helper" | tr -d '"')
  case $helper in
    '' | *[!A-Za-z0-9._-]*) return 1 ;;
  esac
}

# COMMAND INPUT
ask_helper() {
  printf '%s\n' "$2" | run_as "$account" "docker-credential-$helper $1" 2>/dev/null
}

# JSON: whose login that is.
helped_user() {
  member "$1" '' Username | tr -d '"'
}

# REGISTRY: whose login the file that has been read has there, or its helper; nothing if nobody's.
user_at() {
  if find_helper "$now" "$1" && held=$(ask_helper get "$1"); then
    helped_user "$held"
  else
    edit_json "$now" user "$1" || :
  fi
}

# REGISTRY: keeps the login that the helper has there, if it is not this script's.
keep_helped_login() {
  find_helper "$now" "$1" || return 0
  held=$(ask_helper get "$1") || return 0
  holder=$(helped_user "$held")
  if [ -z "$holder" ] || {
    includes "$made" "login $program $account $holder $1" && ! is_of_another "$holder" "$1"
  }; then
    return 0
  fi
  # One line for each registry.
  held="$1 $(printf '%s' "$held" | tr '\n' ' ')"
  keep "$kept.helper" "$(lines_without "$1" "$kept.helper" && printf '%s' "$held")" 600
}

# USER REGISTRY: takes that login from the helper, and puts back the one before.
log_out_of_helper() {
  find_helper "$now" "$2" && held=$(ask_helper get "$2") || return 0
  [ "$(helped_user "$held")" = "$1" ] && ! is_of_another "$1" "$2" || return 0
  ask_helper erase "$2" >/dev/null || :
  if held=$(ask_helper get "$2") && [ "$(helped_user "$held")" = "$1" ]; then
    complain "$2: $account cannot be logged out: docker-credential-$helper does not erase the login"
    return 1
  fi
  held=$(line_of "$2" "$kept.helper")
  if [ -n "$held" ] && ! ask_helper store "$held" >/dev/null; then
    complain "$2: docker-credential-$helper does not take back the login that $account had before"
    return 1
  fi
}

# REGISTRY FILE: what a file of lines "REGISTRY ..." has of it, and all other lines.
line_of() {
  awk -v name="$1" '$1 == name { print substr($0, length(name) + 2) }' "$2" 2>/dev/null || :
}

lines_without() {
  awk -v name="$1" '$1 != name' "$2" 2>/dev/null || :
}

# --- Logins of several installations at one registry ---

# LOGIN: its checksum. Space does not count: helpers put in their own.
sum_of() {
  printf '%s' "$1" | tr -d '[:space:]' | $checksum
}

# REGISTRY: the login that the file which has been read has there, or its helper.
login_at() {
  if find_helper "$now" "$1"; then
    ask_helper get "$1" || :
  else
    member "$now" '"auths"' "$1" || :
  fi
}

# REGISTRY: what is there now is this script's login.
keep_own() {
  keep "$kept.own" "$(lines_without "$1" "$kept.own" &&
    printf '%s %s' "$1" "$(sum_of "$(login_at "$1")")")" 600
}

# USER REGISTRY: whether that user's login is there by another installation's script, or by this one's
# and another's.
is_of_another() {
  find_others "login $program $account $1 $2"
  [ -n "$others" ] || return
  sum=$(sum_of "$(login_at "$2")")
  [ "$(line_of "$2" "$kept.own")" = "$sum" ] || return 0
  for other in $others; do
    [ "$(line_of "$2" "$other/logins/$program-$account.own")" != "$sum" ] || return 0
  done
  return 1
}

# USER/REGISTRY LOGIN HOLDER: whether it is one of this script's.
is_own_login() {
  [ -n "$2" ] || return
  if [ -e "$kept.own" ]; then
    [ "$(line_of "${1#*/}" "$kept.own")" = "$(sum_of "$2")" ]
  else
    [ "$3" = "${1%%/*}" ]
  fi
}

hand_over_logins() {
  find_others "credentials $program $account"
  for other in $others; do
    hand_over_file "$other/logins/$program-$account" &&
      hand_over_helped "$other/logins/$program-$account" || return
  done
}

# KEPT: another installation's.
hand_over_file() {
  [ -e "$1.before" ] || return 0
  handed=$(cat "$1.before" && echo x) || return
  handed=${handed%x}
  had=$handed
  if [ "$(cat "$kept.after" 2>/dev/null)" = "$(printf '%s' "$had" | $checksum) alone" ]; then
    # It came to the file as this script had left it.
    handed=$(cat "$copy" 2>/dev/null && echo x) || handed=x
    handed=${handed%x}
  else
    for each_login in $(known_logins); do
      hand_over_entry "$1" "$each_login" || return
    done
  fi
  if [ "$handed" = "$had" ]; then
    :
  elif [ -e "$copy" ]; then
    keep "$1.before" "$handed" "$(mode_of "$copy")"
  elif is_empty "$handed"; then
    rm -f "$1.before"
  else
    keep "$1.before" "$handed" "$(mode_of "$1.before")"
  fi
}

# KEPT USER/REGISTRY: in the text $handed.
hand_over_entry() {
  entry=$(member "$handed" '"auths"' "${2#*/}") || :
  case $entry in
    '') return ;;
    '{}')
      held=$(line_of "${2#*/}" "$1.helper")
      is_own_login "$2" "$held" "$(helped_user "$held")" || return 0
      ;;
    *) is_own_login "$2" "$entry" "$(edit_json "$handed" user "${2#*/}")" || return 0 ;;
  esac
  handed=$(as_before "$handed" "${2#*/}") || return
  handed=${handed%x}
}

# KEPT
hand_over_helped() {
  for each_login in $(known_logins); do
    held=$(line_of "${each_login#*/}" "$1.helper")
    is_own_login "$each_login" "$held" "$(helped_user "$held")" || continue
    held=$(line_of "${each_login#*/}" "$kept.helper")
    keep "$1.helper" "$(lines_without "${each_login#*/}" "$1.helper" &&
      printf '%s' "${held:+${each_login#*/} $held}")" 600 || return
  done
}

# --- Login ---

# Who keeps logins with what: "docker:ops".
keepers=
# What ends a command that hangs, where there is a program for that.
limit=

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
  # busybox had other options once.
  ! timeout 5 true 2>/dev/null || limit='timeout 60'
}

home_of() {
  eval "printf '%s' ~$1"
}

# USER COMMAND: runs a line of shell as that user, for at most a minute.
run_as() {
  set -- "$1" "PATH=\$PATH:\$HOME/bin:\$HOME/.local/bin
$2"
  if [ "$1" = root ]; then
    # shellcheck disable=SC2086 # words
    (unset XDG_RUNTIME_DIR && HOME=$(home_of root) && export HOME && exec $limit sh -c "$2")
  else
    # The limit is inside, as su begins a session of its own.
    (
      XDG_RUNTIME_DIR=/run/user/$(id -u "$1")
      export XDG_RUNTIME_DIR
      [ -d "$XDG_RUNTIME_DIR" ] || unset XDG_RUNTIME_DIR
      command_line=$2
      export command_line
      exec su -s /bin/sh -c "exec $limit sh -c \"\$command_line\"" "$1"
    )
  fi
}

# HOST: as images are named, without the port where that is the usual one.
image_host() {
  case $1 in
    *:*) set -- "[$1]" ;;
  esac
  [ "$port" = 443 ] || set -- "$1:$port"
  printf '%s' "$1"
}

# Sets $podman to a program that keeps its logins where podman does.
find_podman() {
  for podman in podman skopeo buildah; do
    ! command -v "$podman" >/dev/null || return 0
  done
  return 1
}

# Sets $docker to the command for the engine that $account uses.
find_docker() {
  docker=docker
  if [ "$account" = "$user" ] && [ -S "/run/user/$uid/docker.sock" ]; then
    docker="PATH=\"\$PATH:\$HOME/bin\" DOCKER_HOST=unix:///run/user/$uid/docker.sock docker"
  fi
}

want_logins() {
  [ -n "$login_user" ] || return 0
  if in_use docker && { has_rootless_docker || command -v docker >/dev/null; }; then
    want_login docker "$(docker_account)"
  fi
  if in_use podman && find_podman; then
    want_login podman "$user"
    want_login_before podman-run
    want_login_before podman-session
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

# PROGRAM: a login in a file where podman looks first hides that of this script, so it gives way.
want_login_before() {
  read_credentials "$1" "$user" || exit 1
  [ "$exists" = yes ] || return 0
  for host in $hosts; do
    holder=$(user_at "$(image_host "$host")")
    [ -n "$holder" ] || continue
    if [ "$holder" != "$login_user" ]; then
      say "podman: $user is logged in at $(image_host "$host") as $holder in $file, which goes" \
        "before the other; that login is back once this one is removed"
    fi
    want_login "$1" "$user"
    return
  done
}

# PROGRAM ACCOUNT
want_login() {
  find_credentials "$1" "$2"
  want_folder "${file%/*}"
  if [ "$command" = apply ]; then
    settle_credentials "$1" "$2" || exit 1
    for own_host in $hosts; do
      keep_helped_login "$(image_host "$own_host")" || exit 1
    done
    # The first version had no such file: none means that it is not known which logins are its own.
    includes "$made" "credentials $1 $2" || keep "$kept.own" '' 600 || exit 1
  fi
  want credentials "$1 $2"
  for own_host in $hosts; do
    want login "$1 $2 $login_user $(image_host "$own_host")"
  done
  keepers="$keepers $1:$2"
}

# Logs in at every host that answers.
log_in() {
  for keeper in $keepers; do
    for own_host in $proved; do
      log_in_at "${keeper%%:*}" "${keeper#*:}" "$(image_host "$own_host")"
    done
    [ "$command" = apply ] || continue
    case $keeper in
      podman-*) say "podman: ${keeper#*:} is logged in as $login_user in $file too" ;;
      *) say "${keeper%%:*}: ${keeper#*:} is logged in as $login_user" ;;
    esac
  done
}

# PROGRAM ACCOUNT REGISTRY
log_in_at() {
  if [ "$command" = check ]; then
    read_credentials "$1" "$2" || exit 1
    holder=$(user_at "$3")
    if [ "$holder" != "$login_user" ]; then
      noted "${1%-*}: $2 is not logged in at $3${holder:+ as $login_user, but as $holder}" || :
    fi
    return
  fi
  settle_credentials "$1" "$2" || exit 1
  was=$now
  find_podman || :
  find_docker
  case $1 in
    docker) client_program=docker by="$docker login" ;;
    *) client_program=$podman by="$podman login --authfile '$file'" ;;
  esac
  refused=no
  said=$(printf '%s\n' "$login_password" |
    run_as "$2" "$by --username '$login_user' --password-stdin '$3'" 2>&1) || refused=yes
  read_credentials "$1" "$2" || exit 1
  if [ "$exists" = yes ]; then
    keep_only_entry "$3" && keep_sum || exit 1
    [ "$refused" = yes ] || keep_own "$3" || exit 1
  fi
  if [ "$refused" = yes ]; then
    said=$(printf '%s' "$said" | grep -v '^WARNING' | tail -n 1)
    fail "$3: $2 cannot log in as $login_user with $client_program: $said; mend that, or take login" \
      "or \"${1%-*}\" out of this client's settings"
  fi
}

# REGISTRY: programs write the whole file anew, without what they do not know. Of that, only the new
# entry is to be in the file that there $was. Where a helper keeps logins, they may have chosen it.
keep_only_entry() {
  merged=$now
  entry=$(member "$now" '"auths"' "$1") || :
  case $entry in
    '') ;;
    "$(member "$was" '"auths"' "$1")") merged=$was ;;
    *'"auth":'*)
      if [ -n "$was" ] && merged=$(edit_json "$was" put "$1" "$entry" && echo x); then
        merged=${merged%x}
      else
        merged=$now
      fi
      ;;
  esac
  write_credentials "$merged" u=rw,g=,o=
}

# PROGRAM ACCOUNT USER REGISTRY: takes that login away; one that somebody else has made since stays.
log_out() {
  settle_credentials "$1" "$2" || return
  [ "$exists" = yes ] || return 0
  log_out_of_helper "$3" "$4" || return
  was=$now
  drop_login "$3" "$4" || return
  [ "$now" = "$was" ] || write_credentials "$now" "$(mode_of "$file")" || return
  keep_sum
}

# --- Proof: each runtime pulls a tiny image, and drops it again ---

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
      pull_with_ctr microk8s /var/snap/microk8s/common/run/containerd.sock 'microk8s ctr' \
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
  pull_each "$1" "$docker pull --quiet \"\$image\" && $docker image rm \"\$image\""
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
      pull_each podman "folder=\$(mktemp -d) && trap 'rm -rf \"\$folder\"' EXIT &&
        skopeo copy --quiet \"docker://\$image\" \"dir:\$folder\""
      ;;
    skopeo:no) pull_each podman "skopeo inspect --raw --no-creds \"docker://\$image\"" ;;
    *:yes) pull_each podman "$podman pull --quiet \"\$image\" && $podman rmi \"\$image\"" ;;
    *)
      mkdir -p "$scratch"
      echo '{}' >"$scratch/auth.json"
      # At its first use it would make files in /etc.
      ! "$podman" --help | grep -q -e --network-config-dir ||
        podman="$podman --network-config-dir '$scratch'"
      pull_each podman "$podman pull --quiet --authfile '$scratch/auth.json' \"\$image\" &&
        $podman rmi \"\$image\""
      rm -r "$scratch"
      ;;
  esac
}

pull_with_containerd() {
  if command -v ctr >/dev/null || ! command -v nerdctl >/dev/null; then
    pull_with_ctr containerd "${containerd_socket:-}" ctr "$hosts_folder"
  else
    logged_in=${login_basic:+yes}
    certificates=$hosts_folder
    ask='nerdctl version'
    pull_each containerd "nerdctl pull --quiet \"\$image\" && nerdctl rmi \"\$image\""
  fi
  case $toml_state in
    ours | theirs)
      ! command -v crictl >/dev/null ||
        pull_with_crictl "containerd's CRI" "${containerd_socket:-}" crictl
      ;;
  esac
}

# RUNTIME SOCKET CTR FOLDER
pull_with_ctr() {
  certificates=$4
  find_service "$1" "$2" "$3" "--address '$2'" || return 0
  # It asks the registry itself, in the place of a service without the session's proxies. Its progress
  # would hide what it says in the end.
  pull_each "$1" "unset $proxies; $ctr content fetch --hosts-dir '$4' \"\$image\" >/dev/null &&
    $ctr images rm --sync \"\$image\""
}

# RUNTIME SOCKET CRICTL
pull_with_crictl() {
  certificates="the files it has been set up with"
  find_service "$1" "$2" "$3" "--runtime-endpoint 'unix://$2' --image-endpoint 'unix://$2'" ||
    return 0
  pull_each "$1" "$ctr pull \"\$image\" && $ctr rmi \"\$image\""
}

# RUNTIME SOCKET PROGRAM OPTIONS: sets $ctr to the program with what leads it there.
find_service() {
  logged_in=${login_basic:+yes}
  ctr="$3 $4"
  ask="$ctr version"
  if ! [ -S "$2" ]; then
    not_proved "$1" 'it does not run'
  elif ! command -v "${3%% *}" >/dev/null; then
    not_proved "$1" "there is no ${3%% *} to ask it with"
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
  (limit=${limit:+timeout 10} && run_as "$account" "$ask" >/dev/null 2>&1)
}

# CODE: whether timeout has ended the command: of busybox, it is that of the signal.
is_timeout() {
  [ "$1" -eq 124 ] || [ "$1" -eq 143 ]
}

# RUNTIME WHY
not_proved() {
  say "$1: ${ca_pem:+trusts $names; }not proved: $2"
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
  words=$(run_as "$account" "image='$3/private-registry-proof@sha256:d41a8bedca7607ebf8317f657342d13f374c18df27845f704fc9b3d11880da7b'
$2" 2>&1) || code=$?
  words=$(printf '%s\n' "$words" | grep -v '^[[:space:]]*$' | tail -n 1)
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
    *'no basic auth credentials'* | *'nauthorized: '* | *'401 Unauthorized'* | *'denied: '* | \
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
      say "in $certificates/$2 is a .key or .cert (a client's certificate) without its other half," \
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
      proxy=$(run_as "$account" 'printf "%s %s" "${HTTPS_PROXY:-${https_proxy:-}}" \
        "${NO_PROXY:-${no_proxy:-}}"' 2>/dev/null) || :
      ;;
  esac
  ! is_exempt "${proxy#* }" || proxy=
  proxy=${proxy%% *}
  case $proxy:$words in
    [!:]*:* | *proxyconnect*)
      # Without the password that may be in it.
      words="it goes through a proxy${proxy:+, $(printf '%s' "$proxy" | sed 's|[^/]*@||')}:"
      words="$words exempt $own_host from that"
      case $1 in
        docker*)
          say "$words (\"no-proxy\" of \"proxies\" in /etc/docker/daemon.json, or NO_PROXY in the" \
            'environment of its service), then restart it'
          ;;
        podman | containerd)
          say "$words (no_proxy and NO_PROXY in the environment of $account, such as in" \
            '/etc/environment), then run this again'
          ;;
        *) say "$words (NO_PROXY in the environment of its service), then restart it" ;;
      esac
      ;;
    *x509:* | *'tls: '*)
      say "it knows another CA for that name, or none, in spite of $certificates/$2:" \
        'check what is there, and that it reads that folder'
      ;;
    # The words of "mend" are those of other programs.
    *) mend "${words##*failed to resolve reference}" ;;
  esac
}

# LIST: whether $own_host is in it, as programs in Go read NO_PROXY: with all names below one.
is_exempt() {
  IFS=' ,'
  for exempt in $1; do
    exempt=${exempt%:"$port"}
    exempt=${exempt#'*.'}
    case $exempt:.$own_host in
      '*':* | *:*".${exempt#.}") unset IFS && return ;;
    esac
  done
  unset IFS
  return 1
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

# --- What the version before this wrote ---

# Whether this run finds it: yes or no.
adopts=no

adopt() {
  if [ "$made" = "$newline" ] || [ -d "$state/written" ]; then
    return
  fi
  adopts=yes
  [ "$command" != check ] || return 0
  mkdir -m 700 "$state/written"
  old_ca=$(cat "$state/ca.crt" 2>/dev/null) || old_ca=
  IFS=$newline
  for line in $made; do
    unset IFS
    [ -f "${line#* }" ] || continue
    case $line in
      "file $state/"* | 'file '*/registries.yaml) continue ;;
      'file '*/hosts.toml) adopt_hosts_toml "${line#* }" ;;
      'file '*) adopt_ca "${line#* }" ;;
      'hosts '*) adopt_block "${line#* }" "private-registry $name" ;;
      'block '*) adopt_block "${line#* }" "$containerd_mark" ;;
      *) continue ;;
    esac
    remember "${line#* }" "$text"
    settle "${line#* }"
  done
  unset IFS
}

adopt_hosts_toml() {
  registry=${1%/*}
  basic=$(sed -n 's/^  authorization = "Basic \(.*\)"$/\1/p' "$1" | head -n 1)
  text=$(hosts_toml "${registry##*/}" "$basic" "$old_ca")$newline
}

# Some stores have one certificate in each file.
adopt_ca() {
  read_file "$1"
  case $old_ca$newline in
    *"$content"*) text=$content ;;
    *) text=$old_ca$newline ;;
  esac
}

# FILE MARK: all its lines for hosts have one address.
adopt_block() {
  find_block "$1" "$2" || block=
  line_of_hosts=$(printf '%s' "$block" | sed -n 2p)
  text=$(printf '%s' "$block" | while IFS= read -r each; do
    case $each in
      '# '* | "${line_of_hosts%% *} "* | version\ =* | '[plugins.'*registry] | *config_path\ =*) say "$each" ;;
    esac
  done)$newline
}

# --- Run by hand ---

# Who manages this machine, if that is Pulumi and a person runs this script.
manager=
# Whom the machine is left logged in as, by a password that this script does not have.
kept_login=

usage() {
  say "usage: sudo sh trust.sh [apply] [--system-trust] [--login USER]
       sudo sh trust.sh check | remove

Makes this machine trust the registry ${hosts%% *}, tells what has changed since, or takes all of it
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
        [ -z "$command" ] || refuse_arguments "expected one command, got \"$command\" and \"$1\""
        command=$1
        ;;
      --system-trust) system_trust=yes option=$1 ;;
      --login)
        [ $# -gt 1 ] || refuse_arguments 'expected a user of the registry after --login, got nothing'
        asked_login=$2 option=$1
        shift
        ;;
      --login=*) asked_login=${1#*=} option=--login ;;
      *) refuse_arguments "expected apply, check, remove, --system-trust or --login USER, got \"$1\"" ;;
    esac
    case $option:$asked_login in
      --login: | --login:[!A-Za-z0-9]* | --login:*[!A-Za-z0-9._@-]*)
        refuse_arguments "--login: expected a user of the registry, got \"$asked_login\""
        ;;
    esac
    shift
  done
  command=${command:-apply}
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
      fail "--login: there is no terminal to ask for the password of $login_user; copy this script to a" \
        'file, and give the password on its standard input'
    fi
    terminal=$(stty -g </dev/tty) && stty -echo </dev/tty
    printf 'Password of %s at %s: ' "$login_user" "${hosts%% *}" >/dev/tty
    IFS= read -r login_password </dev/tty || :
    show_typing
    printf '\n' >/dev/tty
  else
    IFS= read -r login_password || :
  fi
  [ -n "$login_password" ] || fail "--login: expected the password of $login_user, got nothing"
  if command -v base64 >/dev/null; then
    login_basic=$(printf '%s:%s' "$login_user" "$login_password" | base64 | tr -d '\n')
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
      *"${newline}file ${store%:*}/"*) return 0 ;;
    esac
  done
  return 1
}

# Whom an earlier run has logged in.
find_login() {
  known=$(printf '%s' "$made" | sed -n 's/^login [^ ]* [^ ]* \([^ ]*\) .*/\1/p' | head -n 1)
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
      docker:*'file /etc/docker/'* | docker:*/.config/docker/certs.d/* | \
        podman:*'file /etc/containers/'* | containerd:*/hosts.toml* | containerd:*/registries.yaml*)
        has="$has $runtime"
        ;;
      *) ! "${runtime}_is_here" || lacks=yes ;;
    esac
  done
  [ -z "$lacks" ] || runtimes=${has# }
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
        'file '*/hosts.toml | 'file '*/registries.yaml) set -- "$@" "${line#* }" ;;
      esac
    done
    unset IFS
  fi
  cat "$@" 2>/dev/null |
    sed -n -e 's/^  authorization = "Basic \(.*\)"$/\1/p' -e 's/^ *auth: \(..*\)$/\1/p' | head -n 1
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
        want_folder_of_login ${line#* }
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
  want_folder "${file%/*}"
}

# For the next run by hand.
write_choices() {
  [ "$command" = apply ] || return 0
  text="runtimes $runtimes
system_trust $system_trust
hosts_entry $([ -n "$address" ] && echo yes || echo no)
login ${login_user:-$kept_login}"
  if [ "$(cat "$state/choices" 2>/dev/null)" != "$text" ]; then
    printf '%s\n' "$text" >"$state/choices"
  fi
}

tell_of_manager() {
  [ -n "$manager" ] || return 0
  say "managed by Pulumi as $manager, which sets this machine up again whenever it changes something:" \
    'what it has chosen here is kept; change it among its clients'
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

# RUNTIME: one that is there has to prove it (see prove_pulls).
say_trusts() {
  if [ -z "$later" ]; then
    to_prove="$to_prove$1$newline"
  elif [ -n "$ca_pem" ]; then
    say "$1: trusts $names$later"
  fi
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
  keep_logins
  forget_unwanted
  refresh_system_store
  write_choices
  write_manifest
  [ -z "$left" ] || exit 1
  tell_of_manager
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
  if { [ "$here" = yes ] || ! has_rootless_docker; } && chosen docker "$here"; then
    [ "$here" = no ] || used="$used docker"
    set_up_docker
    daemon=$here
    say_trusts docker
  fi
  case " ${runtimes:-docker} " in
    *' docker '*)
      set_up_rootless_docker
      tell_of_builders
      ;;
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
  if [ -z "$client" ] && [ -n "$other" ]; then
    say "managed by Pulumi as $other, which may set this machine up again: take it out of the clients there"
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
  # Whoever heard what this says may be gone.
  trap '' PIPE
  set +e
  show_typing
  [ -z "$unfinished" ] || rm -f "$unfinished"
  if [ -n "$locked" ]; then
    rm -f "$state/file.new"
    rm -rf "$scratch"
  fi
  if [ "$status" -ne 0 ] && [ "$undo_on_failure" = yes ]; then
    # In bash, a bare "return" in a trap returns the status from before the trap; not so in a subshell.
    (undo)
  fi
  release_lock
  exit "$status"
}

undo() {
  complain 'this first set-up failed, so what it had made is taken away again'
  read_manifests
  wanted=$newline
  left=
  forget_unwanted
  refresh_system_store
  write_manifest
}

main() {
  parse_arguments "$@"
  [ "$(id -u)" -eq 0 ] || fail "$(id -un) cannot change /etc: run this as root, such as with sudo"
  for folder in /etc /var/lib; do
    [ -w "$folder" ] || fail "$folder cannot be written: mount it writable"
  done
  undo_on_failure=no
  trap on_exit EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 141' PIPE
  trap 'exit 143' TERM
  ask_password
  # No command can read on in the script, which may be standard input.
  run_command </dev/null
}

run_command() {
  take_lock
  recover_files
  read_manifests
  find_user
  show_host_key
  say "$heading"
  adopt
  [ "$command" = remove ] || keep_choices
  case $command in
    apply) apply ;;
    check) check ;;
    remove) remove ;;
  esac
}

{
  main "$@"
}
