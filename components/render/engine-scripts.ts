import { authHealthCommand, authSocketOf } from "./auth-conf";
import {
  authSocket,
  dataFolder,
  drainSeconds,
  filesFolder,
  idleSeconds,
  nginxFolder,
  nginxPort,
  registryDebugPort,
  socketFolder,
  uid,
} from "./layout";
import { join, quote } from "./shell";

/**
 * Scripts that Pulumi runs beside the Docker engine. They are fixed texts: what varies comes in the
 * environment, so that an error shows which script failed and not all of it.
 */

/** A tmpfs for nginx's scratch space, as `docker run --tmpfs` takes it. */
export const nginxTmpfsOptions = `mode=0700,uid=${uid},gid=${uid},size=64m`;

/**
 * An engine that was killed stops what still runs when it starts again, and takes that for a stop by
 * hand, after which "unless-stopped" would start nothing (moby#40791, moby#43204).
 */
export const restartPolicy = "always";

/** Begins the note of {@link preflightScript} about the processors. */
const processorsWord = "The processors of the Docker host: ";

/** Says in the storage whose it is: a file with the installation's id. */
const ownerFile = "docker/.private-registry";

/**
 * Shell about the registry's storage, which is the folder `docker` in the current one: other things
 * may be beside it, in a folder of the user's.
 */
const storageFunctions = `# The id of the installation that the storage belongs to; empty if it belongs to none.
owner() {
  cat ${ownerFile} 2>/dev/null || :
}
# Whether the registry's user may enter this folder.
may_enter() {
  case $(stat -c '%u:%g:%A' .) in
    ${uid}:*:???[xs]* | *:${uid}:??????[xs]* | *:*:?????????[xt]*) ;;
    *) return 1 ;;
  esac
}
# What else is in this folder.
others() {
  find . -mindepth 1 -maxdepth 1 ! -name docker ! -name lost+found
}
# The registry's user and group as the engine's machine knows them: with userns-remap they are
# others, see user_namespaces(7).
host_id() {
  while read -r inside outside count; do
    [ ${uid} -lt "$inside" ] || [ ${uid} -ge $((inside + count)) ] || echo $((outside + ${uid} - inside))
  done <"/proc/self/$1_map"
}
host_ids() {
  printf '%s:%s' "$(host_id uid)" "$(host_id gid)"
}`;

/**
 * Looks at the storage and changes nothing. Writes a line for each thing that is to be known: `owner
 * ID`, `foreign NAMES` (what is in a folder `docker` that is no registry's), `beside` (other things
 * are there, and no registry yet), `closed` (the registry's user cannot enter), `unmapped IDS` (the
 * engine cannot change owners there, and this is the one that is needed).
 */
export const lookAtStorageScript = `set -eu
cd ${dataFolder}
${storageFunctions}
owner=$(owner)
[ -z "$owner" ] || echo "owner $owner"
foreign=$({
  find docker -mindepth 1 -maxdepth 1 ! -name registry ! -name '.private-registry*'
  find docker/registry -mindepth 1 -maxdepth 1 ! -name v2
} 2>/dev/null | head -n 3 | tr '\\n' ' ')
[ -z "$foreign" ] || echo "foreign $foreign"
if [ -n "$(others)" ]; then
  [ -d docker ] || echo beside
  may_enter || echo closed
fi
# 65534 stands for all owners that this user namespace does not have.
unmapped=
folders=.
[ ! -d docker ] || folders='docker docker/registry'
for folder in $folders; do
  [ ! -d "$folder" ] || [ "$(stat -c %u "$folder")" != 65534 ] || unmapped=yes
done
[ -z "$unmapped" ] || [ "$(host_ids)" = ${uid}:${uid} ] || echo "unmapped $(host_ids)"
`;

