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
# before older lines for the same names, and the last line may lack its end.
write_block() {
  [ -e "$1" ] || return 0
  find_block "$1" "$2" || return
  if [ -n "$3" ]; then
    text=$begin$newline$3$end$newline
  else
    text=$(printf '%s' "$block" | sed -n 's/^# was: //p')
    text=\${text:+$text$newline}
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
`;
