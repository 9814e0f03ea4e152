/** Services, by whichever manager the machine has. */
export const services = `# --- Services ---

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
`;
