import {
  authSocket,
  dataFolder,
  filesFolder,
  headerSeconds,
  idleSeconds,
  nginxFolder,
  nginxPort,
} from "./layout";
import { scratchPaths, userVariable } from "./nginx-parts";
import { proofRepository } from "./proof-image";

export interface NginxConf {
  /** The Unix socket of the registry container that serves. */
  registrySocket: string;
  /** Whether reading needs no user. */
  anonymousPull: boolean;
  /** Those of the Docker host. */
  processors: number;
}

/**
 * How many connections there can be, clients' and those to the registry: beyond it, new ones are
 * closed. One in the middle of a request's header takes 35 KiB with TLS, and 16 KiB more if the header
 * is as long as it may be: all of them fit into {@link nginxMebibytes}.
 */
const connections = 8192;

/** nginx's limit of memory. An upload takes 128 KiB more, so that some thousands fit in as well. */
export const nginxMebibytes = 1024;

/**
 * nginx.conf: the whole of what clients can reach. It lies beside `tls.crt`, `tls.key`,
 * `users.htpasswd` and `nobody.htpasswd`, whose relative names nginx resolves against its own folder,
 * beside the folders `users` and `pushers`, which have an empty file for each user and each who may
 * write, beside the users' marks in `logins`, and beside the files of `proofImage`.
 *
 * A password is checked with bcrypt once, by the process of `renderAuthConf`, and then remembered in
 * memory. The key holds the real path behind `logins/<user>`, a mark of the password that is set and
 * the user's rights: a change of either is in force, in old workers too, as soon as the link is, and
 * concerns nobody else.
 *
 * With anonymous pull, the challenge is Bearer instead of Basic, as Docker's client asks anonymously
 * only for tokens; the token is the user's name and what Basic would have sent.
 */