/**
 * Whether a deployment can work, before it touches anything: the engine answers, the images are
 * there or can be pulled, nobody else's installation or data is in the way, the port is free. Reports
 * all problems at once. Its output has notes, such as what the engine cannot do.
 *
 * An installation that is to be replaced is taken away here, but for its images.
 *
 * Environment: `REGISTRY_IMAGE`, `NGINX_IMAGE`, `BIND_ADDRESS`, `HTTPS_PORT`, `DATA` (a volume or a
 * folder), `REPLACES` (the id of another installation, or empty), `INSTALLATION`, `INSTALLATION_ID`;
 * from whoever runs Pulumi `PRIVATE_REGISTRY_PULUMI`, which is how they call it.
 */
export const preflightScript = `set -eu
first=\${first-}
pulumi=\${PRIVATE_REGISTRY_PULUMI:-pulumi}
failed=
problem() {
  printf '%s\\n' "$@" >&2
  failed=1
}
if ! said=$(docker version --format '{{.Server.Version}}' 2>&1); then
  problem "The Docker engine does not answer: $said" \\
    "Start it, or name another: $pulumi config set private-registry:dockerHost ssh://user@host"
  exit 1
fi

# What the engine ignores would come back as a difference at each deployment.
engine=$(docker info --format 'memory:{{.MemoryLimit}} swap:{{.SwapLimit}} processes:{{.PidsLimit}} shares:{{.CPUShares}} processors:{{.NCPU}}')
${cannotLimit("memory", "memory:false*")}
${cannotLimit("swap", "memory:true*swap:false*")}
${cannotLimit("processes", "*processes:false*")}
${cannotLimit("shares of the processor", "*shares:false*")}
echo "${processorsWord}\${engine##*processors:}."
case $BIND_ADDRESS in
  127.* | ::1)
    [ "\${said%%.*}" -ge 28 ] 2>/dev/null ||
      echo "bindAddress: Docker before 28 lets in neighbours of the Docker host that send it packets for $BIND_ADDRESS."
    ;;
esac

have_image() {
  docker image inspect "$2" >/dev/null 2>&1 || said=$(docker pull --quiet "$2" 2>&1) && return
  problem "images.$1: cannot get $2: $said" \\
    "  Load it on the Docker host (docker load), or name another: $pulumi config set --path private-registry:images.$1 <reference>"
}
have_image registry "$REGISTRY_IMAGE"
have_image nginx "$NGINX_IMAGE"
[ -z "$failed" ] || exit 1

# OPTION...: runs nginx's image.
run() {
  docker run --rm --label "private-registry=$INSTALLATION" --label "private-registry.id=$INSTALLATION_ID" "$@"
}

# --- The images: whose are they, and can the registry write there? ---

owner=
alone="  Name a place for the registry alone: $pulumi config set private-registry"
# As a shell reads it.
word() {
  printf %s "$1" | sed "s/'/'\\\\\\\\''/g; s/^/'/; s/\$/'/"
}
inside=$(word "$DATA/docker")
case $DATA in
  /*) other="dataPath $(word "$DATA/registry")" ;;
  *) other="dataVolume $DATA-registry" ;;
esac
case $DATA in
  # Unlike a volume, a folder that is not there is not made for a look.
  /*) mount="type=bind,\\"source=$DATA\\"" ;;
  *)
    mount=
    ! docker volume inspect "$DATA" >/dev/null 2>&1 || mount=type=volume,source=$DATA
    ;;
esac
if [ -n "$mount" ]; then
  seen=$(run --network none --user 0 --cap-drop ALL --cap-add DAC_OVERRIDE --read-only \\
    --mount "$mount,target=${dataFolder},readonly" --entrypoint sh "$NGINX_IMAGE" -c ${quote(lookAtStorageScript)} 2>&1) ||
    case $seen in
      *'does not exist'*) seen= ;;
      *) seen="failed $(printf '%s' "$seen" | head -n 1)" ;;
    esac
  while read -r word words; do
    case $word in
      owner) owner=$words ;;
      foreign) problem "dataPath: $DATA/docker is no registry's: it holds $words" "$alone:$other" ;;
      beside) echo "dataPath: $DATA is not empty and holds no registry: the images go into $DATA/docker, and the rest stays as it is." ;;
      closed) problem "dataPath: other things are in $DATA, and the registry's user ${uid} cannot enter it" "$alone:$other" ;;
      unmapped)
        problem "dataPath: the engine maps users to others (userns-remap, or rootless), and cannot change owners in $DATA" \\
          "  On the Docker host: mkdir -p $inside && chown -R $words $inside"
        ;;
      failed) problem "dataPath: cannot look at $DATA: $words" "$alone:dataPath /srv/registry" ;;
    esac
  done <<END
$seen
END
  while read -r name whose; do
    case $whose in
      "$INSTALLATION") continue ;;
      # Of another installation, from before the images said whose they are; or else of this one, from
      # before its stack was renamed.
      ?*)
        if [ -z "$first" ] || [ -n "$owner" ]; then
          continue
        fi
        ;;
    esac
    [ -z "$name" ] ||
      problem "The container $name uses the images in $DATA, and two registries must not write to them." \\
        "  Stop it for good on the Docker host: docker update --restart no $name && docker stop $name"
  done <<END
$(docker ps --filter "volume=\${DATA%/}" --format '{{.Names}} {{.Label "private-registry"}}')
END
fi

# --- Is there another installation of this name? ---

# KIND: what bears this installation's name on the engine and was not made by it, each with its id;
# "-" where it has none. Those are of the time before there were ids: this installation's own, unless
# it has only just begun.
strangers() {
  label=label=private-registry=$INSTALLATION
  case $1 in
    container) docker ps --all --no-trunc --filter "$label" --format '{{.ID}} {{.Label "private-registry.id"}}' ;;
    volume) docker volume ls --filter "$label" --format '{{.Name}} {{.Label "private-registry.id"}}' ;;
    network) docker network ls --no-trunc --filter "$label" --format '{{.ID}} {{.Label "private-registry.id"}}' ;;
  esac | while read -r object id; do
    case $id in
      "$INSTALLATION_ID") ;;
      '') [ -z "$first" ] || echo "$object -" ;;
      *) echo "$object $id" ;;
    esac
  done
}
found=$(for kind in container volume network; do strangers "$kind"; done)
ids=$(printf '%s\\n' "$owner" "$found" | sed 's/.* //' | grep -vxF -e '' -e - -e "$INSTALLATION_ID" | sort -u) || :
# Without an id, it goes by its name.
[ -n "$ids" ] || [ -z "$found" ] || ids=$INSTALLATION
for id in $ids; do
  [ "$id" != "$REPLACES" ] || continue
  problem "The installation $id is on this Docker host already, and is not known to this stack's state." \\
    '  If it is yours and its state is lost: bring that back from a backup (the folder .private-registry), then do this again.' \\
    '  If it is of another clone, or of somebody else: use that, or another stack with another port and dataPath.' \\
    "  To put this one in its place, with its images, but new users and a new CA: $pulumi config set private-registry:replaces $id"
done
if [ -n "$found" ] && [ -z "$failed" ]; then
  for kind in container volume network; do
    strangers "$kind" | while read -r object id; do
      case $kind in
        container) docker rm --force --volumes "$object" ;;
        *) docker "$kind" rm "$object" ;;
      esac >/dev/null
    done
  done
  echo "The installation $REPLACES is taken away, but for its images."
fi

# --- Can the port be had? ---

if [ -z "$failed" ]; then
  # What we have published already is not free, but the address can be tried.
  port=$HTTPS_PORT
  case $(docker ps --filter label=private-registry --filter "publish=$HTTPS_PORT" --format '{{.Label "private-registry"}} {{.Label "private-registry.id"}}') in
    "$INSTALLATION "*) port= ;;
    # From before there were ids, of a stack that was renamed since.
    *' ') [ -n "$first" ] || port= ;;
  esac
  case $BIND_ADDRESS in
    *:*) address="[$BIND_ADDRESS]" ;;
    *) address=$BIND_ADDRESS ;;
  esac
  if ! said=$(run --publish "$address:$port:1" --entrypoint true "$NGINX_IMAGE" 2>&1); then
    said=$(printf %s "$said" | head -n 1)
    cannot="httpsPort: cannot publish $address:$HTTPS_PORT on the Docker host: $said"
    case $said in
      *'already allocated'* | *'already in use'*)
        problem "$cannot" "  Stop what uses it, or choose another port: $pulumi config set private-registry:httpsPort 5444"
        ;;
      *'cannot assign'*)
        problem "$cannot" "  bindAddress must be an address of the Docker host: $pulumi config set private-registry:bindAddress 0.0.0.0"
        ;;
      *) problem "The engine cannot run $NGINX_IMAGE with $address:$HTTPS_PORT published: $said" ;;
    esac
  fi
fi
[ -z "$failed" ]
`;

