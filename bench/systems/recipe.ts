/**
 * What people run today: nginx in front of a registry with htpasswd, by plain Docker, as in the
 * guides and in distribution's own nginx recipe.
 *
 * @see https://distribution.github.io/distribution/recipes/nginx/
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hash } from "bcryptjs";
import { images } from "../../scripts/pins";
import { issue } from "../../test/support/certificates";
import { docker, freePort } from "../../test/support/engine";
import type { Surroundings, System, User } from "./system";

export interface Recipe extends System {
  user: User;
  publishedPort: number;
  /** The same password, hashed at the cost that `htpasswd -B` takes unless told. */
  cheapUser: User;
  /** What people do to make nginx read a new certificate or configuration. */
  restartNginx(): Promise<void>;
  /** What people do to run a new image. */
  replaceRegistry(): Promise<void>;
  /** What people do to run a new image of nginx. */
  replaceNginx(): Promise<void>;
}

const nginxConf = `error_log /var/log/nginx/error.log warn;
events {}
http {
    upstream docker-registry {
        server registry:5000;
    }
    map $upstream_http_docker_distribution_api_version $docker_distribution_api_version {
        '' 'registry/2.0';
    }
    server {
        listen 443 ssl;
        ssl_certificate /etc/nginx/conf.d/domain.crt;
        ssl_certificate_key /etc/nginx/conf.d/domain.key;
        ssl_protocols TLSv1.1 TLSv1.2;
        ssl_ciphers 'EECDH+AESGCM:EDH+AESGCM:AES256+EECDH:AES256+EDH';
        ssl_prefer_server_ciphers on;
        ssl_session_cache shared:SSL:10m;
        client_max_body_size 0;
        chunked_transfer_encoding on;
        location /v2/ {
            add_header 'Docker-Distribution-Api-Version' $docker_distribution_api_version always;
            proxy_pass http://docker-registry;
            proxy_set_header Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_read_timeout 900;
        }
    }
}
`;

/** Starts the recipe; what it makes carries the label. */
export async function startRecipe({ label, folder }: Surroundings): Promise<Recipe> {
  const file = (name: string) => join(folder, `recipe-${name}`);
  const password = randomBytes(12).toString("hex");
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 4096 });
  const { certificatePem, privateKeyPem } = issue({
    subject: "recipe",
    sans: "DNS:localhost,IP:127.0.0.1",
    usages: "serverAuth",
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  });
  const htpasswd = `usual:${await hash(password, 10)}\ncheap:${await hash(password, 5)}\n`;
  await Promise.all([
    writeFile(file("nginx.conf"), nginxConf),
    writeFile(file("domain.crt"), certificatePem),
    writeFile(file("domain.key"), privateKeyPem),
    writeFile(file("htpasswd"), htpasswd),
  ]);

  const suffix = randomBytes(4).toString("hex");
  const network = `bench-recipe-${suffix}`;
  const registry = `bench-recipe-registry-${suffix}`;
  const nginx = `bench-recipe-nginx-${suffix}`;
  const data = `bench-recipe-data-${suffix}`;
  const publishedPort = await freePort();
  const startRegistry = () =>
    docker(
      ...["run", "--detach", "--name", registry, "--label", label],
      ...["--network", network, "--network-alias", "registry"],
      ...["--env", "REGISTRY_AUTH=htpasswd"],
      ...["--env", "REGISTRY_AUTH_HTPASSWD_REALM=Registry Realm"],
      ...["--env", "REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd"],
      // Without it, v3 looks for a collector of traces that nobody has.
      ...["--env", "OTEL_TRACES_EXPORTER=none"],
      ...["--volume", `${file("htpasswd")}:/auth/htpasswd:ro`],
      ...["--volume", `${data}:/var/lib/registry`],
      images.registry,
    );
  const startNginx = () =>
    docker(
      ...["run", "--detach", "--name", nginx, "--label", label, "--network", network],
      ...["--publish", `127.0.0.1:${publishedPort}:443`],
      ...["--volume", `${file("nginx.conf")}:/etc/nginx/nginx.conf:ro`],
      ...["--volume", `${file("domain.crt")}:/etc/nginx/conf.d/domain.crt:ro`],
      ...["--volume", `${file("domain.key")}:/etc/nginx/conf.d/domain.key:ro`],
      images.nginx,
    );
  await docker("network", "create", "--label", label, network);
  await docker("volume", "create", "--label", label, data);
  await startRegistry();
  await startNginx();
  return {
    name: "recipe",
    port: 443,
    publishedPort,
    caPem: certificatePem,
    caFile: file("domain.crt"),
    user: ["usual", password],
    cheapUser: ["cheap", password],
    containers: () => Promise.resolve([nginx, registry]),
    restartNginx: async () => {
      await docker("restart", nginx);
    },
    replaceRegistry: async () => {
      await docker("stop", registry);
      await docker("rm", registry);
      await startRegistry();
      // The new container may have another address, which nginx looks up when it starts.
      await docker("restart", nginx);
    },
    replaceNginx: async () => {
      await docker("stop", nginx);
      await docker("rm", nginx);
      await startNginx();
    },
  };
}
