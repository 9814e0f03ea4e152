import { dataFolder, registryDebugPort } from "./layout";

export interface RegistryConfig {
  /** Signs the state of uploads; the same for every container that serves the same data. */
  httpSecret: string;
  /** Seconds that requests in flight are given at a stop. */
  drainSeconds: number;
  /** Regular expressions for the URLs of layers that are kept elsewhere. */
  foreignLayerUrls?: readonly string[];
  /** Whether all images of an index must be there. */
  indexPlatforms?: "all" | "none";
}

/**
 * The registry's config file, whole: environment overrides of single keys are partly ignored and
 * partly panic (distribution#1736, #3765). It has no users and no TLS, since only nginx can reach
 * it. `http.addr` comes from the container's environment, as each container has its own socket.
 *
 * @see https://distribution.github.io/distribution/about/configuration/
 */
export function renderRegistryConfig(config: RegistryConfig): string {
  return `version: 0.1
log:
  level: warn
  accesslog:
    disabled: true # nginx writes one
storage:
  filesystem:
    rootdirectory: ${dataFolder}
  cache:
    blobdescriptor: inmemory
  delete:
    enabled: true
http:
  net: unix
  secret: ${JSON.stringify(config.httpSecret)}
  draintimeout: ${config.drainSeconds}s
  headers:
    X-Content-Type-Options: [nosniff]
  debug:
    addr: 127.0.0.1:${registryDebugPort}
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
${validation(config)}`;
}

/** Nothing where the registry's defaults hold: a change of this text replaces its container. */
function validation({ foreignLayerUrls = [], indexPlatforms = "all" }: RegistryConfig): string {
  const urls = foreignLayerUrls.map((url) => `        - ${JSON.stringify(url)}\n`).join("");
  const allowed = urls && `    urls:\n      allow:\n${urls}`;
  const indexes = indexPlatforms === "all" ? "" : `    indexes:\n      platforms: none\n`;
  return allowed || indexes ? `validation:\n  manifests:\n${allowed}${indexes}` : "";
}