/** As {@link preflightScript}, for an installation of which nothing is on the engine yet. */
export const firstPreflightScript = `first=yes
${preflightScript}`;

/** Which limits of containers an engine can hold. */
export interface Limits {
  memory: boolean;
  swap: boolean;
  /** Shares of the processor. */
  shares: boolean;
}

/** What {@link preflightScript} has found out about the engine. */
export interface EngineFacts {
  limits: Limits;
  processors: number;
}

/** @param notes The output of {@link preflightScript}. */
export function engineFacts(notes: string): EngineFacts {
  const can = (what: string) => !notes.includes(cannotLimitWords(what));
  const [, processors] = notes.split(processorsWord);
  return {
    limits: {
      memory: can("memory"),
      swap: can("memory") && can("swap"),
      shares: can("shares of the processor"),
    },
    processors: Math.max(1, parseInt(processors ?? "", 10) || 1),
  };
}

function cannotLimitWords(what: string): string {
  return `The engine cannot limit ${what}`;
}

function cannotLimit(what: string, pattern: string): string {
  const words = `${cannotLimitWords(what)}: the containers run without that limit (see docker info).`;
  return `case $engine in ${pattern}) echo ${quote(words)} ;; esac`;
}

/**
 * Puts a set of files (a base64 tar on standard input) into a volume as a new generation, checks it
 * and makes it the one in force by one rename, so that readers see the old set or the new one and
 * never a mixture. A set that the check refuses is removed again, and nothing has changed.
 *
 * Environment: `GENERATION` (the folder's name, which the SHA-256 of the input begins with), `CHECK`
 * (a command run in the new folder, or empty).
 */
