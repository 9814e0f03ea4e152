/** What the two configurations of nginx have in common: nginx.conf and auth.conf. */
import { nginxFolder } from "./layout";

/** nginx makes these folders when it starts, whether it needs them or not. */
export const scratchPaths = `client_body_temp_path ${nginxFolder}/client_body;
    proxy_temp_path ${nginxFolder}/proxy;
    fastcgi_temp_path ${nginxFolder}/fastcgi;
    uwsgi_temp_path ${nginxFolder}/uwsgi;
    scgi_temp_path ${nginxFolder}/scgi;`;

/**
 * The variable `$user`: a user's name, if it is one that a file can have, else the name of no file.
 *
 * @param name The variables that have it.
 */
export function userVariable(name: string): string {
  return `map ${name} $user {
        default "-";
        "~^(?<name>[A-Za-z0-9][A-Za-z0-9._@-]{0,63})$" $name;
    }`;
}
