/** One real request to each of the registry's hosts, with the tool at hand. */
export const proof = `# --- Proof: the registry answers at each host, with a certificate that the CA signed ---

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
  ca_file=\${ca_pem:+$state/ca.crt}
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
    fail "not $1: every host of the registry means this machine itself, where none answers;" \\
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
  words=$(without_proxies curl -q --globoff --silent --show-error --connect-timeout 10 \\
    --max-time 30 --output /dev/null --write-out "$newline%{http_code}" "$@" 2>&1) || :
  code=\${words##*"$newline"}
  code=\${code#000}
  words=$(printf '%s' "$words" | head -n 1)
}

ask_with_wget() {
  set -- "https://$authority/v2/"
  [ -z "$ca_file" ] || set -- --ca-certificate="$ca_file" "$@"
  # A home of its own, for wget keeps files there.
  words=$(without_proxies env HOME="$state" wget --no-config --no-hsts --no-verbose \\
    --server-response --tries=1 --timeout=10 --output-document=/dev/null "$@" 2>&1) || :
  status_of "$words"
  words=$(printf '%s' "$words" | grep -v '^To connect to' | head -n 2 | tr '\\n' ' ')
}

ask_with_openssl() {
  case $1 in
    *:*) set -- -verify_ip "$1" ;;
    *[!0-9.]*) set -- -verify_hostname "$1" -servername "$1" ;;
    *) set -- -verify_ip "$1" ;;
  esac
  [ -z "$ca_file" ] || set -- -CAfile "$ca_file" "$@"
  set -- openssl s_client -quiet -connect "$authority" -verify_return_error "$@"
  words=$(printf 'GET /v2/ HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' "$authority" |
    $limit "$@" 2>&1) || :
  status_of "$words"
  words=$(printf '%s' "$words" | grep -i error | head -n 1)
}

# TEXT: sets $code to the HTTP status that stands in it.
status_of() {
  code=
  case $1 in
    *HTTP/1.[01]\\ [1-9][0-9][0-9]*)
      code=\${1#*HTTP/1.[01] }
      code=\${code%%[!0-9]*}
      ;;
  esac
}

# WORDS: what to do about them.
mend() {
  case $1 in
    *esolv* | *'ame or service'* | *'in name resolution'* | *'bad address'* | *'odename'* | \\
      *'no such host'*)
      say 'this machine does not know the name: set registryAddress for a hosts entry,' \\
        'or add the name to the DNS that this machine asks'
      ;;
    *' answered HTTP '*)
      say 'something else than the registry may have that address, or the registry is not well:' \\
        "check where the name leads, and the registry's containers"
      ;;
    *'not yet valid'* | *'not yet activated'* | *'not yet been activated'* | *expired*)
      mend_clock "$1"
      ;;
    *ertificate* | *verif* | *SSL* | *TLS*)
      say 'either another server answers there, or the registry has a certificate of another CA' \\
        'or without this name: check where the name leads, then run "pulumi up" again'
      ;;
    *)
      say "check that the registry runs, that port $port is open from here to there," \\
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
    say "either this machine's clock is wrong ($clock): then set it, such as with" \\
      "\\"$(clock_command)\\"; or the certificate is: then run \\"pulumi up\\" again"
  elif [ "$difference" -gt 5 ] || [ "$difference" -lt -5 ]; then
    direction='ahead of'
    [ "$difference" -gt 0 ] || direction=behind
    say "this machine's clock ($clock) is $(duration "\${difference#-}") $direction the registry's:" \\
      "set the one that is wrong, such as with \\"$(clock_command)\\", then run this again"
  else
    say "this machine's clock ($clock) and the registry's agree, so the certificate has ended or" \\
      'has not begun: run "pulumi up" again'
  fi
}

# WORDS: by how many seconds this machine's clock is ahead of the registry's, or behind if below 0;
# nothing if that cannot be known. Programs in Go say both times.
clock_difference() {
  dates=$(ask_date | tr -d '\\r' | sed -n 's/^ *[Dd]ate: *//p' | head -n 1)
  if [ -n "$dates" ]; then
    dates="$(date -u '+%a, %d %b %Y %H:%M:%S GMT')$newline$dates"
  else
    dates=$(printf '%s' "$1" | sed -n 's/.*current time \\([^ ]*\\) is [a-z]* \\([^ ]*\\).*/\\1 \\2/p' |
      tr ' ' '\\n')
  fi
  [ -n "$dates" ] || return 0
  printf '%s\\n' "$dates" | awk '
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
  case \${tool:-} in
    curl)
      without_proxies curl -q --globoff --silent --insecure --connect-timeout 10 --max-time 30 \\
        --output /dev/null --dump-header - "https://$authority/v2/"
      ;;
    wget)
      without_proxies env HOME="$state" wget --no-config --no-hsts --no-verbose --server-response \\
        --tries=1 --timeout=10 --no-check-certificate --output-document=/dev/null "https://$authority/v2/" 2>&1
      ;;
    openssl)
      printf 'GET /v2/ HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' "$authority" |
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
`;