export const publishScript = `set -eu
cd ${filesFolder}
# A generation that is there already is checked again: the image may be another.
checked=$GENERATION
rm -rf .incoming
if [ ! -d "$GENERATION" ]; then
  checked=.incoming
  archive=$(cat)
  # Of a run that is killed, only a part may arrive, and tar takes that for all.
  if [ "$(printf %s "$archive" | sha256sum | cut -c 1-16)" != "$GENERATION" ]; then
    echo 'The files did not arrive whole.' >&2
    exit 1
  fi
  mkdir .incoming
  printf %s "$archive" | base64 -d | tar -xpf - -C .incoming
fi
if ! (cd "$checked" && eval "$CHECK"); then
  rm -rf .incoming
  exit 1
fi
if [ -d .incoming ]; then
  chown -Rh ${uid}:${uid} .incoming
  chmod 0500 .incoming
  mv .incoming "$GENERATION"
fi
if [ -f "$GENERATION/.marks" ]; then
  mkdir -p marks
  sed s:^:marks/: "$GENERATION/.marks" | xargs mkdir -p
fi
# The files are on the disk before the link is, and the link before the caller hears of it.
find "$GENERATION" -exec sync {} +
previous=$(readlink current || true)
ln -sfn "$GENERATION" .current
mv -T .current current
sync .
# What was in force until now stays for those who still read it.
for old in *; do
  case $old in
    current | marks | "$GENERATION" | "$previous") ;;
    *) rm -rf "$old" ;;
  esac
done
if [ -d marks ]; then
  cd marks
  used=$(cat "../$GENERATION/.marks" "../$previous/.marks" 2>/dev/null || :)
  for mark in *; do
    [ -d "$mark" ] || continue
    case $used in
      *"$mark"*) ;;
      *) rmdir "$mark" ;;
    esac
  done
fi
`;

