import { dataFolder, filesFolder, idleSeconds, nginxFolder, nginxPort } from "./layout";
import { proofRepository } from "./proof-image";

export interface NginxConf {
  /** The Unix socket of the registry container that serves. */
  registrySocket: string;
  /** Whether reading needs no user. */
  anonymousPull: boolean;
}

/**
 * nginx.conf: the whole of what clients can reach. It lies beside `tls.crt`, `tls.key`,
 * `users.htpasswd` and `nobody.htpasswd`, whose relative names nginx resolves against its own folder,
 * beside the folders `users` and `pushers`, which have an empty file for each user and each who may
 * write, and beside the files of `proofImage`.
 *
 * A password is checked with bcrypt once and then remembered in memory for ten minutes. The key
 * holds the real path behind `current`, so what was remembered under one users file is never
 * found under another: a change is in force, in old workers too, as soon as the link is.
 *
 * With anonymous pull, the challenge is Bearer instead of Basic, as Docker's client asks anonymously
 * only for tokens; the token is what Basic would have sent.
 */
export function renderNginxConf(conf: NginxConf): string {
  return `# Written by Pulumi (private-registry): changes made here are lost.
worker_processes auto;
pid ${nginxFolder}/nginx.pid;
error_log stderr warn;
# How long transfers in flight may outlive a reload.
worker_shutdown_timeout 1h;

events {
    worker_connections 1024;
}

http {
    log_format registry '$remote_addr $remote_user [$time_iso8601] "$request" $status '
                        '$body_bytes_sent $request_time "$http_user_agent"';
    access_log /dev/stdout registry;
    server_tokens off;
    absolute_redirect off; # the published port is not known here
    sendfile on;
    tcp_nopush on;

    client_max_body_size 0; # layers have no limit
    client_body_buffer_size 128k; # of every upload: larger is no faster, and adds up
    client_body_timeout 300s;
    send_timeout 300s;
    # A reload closes idle connections that a client may be about to use; not within this time.
    # Nor does a stop, which is as much longer, with nothing serving.
    keepalive_min_timeout ${idleSeconds}s;

    client_body_temp_path ${nginxFolder}/client_body;
    proxy_temp_path ${nginxFolder}/proxy;
    fastcgi_temp_path ${nginxFolder}/fastcgi;
    uwsgi_temp_path ${nginxFolder}/uwsgi;
    scgi_temp_path ${nginxFolder}/scgi;

    upstream registry {
        server unix:${conf.registrySocket};
        keepalive 64;
    }

    upstream auth {
        server unix:${nginxFolder}/auth.sock;
    }

${authorization(conf)}
    map "$request_method $http_if_match$http_if_none_match$http_if_range$http_if_unmodified_since" $from_disk {
        default 0;
        "GET " 1;
        "HEAD " 1;
    }

    # Of requests without TLS.
    map "$http_host $request_method $http_authorization" $plain_access {
        default "";
        "~^[^ ]+ (GET|HEAD) $" read;
    }

    # The user's name, if it is one that a file can have.
    map $remote_user $user {
        default "";
        "~^[A-Za-z0-9][A-Za-z0-9._@-]*$" $remote_user;
    }

    map $refusal $challenge {
        default '${challenge(conf)}';
        denied "";
    }

    # Memory only, mode 0700: the keys hold credentials.
    proxy_cache_path ${nginxFolder}/auth levels=1 keys_zone=auth:1m max_size=16m inactive=10m
                     use_temp_path=off;
    # nginx refuses a reload that changes a zone: whoever changes one here renames it.
    # Counts what is not remembered: first logins, and wrong passwords. Not requests without any,
    # with which every client begins.
    map $http_authorization $login_from {
        default $http_x_real_ip;
        "" "";
    }
    limit_req_zone $login_from zone=logins:1m rate=5r/s;

    server {
        listen ${nginxPort} ssl;
        ssl_certificate tls.crt;
        ssl_certificate_key tls.key;
        # https://ssl-config.mozilla.org, "intermediate"; no HSTS, which would bind other services
        # of the same host name.
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
        ssl_prefer_server_ciphers off;
        ssl_session_cache shared:tls:10m;
        ssl_session_timeout 1d;
        ssl_session_tickets off;

        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host; # with the port: the registry builds Location from it
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Host "";
        proxy_set_header Forwarded "";
        proxy_set_header Authorization ""; # checked here, of no use there
        proxy_request_buffering off; # uploads go straight through,
        proxy_max_temp_file_size 0; # and so do downloads
        proxy_read_timeout 900s;
        proxy_send_timeout 900s;

        error_page 401 403 = @refused;
        error_page 497 = @plain; # HTTP without TLS
        error_page 500 = @failed;

        location / {
            return 404;
        }

        # Every location that reaches the registry carries its own auth_request: one that is
        # reached by a rewrite is checked by its own only.
        location /v2/ {
            ${checkedAccess}
            proxy_pass http://registry;
        }

        # Blobs that the repository links to are sent from the disk. The rest is the registry's: other
        # methods, and conditional requests, as nginx would not know these ETags for its own.
        location ~ "^/v2/(?<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)/blobs/sha256:(?<shard>[a-f0-9]{2})(?<rest>[a-f0-9]{62})$" {
            root ${dataFolder}/docker/registry/v2;
            if (!-f $document_root/repositories/$repository/_layers/sha256/$shard$rest/link) {
                rewrite ^ /_registry last;
            }
            if ($from_disk = 0) {
                rewrite ^ /_registry last;
            }
            ${checkedAccess}
            types {
            }
            default_type application/octet-stream;
            etag off;
            if_modified_since off;
            add_header Last-Modified "";
            add_header ETag '"sha256:$shard$rest"';
            add_header Cache-Control max-age=31536000;
            add_header Docker-Content-Digest sha256:$shard$rest;
            add_header Docker-Distribution-Api-Version registry/2.0;
            add_header X-Content-Type-Options nosniff;
            try_files /blobs/sha256/$shard/$shard$rest/data =404;
        }

        location = /_registry {
            internal;
            ${checkedAccess}
            proxy_pass http://registry$request_uri;
        }

        # A tiny image that lies beside this file: clients pull it to prove that they can.
        location ^~ /v2/${proofRepository}/ {
            root ${filesFolder}/current;
            ${checkedAccess}
            types {
            }
            default_type application/vnd.oci.image.manifest.v1+json; # of blobs nobody asks it
        }
${conf.anonymousPull ? tokenLocations : ""}
        location = /_auth {
            internal;
            root ${filesFolder}/current;
            proxy_pass http://auth/$access;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Authorization $credentials;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_cache auth;
            proxy_cache_key "$realpath_root $access $credentials";
            proxy_cache_valid 200 204 10m; # success only
            proxy_cache_lock on; # parallel requests of one user cost one check
        }

        location @refused {
            default_type application/json;
            add_header WWW-Authenticate $challenge always;
            add_header Docker-Distribution-Api-Version registry/2.0 always;
            if ($refusal = denied) {
                return 403 '${errorBody("DENIED", "this user may pull but not push")}';
            }
            return 401 '${errorBody("UNAUTHORIZED", "authentication required")}';
        }

        # Only requests without a password are led on: with one, it has just been sent in the clear,
        # and must not seem to work. For the time being (307): browsers remember 301 and 308.
        location @plain {
            default_type application/json;
            if ($plain_access = read) {
                return 307 https://$http_host$request_uri;
            }
            return 400 '${errorBody("UNSUPPORTED", "this port speaks HTTPS only: use https://")}';
        }

        location @failed {
            default_type application/json;
            if ($auth_status = 429) {
                return 429 '${errorBody("TOOMANYREQUESTS", "too many logins from this address")}';
            }
            return 500 '${errorBody("UNKNOWN", "internal error")}';
        }
    }

    # Who may do what, asked through the subrequest /_auth; an access check inside a subrequest is
    # skipped by nginx, hence a server of its own. 200 is yes and 403 no, since nginx would hand on
    # the challenge of a 401.
    #
    # Whatever the name and its rights, one password is checked, so that the time it takes tells
    # nothing of them.
    server {
        listen unix:${nginxFolder}/auth.sock;
        access_log off;
        root ${filesFolder}/current;
        limit_req zone=logins burst=20 nodelay;
        limit_req_status 429;
        error_page 401 = @no;

        location = /pull {
            if (!-f $document_root/users/$user) {
                rewrite ^ /nobody last;
            }
            auth_basic Registry;
            auth_basic_user_file users.htpasswd;
            try_files /users/$user =403; # after the check, unlike "return"
        }

        location = /push {
            if (!-f $document_root/users/$user) {
                rewrite ^ /nobody last;
            }
            auth_basic Registry;
            auth_basic_user_file users.htpasswd;
            try_files /pushers/$user @pull_only;
        }

        location @pull_only {
            add_header X-Refusal denied always;
            return 403;
        }

        location @no {
            return 403;
        }

        location = /nobody {
            internal;
            if ($http_authorization = "") {
                return 403;
            }
            proxy_pass http://auth/nobodys-password;
            proxy_set_header Authorization "Basic bm9ib2R5Og=="; # nobody, with an empty password
            proxy_set_header X-Real-IP ""; # counted already
        }

        location = /nobodys-password {
            auth_basic Registry;
            auth_basic_user_file nobody.htpasswd;
            try_files /nonexistent =403;
        }
${conf.anonymousPull ? tokenBackend : ""}
        # For the container's health check, and for the check that a change is in force.
        location = /healthy {
            return 204;
        }

        location = /ready {
            proxy_pass http://registry/;
        }

        # For a container that takes this one's place in a moment without requests.
        location = /connections {
            stub_status;
        }
    }
}
`;
}