export function renderNginxConf(conf: NginxConf): string {
  const workers = Math.min(conf.processors, 8);
  const perWorker = Math.ceil(connections / workers);
  return `# Written by Pulumi (private-registry): changes made here are lost.
worker_processes ${workers};
worker_rlimit_nofile ${perWorker * 2 + 1024};
pid ${nginxFolder}/nginx.pid;
error_log stderr warn;
# How long transfers in flight may outlive a reload.
worker_shutdown_timeout 1h;

events {
    worker_connections ${perWorker};
}

http {
    # Without the query, which for an upload holds the registry's signed state of it.
    map $request_uri $path {
        "~^(?<before_query>[^?]*)" $before_query;
    }
    log_format registry '$remote_addr $remote_user [$time_iso8601] '
                        '"$request_method $path $server_protocol" $status '
                        '$body_bytes_sent $request_time "$http_user_agent"';
    access_log /dev/stdout registry;
    server_tokens off;
    absolute_redirect off; # the published port is not known here
    sendfile on;
    tcp_nopush on;

    # Whoever has not said by then what he wants is no client.
    client_header_timeout ${headerSeconds}s;
    large_client_header_buffers 2 8k;
    client_max_body_size 0; # layers have no limit
    client_body_buffer_size 128k; # of every upload: larger is no faster, and adds up
    client_body_timeout 300s;
    send_timeout 300s;
    # A reload closes idle connections that a client may be about to use; not within this time.
    # Nor does a stop, which is as much longer, with nothing serving.
    keepalive_min_timeout ${idleSeconds}s;

    ${scratchPaths}

    upstream registry {
        server unix:${conf.registrySocket};
        keepalive 64;
    }

    upstream auth {
        server unix:${nginxFolder}/auth.sock;
    }

    # Checks passwords; see auth.conf.
    upstream passwords {
        server unix:${authSocket};
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

    # The user's name, if it is one that a file can have, else the name of no file.
    ${userVariable(conf.anonymousPull ? "$remote_user$bearer_user" : "$remote_user")}

    # With what every client begins: there is nothing to remember, and nobody to wait for.
    map "$access $credentials" $is_unasked {
        default 0;
        "pull " 1;
        "push " 1;
    }

    map $refusal $challenge {
        default '${challenge(conf)}';
        busy "";
        denied "";
    }

    # Memory only, mode 0700: the keys hold credentials. A login is remembered as long as it is used
    # within an hour. Refusals have a place of their own, so that a flood of them displaces no login.
    proxy_cache_path ${nginxFolder}/remembered levels=1 keys_zone=remembered:2m max_size=16m
                     inactive=1h use_temp_path=off;
    proxy_cache_path ${nginxFolder}/refused levels=1 keys_zone=refused:1m max_size=8m
                     inactive=1m use_temp_path=off;

    # nginx refuses a reload that changes a zone: whoever changes one here renames it.
    # All of them count what is not remembered: first logins, and wrong passwords. Not requests
    # without any, with which every client begins.
    map $http_authorization $login_from {
        default $http_x_real_ip;
        "" "";
    }
    map $login_from $login_as {
        default "$login_from $user";
        "" "";
    }
    map $login_from $login {
        default 1;
        "" "";
    }
    limit_req_zone $login_as zone=login_as:2m rate=2r/s;
    limit_req_zone $login_from zone=login_from:2m rate=5r/s;
    limit_req_zone $login zone=login:64k rate=15r/s;

    # A token names its user in the clear, and must not do so wrongly: what is remembered would be so
    # under the name. Those of which nginx has taken no name ("-") are looked up under none.
    map "$http_x_user $remote_user" $is_named_alike {
        default 0;
        "~^- " 1;
        "~^(?<same>[^ ]+) \\k<same>$" 1;
    }

    server {
        # A connection is taken when its first bytes are there, one in each turn of a worker: of a
        # thousand that begin at once, those who are logged in notice one, and not all.
        listen ${nginxPort} ssl deferred backlog=4096;
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
        # What is remembered of somebody depends on the password that is set and the rights, and is
        # found under no other; that of names that nobody has depends on all the files.
        location = /_auth {
            internal;
            set $mark logins/$user;
            if (!-d ${filesFolder}/current/$mark) {
                set $mark "";
            }
            root ${filesFolder}/current/$mark;
            proxy_pass http://auth/$access;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Authorization $credentials;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-User $user;
            proxy_set_header X-Mark $realpath_root;
            proxy_cache remembered;
            proxy_cache_key "$realpath_root $access $credentials";
            proxy_cache_valid 200 204 365d; # as long as it is used
            proxy_cache_bypass $is_unasked;
            ${oneCheck}
        }

        location @refused {
            default_type application/json;
            add_header WWW-Authenticate $challenge always;
            add_header Docker-Distribution-Api-Version registry/2.0 always;
            if ($refusal = busy) {
                return 429 '${errorBody("TOOMANYREQUESTS", "too many logins at the same time")}';
            }
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
            return 500 '${errorBody("UNKNOWN", "internal error")}';
        }
    }

    # Who may do what, asked through the subrequest /_auth; an access check inside a subrequest is
    # skipped by nginx, hence a server of its own. 200 is yes and 403 no, since nginx would hand on
    # the challenge of a 401.
    server {
        listen unix:${nginxFolder}/auth.sock;
        access_log off;
        root ${filesFolder}/current;
        limit_req_status 429;
        limit_req_log_level info; # the access log has them
        error_page 429 = @busy;

        # A machine with an old password asks again and again.
        location ~ ^/(pull|push)$ {
            if ($http_authorization = "") {
                return 403;
            }
            if ($is_named_alike = 0) {
                return 403;
            }
            proxy_pass http://auth/check$uri;
            proxy_cache refused;
            proxy_cache_key "$http_x_mark $uri $http_authorization";
            proxy_cache_valid 403 10s;
            ${oneCheck}
        }

        # A name that nobody has is checked as long as another, so that the time tells nothing of it.
        location ~ ^/check(?<question>/pull|/push)$ {
            if (!-f $document_root/users/$user) {
                rewrite ^ /nobody last;
            }
            ${loginLimits}
            proxy_pass http://passwords$question;
        }

        location @busy {
            add_header X-Refusal busy always;
            add_header X-Accel-Expires 0 always; # not to be remembered
            return 403;
        }

        location = /nobody {
            internal;
            ${loginLimits}
            proxy_pass http://passwords;
            proxy_set_header Authorization "Basic bm9ib2R5Og=="; # nobody, with an empty password
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
            auth_request_set $refusal $upstream_http_x_refusal;`;

/** Parallel requests of one user cost one check, which may have to wait for its turn. */
const oneCheck = `proxy_cache_lock on;
            proxy_cache_lock_age 30s;
            proxy_cache_lock_timeout 30s;`;

/**
 * How many passwords are checked: of one user at one address, of one address, and in all. More than
 * a handful wait for their turn; only what could not have it within some ten seconds is refused.
 */
const loginLimits = `limit_req zone=login_as burst=20 delay=5;
            limit_req zone=login_from burst=60 delay=20;
            limit_req zone=login burst=150 delay=30;`;

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
        "~^Bearer ([^ ~]+~)?(?<bearer_token>[A-Za-z0-9+/=]+)$" "Basic $bearer_token";
    }

    map $http_authorization $bearer_user {
        default "";
        "~^Bearer (?<bearer_name>[^ ~]+)~" $bearer_name;
    }

    map $http_authorization $token {
        default anonymous;
        "~^Basic (?<basic_credentials>[A-Za-z0-9+/=]+)$" $user~$basic_credentials;
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