/**
 * Checks nginx's new files, in their folder. A renewed certificate is not yet valid for machines
 * whose clocks are slow: while the one in force serves for the same names, the new one waits until
 * it is 90 s old, or as old as `PRIVATE_REGISTRY_SLOW_CLOCK_SECONDS` says.
 */
export const checkNginxFilesScript = `nginx -t -q -c "$PWD/nginx.conf" || exit
force=../current
if cmp -s tls.names $force/tls.names && ! cmp -s tls.crt $force/tls.crt; then
  slow=\${PRIVATE_REGISTRY_SLOW_CLOCK_SECONDS:-90}
  wait=$(($(cat tls.since) + slow - $(date +%s)))
  if [ "$wait" -gt $((slow + 60)) ]; then
    echo "The clock of the Docker host is $((wait - slow)) s behind the one of the machine that runs Pulumi: set it, then up again." >&2
    exit 1
  fi
  if [ "$wait" -gt 0 ]; then
    echo "The new certificate is put into service in $wait s: until then, machines with slow clocks would refuse it."
    sleep "$wait"
  fi
fi
`;

/**
 * Runs the publishing inside a throw-away container, as the engine may be on another machine.
 * Environment: `VOLUME`, `IMAGE`, the installation's, and those of the script inside.
 */
export const publishFilesScript = throwAwayContainer({
  // Extracting keeps owners and modes, which root without these cannot.
  capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
  volumes: { VOLUME: filesFolder },
  environment: ["GENERATION", "CHECK", "PRIVATE_REGISTRY_SLOW_CLOCK_SECONDS"],
  options: ["--interactive", "--tmpfs", `${nginxFolder}:${nginxTmpfsOptions}`],
  script: publishScript,
});

/** What {@link prepareVolumesScript} runs inside the container. */
export const ownVolumesScript = `set -eu
# Docker gives an empty volume the owner of the image's folder: root.
chown ${uid}:${uid} ${socketFolder}
chmod 0700 ${socketFolder}
cd ${dataFolder}
${storageFunctions}
owner=$(owner)
case $owner in
  '' | "$INSTALLATION_ID" | "$REPLACES") ;;
  *)
    echo "The images are those of the installation $owner." >&2
    exit 1
    ;;
esac
own() {
  # A folder that holds nothing else is the registry's alone.
  { may_enter || [ -n "$(others)" ] || chown ${uid}:${uid} .; } &&
    mkdir -p docker &&
    { [ "$owner" = "$INSTALLATION_ID" ] || sign; } &&
    { [ "$(stat -c %u:%g docker)" = ${uid}:${uid} ] || find docker -depth ! -user ${uid} -exec chown -h ${uid}:${uid} {} +; } &&
    # The registry makes its files readable for everybody.
    { [ "$(stat -c %a docker)" = 700 ] || chmod 0700 docker; }
}
sign() {
  echo "$INSTALLATION_ID" >${ownerFile}.new && mv ${ownerFile}.new ${ownerFile}
}
own || {
  echo "The folder of the images must belong to $(host_ids) on the Docker host." >&2
  exit 1
}
`;

/**
 * Makes the sockets' volume and the registry's storage writable for the user that the containers run
 * as, and notes there whose it is. Nothing beside the storage is touched. The storage itself comes
 * last, so that an interrupted run is completed by the next one.
 *
 * Environment: `SOCKETS`, `DATA` (or a folder), `REPLACES`, `IMAGE`, and the installation's.
 */
export const prepareVolumesScript = throwAwayContainer({
  capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
  volumes: { DATA: dataFolder, SOCKETS: socketFolder },
  environment: ["INSTALLATION_ID", "REPLACES"],
  options: [],
  script: ownVolumesScript,
});

/**
 * Leaves the images to whichever installation comes next.
 *
 * Environment: `DATA`, `IMAGE`, and the installation's.
 */
export const releaseDataScript =
  inStorage(`[ "$(cat ${ownerFile} 2>/dev/null)" != "$INSTALLATION_ID" ] || rm ${ownerFile}
`);

/**
 * Deletes all images, and nothing else in the folder; not those that another installation has taken
 * over.
 *
 * Environment: `DATA`, `IMAGE`, and the installation's.
 */