/** Asks for permission, and keeps the reason of a refusal for the answer. */
const checkedAccess = `auth_request /_auth;
            auth_request_set $auth_status $upstream_status;
            auth_request_set $refusal $upstream_http_x_refusal;`;

/** The variables `$access` (which location of the server "auth" decides) and `$credentials`. */
function authorization(conf: NginxConf): string {
  if (!conf.anonymousPull) {
    return `    # Reading is for every user, all else for those who may push.
    map $request_method $access {
        default push;
        GET pull;
        HEAD pull;
    }

    map "" $credentials {
        default $http_authorization;
    }
`;
  }
  return `    # Reading is for everybody, all else for those who may push. Credentials are checked if given.
    map "$request_method $http_authorization" $access {
        default push;
        "~^(GET|HEAD) (Bearer anonymous)?$" anybody;
        "~^(GET|HEAD) " pull;
    }

    map $http_authorization $credentials {
        default $http_authorization;
        "~^Bearer (?<bearer_token>[A-Za-z0-9+/=]+)$" "Basic $bearer_token";
    }

    map $http_authorization $token {
        default anonymous;
        "~^Basic (?<basic_credentials>[A-Za-z0-9+/=]+)$" $basic_credentials;
    }
`;
}

function challenge(conf: NginxConf): string {
  return conf.anonymousPull
    ? 'Bearer realm="https://$http_host/token",service="registry"'
    : 'Basic realm="Registry"';
}

const tokenLocations = `
        # Clients look here for the challenge, and would never log in if there were none.
        location = /v2/ {
            if ($http_authorization = "") {
                return 401;
            }
            ${checkedAccess}
            proxy_pass http://registry;
        }

        location = /token {
            if ($request_method != GET) {
                return 405; # what makes clients that try OAuth's POST first fall back
            }
            ${checkedAccess}
            proxy_set_header Authorization $http_authorization;
            proxy_pass http://auth/token;
        }
`;

const tokenBackend = `
        location = /anybody {
            return 204;
        }

        location = /token {
            default_type application/json;
            add_header Cache-Control no-store;
            return 200 '{"token":"$token","expires_in":300}';
        }
`;

/**
 * Docker's client takes an error with its code's own message and no detail for one that may pass,
 * and goes on trying for a minute.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
 */
function errorBody(code: string, message: string): string {
  return JSON.stringify({ errors: [{ code, message, detail: {} }] });
}
