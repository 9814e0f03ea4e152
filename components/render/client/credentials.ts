/**
 * The files in which Docker and podman keep logins: found, read, edited and put back. They belong to
 * an account of the machine and hold more than this script's logins. So only that account reads and
 * writes them, and an edit leaves every other byte as it is.
 *
 * For each file, the folder `logins` of this script's state has
 * - `.before`: the file as it is to be once this script's logins are gone; none if there was no file;
 * - `.after`: the checksum of the file as this script left it, and `alone` (the first version wrote
 *   no such word, and also the checksums of what others had changed);
 * - `.helper`: lines `REGISTRY JSON`, the logins that a credential helper had before;
 * - `.own`: lines `REGISTRY CHECKSUM`, the logins that this script has made; not of the first version.
 *
 * Several installations may log an account in at one registry name, also as the same user. Then each
 * one's `.before` has the login of the one that came there before it. An installation that logs in
 * again or is removed first leaves this chain: whoever had its login as the one before has from then
 * on what it had itself.
 */
export const credentials = `# --- Files of credentials ---

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
  if (match(rest, /^[ \\t\\r\\n]+/)) skip(RLENGTH)
}
function string() {
  if (!match(rest, /^"([^"\\\\]|\\\\.)*"/)) wrong()
  return skip(RLENGTH)
}
# Skips a value, and returns it without space.
function value(name, depth,   first) {
  blank()
  first = substr(rest, 1, 1)
  if (first == "\\"") return string()
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
  if (depth == 1 && name == "\\"auths\\"") auths = at
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
      members = members (depth ? name : "") "\\t" key "\\t" held "\\n"
    }
    if (depth == 1 && name == "\\"auths\\"") {
      entries++
      entry_start[entries] = start
      entry_content[entries] = content
      entry_end[entries] = at
      if (key == "\\"" registry "\\"") { own = entries; own_entry = held }
    }
    blank()
  }
  if (depth == 1 && name == "\\"auths\\"") auths_end = at
  skip(1)
  return "{" text "}"
}
function user(held,   code, bits, count, unit, byte, i, name) {
  gsub(/\\\\\\//, "/", held)
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
  if (members ~ /(^|\\n)\\t"auths"\\t/) wrong()
  key = "\\"auths\\": {" key ": " entry "}"
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
{ text = text $0 "\\n" }
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
  if (action == "put") printf "%s", put("\\"" registry "\\"")
  if (action == "drop") printf "%s", drop()
}'

# TEXT ACTION [REGISTRY [ENTRY]]
edit_json() {
  printf '%s\\n%sx\\n' "\${4:-}" "$1" |
    awk -v action="$2" -v registry="\${3:-}" "$credentials_awk"
}

# TEXT OBJECT NAME: the value of a member, in JSON.
member() {
  edit_json "$1" members | awk -F '\\t' -v object="$2" -v name="\\"$3\\"" \\
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
    now=\${now%x}
    # To an account that may not enter the folder, nothing is there.
    [ "$exists" = no ] && [ -e "$file" ] || return 0
  fi
  complain "$file: $account cannot read it, so the logins in it stay as they are"
  return 1
}

# FILE: its mode, for chmod.
mode_of() {
  # shellcheck disable=SC2012 # stat is not everywhere
  ls -ldL "$1" | sed 's/^.\\(...\\)\\(...\\)\\(...\\).*/u=\\1,g=\\2,o=\\3/; s/[^ugorwx=,]//g'
}

# TEXT MODE: gives the file this text in one go, wherever it is a link to, and reads it again first.
write_credentials() {
  words=$(printf '%s' "$1" | run_as "$account" "
    umask 077
    file=\\$(readlink -f '$file') && new=\\\${file%/*}/.private-registry-new || exit
    rm -f \\"\\$new\\"
    { [ ! -e \\"\\$file\\" ] || cp -p \\"\\$file\\" \\"\\$new\\"; } && cat >\\"\\$new\\" &&
      [ \\"\\$($checksum <\\"\\$new\\")\\" = '$(printf '%s' "$1" | $checksum)' ] && chmod '$2' \\"\\$new\\" || {
      rm -f \\"\\$new\\"
      exit 1
    }
    # A mount cannot be replaced, only written.
    mv -f \\"\\$new\\" \\"\\$file\\" 2>/dev/null || { cat \\"\\$new\\" >\\"\\$file\\" && rm \\"\\$new\\"; }" 2>&1) || {
    complain "$file: $account cannot write it: \${words:-the disk may be full}; it stays as it is"
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
    holder=$(user_at "\${login#*/}")
    if [ "$holder" = "\${login%%/*}" ]; then
      ! is_of_another "$holder" "\${login#*/}" || is_in_copy "\${login#*/}" || return
    elif [ -n "$holder" ] && find_helper "$now" "\${login#*/}"; then
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
      members=$(printf '%s\\n' "$members" | grep -vF "\\"auths\\"	\\"\${pair#*/}\\"	") || :
    done
    printf '%s' "$members"
  } | sort
}

# This script's logins in the file: "USER/REGISTRY".
known_logins() {
  printf '%s' "$made$wanted" | sed -n "s|^login $program $account \\([^ ]*\\) |\\1/|p" | sort -u
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
  theirs=\${theirs%x}
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
    drop_login "\${login%%/*}" "\${login#*/}" || return
  done
  printf '%s' "$now"
}

# USER REGISTRY: takes that login out of $now, if it is there, and puts in the one before it.
drop_login() {
  if ! edit_json "$now" members >/dev/null; then
    case $now in
      *"\\"$2\\""*)
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
  now=\${now%x}
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
    *"\${newline}login $1 $2 "*) return 1 ;;
  esac
  settle_credentials "$1" "$2" || return
  if [ -e "$copy" ]; then
    theirs=$(cat "$copy" && echo x) || return
    mode=$(mode_of "$copy")
    # It holds another installation's login yet.
    ! others_want "credentials $1 $2" || mode=$(mode_of "$file")
    write_credentials "\${theirs%x}" "$mode" || return
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
  printf '%s\\n' "$2" | run_as "$account" "docker-credential-$helper $1" 2>/dev/null
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
  held="$1 $(printf '%s' "$held" | tr '\\n' ' ')"
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
    [ "$(line_of "\${1#*/}" "$kept.own")" = "$(sum_of "$2")" ]
  else
    [ "$3" = "\${1%%/*}" ]
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
  handed=\${handed%x}
  had=$handed
  if [ "$(cat "$kept.after" 2>/dev/null)" = "$(printf '%s' "$had" | $checksum) alone" ]; then
    # It came to the file as this script had left it.
    handed=$(cat "$copy" 2>/dev/null && echo x) || handed=x
    handed=\${handed%x}
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
  entry=$(member "$handed" '"auths"' "\${2#*/}") || :
  case $entry in
    '') return ;;
    '{}')
      held=$(line_of "\${2#*/}" "$1.helper")
      is_own_login "$2" "$held" "$(helped_user "$held")" || return 0
      ;;
    *) is_own_login "$2" "$entry" "$(edit_json "$handed" user "\${2#*/}")" || return 0 ;;
  esac
  handed=$(as_before "$handed" "\${2#*/}") || return
  handed=\${handed%x}
}

# KEPT
hand_over_helped() {
  for each_login in $(known_logins); do
    held=$(line_of "\${each_login#*/}" "$1.helper")
    is_own_login "$each_login" "$held" "$(helped_user "$held")" || continue
    held=$(line_of "\${each_login#*/}" "$kept.helper")
    keep "$1.helper" "$(lines_without "\${each_login#*/}" "$1.helper" &&
      printf '%s' "\${held:+\${each_login#*/} $held}")" 600 || return
  done
}
`;
