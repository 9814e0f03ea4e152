/** Where things are inside the containers; the renderers and the containers' mounts share it. */

/** The user and group that both containers and every managed file belong to. */
export const uid = 10001;

/** The managed files' volume; `current` in it is a link to the generation in force. */
export const filesFolder = "/etc/private-registry";

/** The registry's storage. */
export const dataFolder = "/var/lib/registry";

/** Unix sockets that the registry containers listen on; shared with nginx. */
export const socketFolder = "/run/registry";

/** A link to the socket of the container that checks passwords; beside those of the registry. */
export const authSocket = `${socketFolder}/auth.sock`;

/** nginx's private scratch space: pid, sockets, remembered credentials. Memory only. */
export const nginxFolder = "/run/nginx";

/** The port that nginx listens on inside its container. */
export const nginxPort = 8443;

/** The port of the registry's health endpoint, on its container's loopback only. */
export const registryDebugPort = 5001;

/** How long a client may take for the header of a request, in seconds. */
export const headerSeconds = 10;

/** How long after its last request an open connection outlives a reload of nginx, in seconds. */
export const idleSeconds = 2;

/** How long a container that is replaced may finish its requests, in seconds. */
export const drainSeconds = 60;
