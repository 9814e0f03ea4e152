/**
 * The version before this remembered no text: what it wrote is made out here, once, so that what
 * others have written since is told from it.
 */
export const adopt = `# --- What the version before this wrote ---

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
    [ -f "\${line#* }" ] || continue
    case $line in
      "file $state/"* | 'file '*/registries.yaml) continue ;;
      'file '*/hosts.toml) adopt_hosts_toml "\${line#* }" ;;
      'file '*) adopt_ca "\${line#* }" ;;
      'hosts '*) adopt_block "\${line#* }" "private-registry $name" ;;
      'block '*) adopt_block "\${line#* }" "$containerd_mark" ;;
      *) continue ;;
    esac
    remember "\${line#* }" "$text"
    settle "\${line#* }"
  done
  unset IFS
}

adopt_hosts_toml() {
  registry=\${1%/*}
  basic=$(sed -n 's/^  authorization = "Basic \\(.*\\)"$/\\1/p' "$1" | head -n 1)
  text=$(hosts_toml "\${registry##*/}" "$basic" "$old_ca")$newline
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
      '# '* | "\${line_of_hosts%% *} "* | version\\ =* | '[plugins.'*registry] | *config_path\\ =*) say "$each" ;;
    esac
  done)$newline
}
`;