export const deleteDataScript = inStorage(`case $(cat ${ownerFile} 2>/dev/null) in
  '' | "$INSTALLATION_ID")
    rm -rf docker/registry ${ownerFile}
    # Not if somebody has put other things there.
    rmdir docker 2>/dev/null || :
    ;;
esac
`);

function inStorage(script: string): string {
  return throwAwayContainer({
    capabilities: ["DAC_OVERRIDE"],
    volumes: { DATA: dataFolder },
    environment: ["INSTALLATION_ID"],
    options: ["--workdir", dataFolder],
    script,
  });
}

/** Whether the registry serves; its health endpoint knows whether the storage works. */
export const registryHealthCommand = `wget -q -O /dev/null http://127.0.0.1:${registryDebugPort}/debug/health && test -S ${socketFolder}/$HOSTNAME.sock`;

/** Whether nginx serves. */
export const nginxHealthCommand = `curl --fail --silent --output /dev/null --unix-socket ${nginxFolder}/auth.sock http://nginx/healthy`;

/** What {@link applyScript} runs inside nginx's container. */
export const reloadScript = `set -eu
workers() {
  for process in /proc/[0-9]*; do
    case $(tr '\\0' ' ' 2>/dev/null <"$process/cmdline") in
      *"worker process is shutting down"*) ;;
      *"worker process"*) printf '%s ' "$process" ;;
    esac
  done
}
before=$(workers)
kill -HUP 1
# nginx is done when no worker of before takes connections; a refused config changes no worker.
tries=0
while :; do
  now=$(workers)
  left=
  for worker in $before; do
    case " $now" in *" $worker "*) left=1 ;; esac
  done
  [ -n "$now" ] && [ -z "$left" ] && break
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ]; then
    echo 'nginx does not take the new configuration, and serves by the previous one' >&2
    exit 1
  fi
  sleep 0.1
done
# Until nginx has closed the connections that were idle, a request on one of them would still be
# answered by the configuration of before. Transfers in flight are not waited for.
tries=0
for worker in $before; do
  while [ -d "$worker" ] && [ "$tries" -lt ${(idleSeconds + 1) * 10} ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
done
for domain in $DOMAINS; do
  case $domain in *:*) host="[$domain]" ;; *) host=$domain ;; esac
  if ! said=$(curl --silent --show-error --output /dev/null --write-out '%{http_code}' --max-time 10 \\
    --cacert ${filesFolder}/current/tls.crt --connect-to "::127.0.0.1:${nginxPort}" "https://$host/v2/" 2>&1) ||
    [ "$said" != 401 ]; then
    echo "https://$host/v2/ should ask for credentials (401), but: $said" >&2
    exit 1
  fi
done
if ! said=$(curl --fail --silent --show-error --output /dev/null --max-time 10 \\
  --unix-socket ${nginxFolder}/auth.sock http://registry/ready 2>&1); then
  echo "The registry behind nginx does not answer: $said" >&2
  exit 1
fi
`;

/**
 * Waits until the registry answers on its socket. Fails with its own words if it stops, and before
 * anything sends requests to it. Environment: `REGISTRY` (a container).
 */
export const awaitRegistryScript = `set -eu
${lastWords("REGISTRY")}
${awaitHealth("REGISTRY", registryHealthCommand, "The registry does not start")}
limit_pids
`;

/**
 * Waits until the auth container answers on its socket, and has nginx ask it from now on.
 *
 * Environment: `AUTH` (a container).
 */
export const awaitAuthScript = `set -eu
${lastWords("AUTH")}
${awaitHealth("AUTH", authHealthCommand, "The container that checks passwords does not start")}
limit_pids
docker exec "$AUTH" sh -c ${quote(`ln -sfn "${authSocketOf("$HOSTNAME")}" ${authSocket}.new && mv -T ${authSocket}.new ${authSocket}`)}
`;

/** How long requests on a registry container that is replaced may take, in seconds. */
const lastRequestsSeconds = 3600;

/**
 * Waits until no registry container but `REGISTRY` has a request in flight. nginx sends them no new
 * ones, and its workers of before finish theirs. Interrupted, it leaves everything as it is.
 *
 * Environment: `REGISTRY` and `NGINX` (the containers that serve now).
 */
