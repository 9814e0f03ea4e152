import { filesFolder, nginxFolder, socketFolder } from "./layout";
import { scratchPaths, userVariable } from "./nginx-parts";

/** Stands for the container's own name in {@link authConf}. */
const hostname = "@HOSTNAME@";

/** The socket of an auth container, by what stands for its name. */
export function authSocketOf(name: string): string {
  return `${socketFolder}/auth-${name}.sock`;
}

/**
 * auth.conf: a small nginx that does nothing but check passwords. bcrypt takes a twentieth of a second,
 * in which a worker does nothing else: here that is one whose share of the processor is small, so that
 * whoever tries passwords by the hundred does not slow down those who are logged in.
 *
 * Answers 200 for yes and 403 for no, with `X-Refusal: denied` if the password is right and the right
 * is missing. It reads the users' files at each question, and so always those in force.
 */
const authConf = `# Written by Pulumi (private-registry): changes made here are lost.
worker_processes 1;
# Where the engine cannot give containers a share of the processor.
worker_priority 10;
pid ${nginxFolder}/nginx.pid;
error_log stderr warn;

events {
    worker_connections 512;
}

http {
    access_log off;
    ${scratchPaths}

    ${userVariable("$remote_user")}

    server {
        listen unix:${authSocketOf(hostname)};
        root ${filesFolder}/current;
        auth_basic Registry;
        auth_basic_user_file ${filesFolder}/current/users.htpasswd;
        error_page 401 = @no;

        location = /pull {
            try_files /users/$user =403; # after the check, unlike "return"
        }

        location = /push {
            try_files /pushers/$user @pull_only;
        }

        location @pull_only {
            auth_basic off;
            add_header X-Refusal denied always;
            return 403;
        }

        location @no {
            auth_basic off;
            return 403;
        }

        location = /nobody {
            auth_basic_user_file ${filesFolder}/current/nobody.htpasswd;
            try_files /nonexistent =403;
        }

        location = /healthy {
            auth_basic off;
            return 204;
        }
    }
}
`;

/** What the auth container runs: {@link authConf} with the container's own socket. */
export const authCommand = [
  "sh",
  "-c",
  // One that was killed has left its socket, and nginx would refuse to start.
  `rm -f ${authSocketOf("$HOSTNAME")}
printf %s "$1" | sed "s/${hostname}/$HOSTNAME/" >${nginxFolder}/auth.conf
exec nginx -c ${nginxFolder}/auth.conf -g "daemon off;"`,
  "auth",
  authConf,
];

/** Whether the auth container serves. */
export const authHealthCommand = `curl --fail --silent --output /dev/null --unix-socket ${authSocketOf("$HOSTNAME")} http://auth/healthy`;
