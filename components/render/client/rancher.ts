/**
 * k3s and RKE2 make the configuration of their own containerd from `registries.yaml`, whenever they
 * start. They are done with containerd.
 *
 * The file may be anybody's: each registry's script has a block in it, below its key `configs`. It
 * goes only into a file that is plain enough to be understood here line by line.
 */
export const rancher = `# --- k3s, RKE2 ---

own_header='configs: # private-registry'
tab=$(printf '\\t')
apostrophe="'"
carriage_return=$(printf '\\r')

set_up_rancher() {
  for kind in k3s rke2; do
    [ -d "/etc/rancher/$kind" ] || command -v "$kind" >/dev/null || continue
    file=/etc/rancher/$kind/registries.yaml
    want_folder "\${file%/*}"
    if [ ! -e "$file" ] || includes "$made_by_any" "empty $file" ||
      includes "$made_by_any" "file $file"; then
      want empty "$file"
    fi
    want yaml "$file"
    # shellcheck disable=SC2086 # a list of words
    write_registries "$file" "$name" "$(registry_lines $registries)$newline"
    if [ -n "$in_the_way" ]; then
      # shellcheck disable=SC2086 # a list of words
      say "$kind: $file $why_not and stays as it is;" \\
        "add below its line \\"configs:\\", then restart $kind:$newline$(
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
    say "  \\"$registry\\":"
    [ -z "$ca_pem" ] || say "    tls:$newline      ca_file: $state/ca.crt"
    [ -z "$login_basic" ] || say "    auth:$newline      auth: $login_basic"
  done
}

# LINES: the registries that they are for, one a line.
keys_of() {
  printf '%s\\n' "$1" | sed -n 's/^  "\\(.*\\)":$/\\1/p'
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
        fail "$1: is not understood as a whole any more, so this registry's lines in it stay as they" \\
          'were; write it without tabs, anchors, braces below "configs:" and line ends of Windows, or' \\
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
        key=\${row#*\\"}
        key=\${key%\\"*}
        ;;
    esac
    includes "$keys" "$key" || block=$block\${indent:-  }\${row#  }$newline
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
  folder=\${1%/*}
  : >"$state/restart-\${folder##*/}"
  if [ "$2" = "$name" ] && [ -n "$3" ]; then
    remember "$1" "$3"
  fi
  make_folder "\${1%/*}"
  if [ ! -e "$1" ]; then
    if [ -n "$login_basic" ]; then make_private "$1"; else : >"$1"; fi
  fi
  make_private "$state/file.new" && printf '%s' "$new" >"$state/file.new" && overwrite "$1" "$state/file.new" && settle "$1"
}

# NAME: whether the $content, which is not understood, has lines of that registry's script.
has_lines_of() {
  case $old_form:$(printf '%s' "$content" | tr -d '\\r')$newline in
    *"# BEGIN private-registry $1$newline"* | *"# END private-registry $1$newline"* | \\
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
  secret=\${1##*'    auth: '}
  secret=\${secret%%"$newline"*}
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
      "mode "*" $1") want mode "\${line#mode }" ;;
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
      rest=\${rest%"$newline"}
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
  margin=\${row%%[! ]*}
  case $row in
    *"$tab"* | *"$carriage_return"*) understood=no ;;
    '# BEGIN private-registry '*)
      end_entry
      [ -z "$in_block" ] && [ "$section" = configs ] || understood=no
      in_block=\${row#'# BEGIN private-registry '}
      [ "$in_block" = "$whose" ] || part=block other_block=$row$newline block_entries=
      ;;
    '# END private-registry '*)
      end_entry
      [ "$in_block" = "\${row#'# END private-registry '}" ] || understood=no
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
      row=\${row#configs:}
      case \${row#"\${row%%[! ]*}"} in
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
  indent=\${indent:-$margin}
  case $margin:\${row#"$margin"} in
    "$indent":[A-Za-z0-9_.\\""$apostrophe"]*:*)
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
  key=\${entry%%"$newline"*}
  key=\${key#"$indent"}
  case $key in
    \\"*)
      key=\${key#\\"}
      key=\${key%%\\"*}
      ;;
    "$apostrophe"*)
      key=\${key#"$apostrophe"}
      key=\${key%%"$apostrophe"*}
      ;;
    *)
      key=\${key%%: *}
      key=\${key%:}
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
  body=\${entry#*"$newline"}
  case $body in
    *"ca_file: $state/ca.crt$newline"*) has_ca=yes ;;
  esac
  case $body in
    "$indent  tls:$newline$indent    ca_file: $states/"*"/ca.crt$newline"*)
      ca_of=\${body#*"$states/"}
      ca_of=\${ca_of%%/*}
      body=\${body#*"/ca.crt$newline"}
      ;;
  esac
  case $body in
    "$indent  auth:$newline$indent    auth: "*)
      body=\${body#*"    auth: "}
      body=\${body#*"$newline"}
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
    *"$ca_rows"*) entry=\${entry%%"$ca_rows"*}\${entry#*"$ca_rows"} ;;
  esac
}

forget_yaml() {
  [ -e "$1" ] || return 0
  write_registries "$1" "$name" '' || return
  if [ "$understood" = no ] && has_lines_of "$name"; then
    complain "$1: delete the lines for $state/ca.crt, as the file is not understood as a whole; then" \\
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
    [ ! -f "$copy" ] || write_registries "$1" "\${other##*/}" "$(cat "$copy")$newline" || return
  done
}

# Containers run on meanwhile.
restart_rancher() {
  socket=/run/k3s/containerd/containerd.sock
  restart_if_due k3s /etc/rancher/k3s/registries.yaml "$socket" k3s k3s-agent
  restart_if_due rke2 /etc/rancher/rke2/registries.yaml "$socket" rke2-server rke2-agent
}
`;
