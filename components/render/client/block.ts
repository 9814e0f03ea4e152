/** A block in a file of somebody else's, between two lines that mark it as this script's. */
export const block = `# --- Blocks in files of others ---

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
    complain "$1: expected one line \\"$begin\\" with one line \\"$end\\" below it, got such lines" \\
      "at \\"$(commas $begins)\\" and \\"$(commas $ends)\\"; delete them and what is between them," \\
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
    text=\${text:+$text$newline}
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
  key=\${copy##*/}
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
    complain "$1: stays as it is, as no copy of it could be made in $state, as the line above says;" \\
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
    complain "$1: was not written in full, as the line above says; all it held is in" \\
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
          complain "$half: a run that was cut off has left it unfinished, and now it cannot be written," \\
            "as the line above says; all it held is in $each/old"
          return 1
        fi
        complain "$half: a run that was cut off had left it unfinished; it is as it was before that"
        ;;
      *)
        if ! same_bytes "$half" "$each/old"; then
          find_aside "$half" && cp "$each/old" "$aside" || return
          complain "$half: a run was cut off while it wrote that, and somebody has changed it since;" \\
            "what it held before is now $aside"
        fi
        ;;
    esac
    end_overwriting "$each"
    rmdir "\${each%/*}" 2>/dev/null || :
  done
}
`;