export const awaitLastRequestsScript = `set -eu
# In proc_net_unix, an accepted connection has the state 03 and the path of its listener, and it is in
# the network namespace of who has connected.
requests() {
  docker exec "$NGINX" cat /proc/net/unix | grep " 03 .* ${socketFolder}/[0-9a-f]*[.]sock$" |
    grep -vc "/$(printf %.12s "$REGISTRY")[.]sock$" || :
}
seconds=0
while left=$(requests) && [ "$left" -gt 0 ] && [ "$seconds" -lt ${lastRequestsSeconds} ]; do
  if [ "$seconds" = 0 ]; then
    echo "Requests that still go to the registry container of before, such as a push of a large layer: $left."
    echo "This run takes it away when they end, in an hour at the latest. All else is done: if you end the run (Ctrl-C twice), the next one takes it away."
  elif [ $((seconds % 300)) = 0 ]; then
    echo "Requests that still go to the registry container of before, after $((seconds / 60)) minutes: $left."
  fi
  sleep 2
  seconds=$((seconds + 2))
done
`;

/** The arguments that nginx runs with. */
export const nginxArguments = ["-c", `${filesFolder}/current/nginx.conf`, "-g", "daemon off;"];

/** How long half a request may hold up {@link takeOverScript}, in seconds. */
const slowSeconds = 2;

/**
 * Waits inside nginx's container, which serves on, for a moment in which no request is in flight
 * and whatever was answered has arrived. A client is done with the header of a request within a
 * moment; whoever is not is waited for ${slowSeconds} s, as somebody may send such halves for ever.
 */
export const quietScript = `end=$(($(date +%s) + ${drainSeconds}))
slow=$(($(date +%s) + ${slowSeconds}))
while [ "$(date +%s)" -lt "$end" ]; do
  # One that does not tell is not waited for.
  said=$(curl --fail --silent --max-time 1 --unix-socket ${nginxFolder}/auth.sock http://nginx/connections) || break
  # The one is the question itself.
  case $said in
    *'Reading: 0 Writing: 1 '*) is_quiet=1 ;;
    *' Writing: 1 '*) is_quiet=$(($(date +%s) > slow)) ;;
    *) is_quiet=0 ;;
  esac
  # In proc_net_tcp(5) the local port stands before tx_queue.
  [ "$is_quiet" = 0 ] || grep ':${nginxPort.toString(16).toUpperCase()} .*:' /proc/net/tcp | grep -qv ' 00000000:' || break
  sleep 0.02
done
`;

/**
 * Moves the published port, which has one owner, from the container `BEFORE` (or nobody) to `NGINX`:
 * for about a third of a second nobody serves. Goes back if that fails.
 */
export const takeOverScript = `set -u
take_over() {
  if [ -n "$BEFORE" ]; then
    # Not gracefully: nothing is in flight, and idle connections would keep the port for seconds.
    docker kill --signal TERM "$BEFORE" >/dev/null 2>&1
    docker stop -t 10 "$BEFORE" >/dev/null || return
  fi
  docker network disconnect none "$NGINX" && docker network connect "$NETWORK" "$NGINX"
}
[ -z "$BEFORE" ] || docker update --restart no "$BEFORE" >/dev/null || exit
said=$(take_over 2>&1) && exit
printf 'nginx cannot have the port: %s\\n' "$said" >&2
docker stop -t 1 "$NGINX" >/dev/null
if [ -n "$BEFORE" ]; then
  docker update --restart ${restartPolicy} "$BEFORE" >/dev/null
  docker start "$BEFORE" >/dev/null && echo 'The previous one serves again.' >&2
fi
exit 1
`;

/**
 * Applies what was published, and returns when it is in force: this nginx container is the one that
 * serves, it has replaced its workers, the port serves the certificate for every domain, and the
 * registry behind it is well.
 *
 * A new container starts beside the one that serves, on no network, and must be well before it takes
 * the port over.
 *
 * Environment: `NGINX` (a container, which may not run yet), `NETWORK` (which it is to be on),
 * `VOLUME` (its files), `DOMAINS` (separated by spaces).
 */
