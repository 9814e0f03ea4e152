import {
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

/**
 * Whether a deployment can work, before it touches anything: the engine answers, the images are
 * there or can be pulled, the port is free. Reports all problems at once.
 *
 * Environment: `REGISTRY_IMAGE`, `NGINX_IMAGE`, `BIND_ADDRESS`, `HTTPS_PORT`, `INSTALLATION`.
 */
export const preflightScript = `set -eu
pulumi=\${PRIVATE_REGISTRY_PULUMI:-pulumi} # how whoever reads this calls it
failed=
problem() {
  printf '%s\\n' "$1" >&2
  failed=1
}
if ! said=$(docker version --format '{{.Server.Version}}' 2>&1); then
  problem "The Docker engine does not answer: $said"
  problem "Start it, or name another: $pulumi config set private-registry:dockerHost ssh://user@host"
  exit 1
fi
have_image() {
  docker image inspect "$2" >/dev/null 2>&1 || said=$(docker pull --quiet "$2" 2>&1) && return
  problem "images.$1: cannot get $2: $said"
  problem "  Load it on the Docker host (docker load), or name another: $pulumi config set --path private-registry:images.$1 <reference>"
}
have_image registry "$REGISTRY_IMAGE"
have_image nginx "$NGINX_IMAGE"
if [ -z "$failed" ]; then
  # What we have published already is not free, but the address can be tried.
  port=$HTTPS_PORT
  [ -z "$(docker ps --quiet --filter "label=private-registry=$INSTALLATION" --filter "publish=$HTTPS_PORT")" ] || port=
  case $BIND_ADDRESS in
    *:*) address="[$BIND_ADDRESS]" ;;
    *) address=$BIND_ADDRESS ;;
  esac
  if ! said=$(docker run --rm --label "private-registry=$INSTALLATION" --publish "$address:$port:1" --entrypoint true "$NGINX_IMAGE" 2>&1); then
    problem "httpsPort: cannot publish $address:$HTTPS_PORT on the Docker host: $(printf %s "$said" | head -n 1)"
    case $said in
      *'already allocated'* | *'already in use'*)
        problem "  Stop what uses it, or choose another port: $pulumi config set private-registry:httpsPort 5444"
        ;;
      *'cannot assign'*)
        problem "  bindAddress must be an address of the Docker host: $pulumi config set private-registry:bindAddress 0.0.0.0"
        ;;
    esac
  fi
fi
[ -z "$failed" ]
`;

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
  chown -R ${uid}:${uid} .incoming
  chmod 0500 .incoming
  mv .incoming "$GENERATION"
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
    current | "$GENERATION" | "$previous") ;;
    *) rm -rf "$old" ;;
  esac
done
`;

/**
 * Runs the publishing inside a throw-away container, as the engine may be on another machine.
 * Environment: `VOLUME`, `IMAGE`, `INSTALLATION`, and those of the script inside.
 */
export const publishFilesScript = throwAwayContainer({
  // Extracting keeps owners and modes, which root without these cannot.
  capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
  volumes: { VOLUME: filesFolder },
  environment: ["GENERATION", "CHECK"],
  options: ["--interactive", "--tmpfs", `${nginxFolder}:${nginxTmpfsOptions}`],
  script: publishScript,
});

/** What {@link prepareVolumesScript} runs inside the container. */
export const ownVolumesScript = `# Docker gives an empty volume the owner of the image's folder: root.
chown ${uid}:${uid} ${socketFolder}
chmod 0700 ${socketFolder}
mkdir -p ${dataFolder}/docker
[ "$(stat -c %u:%g ${dataFolder})" = ${uid}:${uid} ] || find ${dataFolder} -depth ! -user ${uid} -exec chown -h ${uid}:${uid} {} +
`;

/**
 * Makes the sockets' volume and the registry's storage writable for the user that the containers run
 * as; the storage itself comes last, so that an interrupted run is taken up again.
 *
 * Environment: `SOCKETS`, `DATA` (or a folder), `IMAGE`, `INSTALLATION`.
 */
export const prepareVolumesScript = throwAwayContainer({
  capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
  volumes: { DATA: dataFolder, SOCKETS: socketFolder },
  environment: [],
  options: [],
  script: ownVolumesScript,
});

/**
 * Deletes all images, and nothing else in the folder.
 *
 * Environment: `DATA`, `IMAGE`, `INSTALLATION`.
 */
export const deleteDataScript = throwAwayContainer({
  capabilities: ["DAC_OVERRIDE"],
  volumes: { DATA: dataFolder },
  environment: [],
  options: [],
  script: `rm -rf ${dataFolder}/docker
`,
});

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
    echo 'nginx does not take the new configuration, and serves by the one of before' >&2
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

/** The arguments that nginx runs with. */
export const nginxArguments = ["-c", `${filesFolder}/current/nginx.conf`, "-g", "daemon off;"];

/**
 * Waits inside nginx's container, which serves on, for a moment in which no request is in flight
 * and whatever was answered has arrived.
 */
export const quietScript = `end=$(($(date +%s) + ${drainSeconds}))
while [ "$(date +%s)" -lt "$end" ]; do
  # One that does not tell is not waited for.
  said=$(curl --fail --silent --max-time 1 --unix-socket ${nginxFolder}/auth.sock http://nginx/connections) || break
  # The one is the question itself. In proc_net_tcp(5) the local port stands before tx_queue.
  case $said in
    *'Reading: 0 Writing: 1 '*) grep ':${nginxPort.toString(16).toUpperCase()} .*:' /proc/net/tcp | grep -qv ' 00000000:' || break ;;
  esac
  sleep 0.02
done
`;

/**
 * Moves the published port, which has one owner, from the container `BEFORE` (or nobody) to `NGINX`:
 * for about a third of a second nobody serves. Goes back if that fails.
 */
const takeOverScript = `set -eu
if [ -n "$BEFORE" ]; then
  docker update --restart no "$BEFORE" >/dev/null
  # Not gracefully: nothing is in flight, and idle connections would keep the port for seconds.
  docker kill --signal TERM "$BEFORE" >/dev/null 2>&1 || true
  docker stop -t 10 "$BEFORE" >/dev/null
fi
docker network disconnect none "$NGINX"
said=$(docker network connect "$NETWORK" "$NGINX" 2>&1) && exit
printf 'nginx cannot have the port: %s\\n' "$said" >&2
docker stop -t 1 "$NGINX" >/dev/null
if [ -n "$BEFORE" ]; then
  docker update --restart ${restartPolicy} "$BEFORE" >/dev/null
  docker start "$BEFORE" >/dev/null
  echo 'The one of before serves again.' >&2
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
 * `VOLUME` (its files), `INSTALLATION`, `DOMAINS` (separated by spaces).
 */
export const applyScript = `set -eu
${lastWords("NGINX")}
is() {
  [ "$(docker inspect --format "$1" "$NGINX")" = "$2" ]
}
running=$(docker ps --quiet --no-trunc --filter "label=private-registry=$INSTALLATION" --filter "volume=$VOLUME" --filter expose=${nginxPort})
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
  docker update --pids-limit 512 "$${variable}" >/dev/null
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

/** A script that runs another one in a container of `$IMAGE`, labelled with `$INSTALLATION`. */
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
  return `${join(words)} --label "private-registry=$INSTALLATION" ${mounts.join(" ")} --entrypoint sh "$IMAGE" -c ${quote(container.script)}
`;
}
