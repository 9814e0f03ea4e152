/** The machine's own public host key, which its owner can pin once it has been compared. */
export const hostKey = `# --- The host key of this machine ---

show_host_key() {
  [ "$tell_host_key" = yes ] || return 0
  for key in $(sshd -T 2>/dev/null | sed -n 's/^hostkey //p') \\
    /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_ecdsa_key; do
    case $(cut -c -11 "$key.pub" 2>/dev/null) in
      ssh-ed25519 | ecdsa-sha2-)
        say "host key: $(cut -d ' ' -f -2 "$key.pub")"
        return
        ;;
    esac
  done
}
`;
