/** Every kind of request that could reach what it should not. */
import { basic, type RegistryClient, type Reply, type StoredImage } from "./registry-client";

export const methods = [
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"],
  ...["PROPFIND", "PURGE", "QUERY", "MKCOL"],
];

/** Paths of the registry's API, plain. */
export function apiPaths({ name, tag, manifest, layer }: StoredImage): string[] {
  return [
    "/v2/",
    "/v2/_catalog",
    `/v2/${name}/tags/list`,
    `/v2/${name}/manifests/${tag}`,
    `/v2/${name}/manifests/new`,
    `/v2/${name}/manifests/${manifest}`,
    `/v2/${name}/blobs/${layer}`,
    `/v2/${name}/blobs/uploads/`,
    `/v2/${name}/blobs/uploads/?mount=${layer}&from=${name}`,
    `/v2/${name}/blobs/uploads/00000000-0000-4000-8000-000000000000`,
    `/v2/${name}/referrers/${manifest}`,
  ];
}

/** Paths that mean the same in another spelling, or that are nginx's or the registry's own. */
export function oddPaths({ name, tag, layer }: StoredImage): string[] {
  return [
    ...["/", "/v2", "/token", "/_auth", "/users", "/pushers", "/anybody", "/ready", "/healthy"],
    ...["/v2/../_auth", "/v2/..%2f_auth", "/v2/%2e%2e/users", "/v2/..%2f", "/v2/..;/"],
    ...["//v2/", "/./v2/_catalog", "//v2//_catalog", "/%76%32/_catalog", "/v2%2f_catalog"],
    ...["/x/../v2/_catalog", "/x/%2e%2e/v2/_catalog", "/V2/_catalog", "/v2;x/_catalog"],
    ...["/v2/_catalog/", "/v2/_catalog?n=1", "/v2/_catalog?service=registry", "/v2/_catalog%3f"],
    ...["/v2/_catalog/../_catalog", "https://elsewhere.test/v2/_catalog", "/v2/_auth"],
    ...["/v2/private-registry-proof/manifests/latest", "/v2/private-registry-proof/../../tls.key"],
    ...["/v2/private-registry-proof/..%2f..%2fusers.htpasswd", "/v2/private-registry-proof/.%2e"],
    ...["/debug/health", "/debug/vars", "/metrics", "/index.html", "/.git/config"],
    `//v2/${name}/manifests/${tag}`,
    `/v2//${name}/manifests/${tag}`,
    `/v2/${name.replace("/", "%2f")}/manifests/${tag}`,
    `/%76%32/${name}/manifests/${tag}`,
    `/v2/${name}/blobs/${layer.replace(":", "%3a")}`,
    `/v2/${name}/manifests/${tag}/`,
    `/v2/${name}/blobs/${layer}/_auth`,
  ];
}

/** `Authorization` headers that prove nothing, by what is wrong with them. */
export function badAuthorizations([name, password]: readonly [string, string]): Record<
  string,
  string
> {
  const encoded = (text: string) => Buffer.from(text).toString("base64");
  return {
    "no scheme": encoded(`${name}:${password}`),
    "another scheme": `Digest username="${name}"`,
    "a bearer token": `Bearer ${encoded(`${name}:${password}x`)}`,
    "nothing after the scheme": "Basic",
    "an empty value": "Basic ",
    "no base64": "Basic !!!!",
    "no colon": `Basic ${encoded(name)}`,
    "no password": basic(name, ""),
    "no user": basic("", password),
    "no user and no password": basic("", ""),
    "another user's password": basic("nobody", password),
    "another case of the name": basic(name.toUpperCase(), password),
    "another case of the password": basic(name, password.toUpperCase()),
    "the beginning of the password": basic(name, password.slice(0, -1)),
    "more than the password": basic(name, `${password}x`),
    "a line break in the name": basic(`${name}\n${name}`, password),
    "a whole line of htpasswd": basic(`${name}:${password}`, password),
    "two credentials": `${basic(name, "x")}, ${basic(name, password)}`,
  };
}

export interface Attempt {
  method: string;
  path: string;
  reply: Reply;
}

/** Sends each method to each path, one after the other. */
export async function attempt(
  client: RegistryClient,
  requests: { methods: readonly string[]; paths: readonly string[]; authorization?: string },
): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  const { authorization } = requests;
  for (const path of requests.paths) {
    for (const method of requests.methods) {
      const reply = await client.request(method, path, {
        headers: {
          "Content-Type": "application/vnd.oci.image.manifest.v1+json",
          ...(authorization !== undefined && { Authorization: authorization }),
        },
        body: method === "GET" || method === "HEAD" ? "" : "{}",
      });
      attempts.push({ method, path, reply });
    }
  }
  return attempts;
}

/** As in `GET /v2/ 200`, for those that are not refused. */
export function admitted(attempts: readonly Attempt[]): string[] {
  return attempts
    .filter(({ reply }) => !isRefusal(reply))
    .map(({ method, path, reply }) => `${method} ${path} ${reply.status}`);
}

/**
 * Whether nginx itself refused the request, or sent the client from `/v2` to `/v2/`; the registry
 * adds this header to what it answers.
 */
export function isRefusal({ status, headers }: Reply): boolean {
  const refused = [301, 400, 401, 403, 404, 405, 429].includes(status);
  return refused && !("x-content-type-options" in headers);
}
