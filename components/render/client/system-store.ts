/** The trust store of the machine itself: a folder of anchors, and a command that reads it. */
export const systemStore = `# --- The machine's own trust store ---

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
    if [ -d "\${store%:*}" ] && command -v "\${store#*:}" >/dev/null; then
      place_in_store "\${store%:*}"
      # The version before this forgot a command that had failed.
      [ "$adopts" = no ] || want refresh "\${store#*:}"
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
    place "$1/$file.crt" "\${rest%%"$end_of_one"*}$end_of_one"
    rest=\${rest#*"$end_of_one$newline"}
    number=$((number + 1))
    file=$name-$number
  done
}

# FILE [--fresh]: if it is in a store, the store has to be read again, which is due until it is done.
due_in_store() {
  for store in $stores; do
    case $1 in
      "\${store%:*}"/*)
        # Only a fresh start forgets there what is gone.
        case $store:\${2-} in
          *:update-ca-certificates:--fresh) want refresh 'update-ca-certificates --fresh' ;;
          *) want refresh "\${store#*:}" ;;
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
    if command -v "\${reader%% *}" >/dev/null; then
      # shellcheck disable=SC2086 # words
      run_quietly $reader || return
    fi
    unwant "refresh $reader"
    unwant "refresh \${reader%% *}"
  done
}

# COMMAND...: what it says is of interest only if it fails. /tmp may be out of its reach.
run_quietly() {
  if ! words=$(TMPDIR=$state "$@" 2>&1); then
    complain "$1 failed: $words"
    return 1
  fi
}
`;