export const applyScript = `set -eu
${lastWords("NGINX")}
is() {
  [ "$(docker inspect --format "$1" "$NGINX")" = "$2" ]
}
running=$(docker ps --quiet --no-trunc --filter "volume=$VOLUME" --filter expose=${nginxPort})
BEFORE=$(printf %s "$running" | grep -v "$NGINX" || true)
if is '{{.State.Running}}' false; then
  if [ -n "$BEFORE" ]; then
    docker network disconnect "$NETWORK" "$NGINX" 2>/dev/null || true
    docker network connect none "$NGINX"
  fi
  docker start "$NGINX" >/dev/null
fi
[ -z "$BEFORE" ] || trap 'docker stop -t 1 "$NGINX" >/dev/null' EXIT
${awaitHealth("NGINX", nginxHealthCommand, "nginx does not start")}
limit_pids
if is '{{range $name, $network := .NetworkSettings.Networks}}{{$name}}{{end}}' none; then
  [ -z "$BEFORE" ] || docker exec "$BEFORE" sh -c ${quote(quietScript)} || true
  # In a session of its own, where there is setsid(1): who kills an "up" with all that it has started
  # does not kill this.
  own_session=$(command -v setsid || true)
  export BEFORE
  \${own_session:+setsid} sh -c ${quote(takeOverScript)}
fi
trap - EXIT
docker exec --env DOMAINS "$NGINX" sh -c ${quote(reloadScript)} || last_words 'nginx does not serve what was published'
`;

/** Shell that waits for the container in a variable to be healthy, or to stop. */
function awaitHealth(variable: string, health: string, complaint: string): string {
  return `tries=0
until docker exec "$${variable}" sh -c ${quote(health)} >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -gt 150 ] || [ "$(docker inspect --format '{{.State.Running}} {{.RestartCount}}' "$${variable}")" != 'true 0' ]; then
    last_words ${quote(complaint)}
  fi
  sleep 0.2
done`;
}

/** Shell functions about the container in a variable. */
function lastWords(variable: string): string {
  return `last_words() {
  printf '%s; the last lines of its log:\\n' "$1" >&2
  # Of nginx, which logs every request too, only what it has marked as grave, if there is any.
  log=$(docker logs --tail 1000 "$${variable}" 2>&1)
  grave=$(printf '%s\\n' "$log" | grep -E '\\[(emerg|alert|crit)\\]' || true)
  printf '%s\\n' "\${grave:-$log}" | tail -n 10 >&2
  exit 1
}
limit_pids() {
  # Docker's API has it, Pulumi's docker provider does not.
  # An engine that cannot hold it may refuse, as the preflight has said.
  docker update --pids-limit 512 "$${variable}" >/dev/null 2>&1 ||
    [ "$(docker info --format '{{.PidsLimit}}')" = false ]
}`;
}

interface ThrowAwayContainer {
  capabilities: string[];
  /** Where the volumes whose names are in these variables are mounted. */
  volumes: Record<string, string>;
  /** Variables that are handed on. */
  environment: string[];
  options: string[];
  script: string;
}

/** A script that runs another one in a container of `$IMAGE`, labelled as the installation's. */
function throwAwayContainer(container: ThrowAwayContainer): string {
  const words = [
    ...["docker", "run", "--rm", "--network", "none", "--user", "0", "--cap-drop", "ALL"],
    ...container.capabilities.flatMap((capability) => ["--cap-add", capability]),
    ...["--security-opt", "no-new-privileges", "--read-only"],
    ...container.environment.flatMap((variable) => ["--env", variable]),
    ...container.options,
  ];
  const mounts = Object.entries(container.volumes).map(
    ([variable, folder]) => `--volume "$${variable}:${folder}"`,
  );
  return `${join(words)} --label "private-registry=$INSTALLATION" --label "private-registry.id=$INSTALLATION_ID" ${mounts.join(" ")} --entrypoint sh "$IMAGE" -c ${quote(container.script)}
`;
}
