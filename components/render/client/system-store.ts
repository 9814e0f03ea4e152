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

# Has the stores read that this run has placed something in, or taken something from.
refresh_system_store() {
  for store in $stores; do
    folder=\${store%:*}
    command -v "\${store#*:}" >/dev/null || continue
    case $taken in
      # Only a fresh start forgets there what is gone.
      *"$newline$folder/"*)
        case $store in
          *:update-ca-certificates) run_quietly update-ca-certificates --fresh || return ;;
          *) run_quietly update-ca-trust || return ;;
        esac
        continue
        ;;
    esac
    case $placed in
      *"$newline$folder/"*) run_quietly "\${store#*:}" || return ;;
    esac
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
