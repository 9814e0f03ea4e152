/** An htpasswd file in the order of `users`, from bcrypt hashes by user name. */
export function renderHtpasswd(hashes: Readonly<Record<string, string>>): string {
  return Object.entries(hashes)
    .map(([user, hash]) => `${user}:${hash}\n`)
    .join("");
}

/** An htpasswd file with the user `nobody`, whose password nobody knows; of the same cost. */
export const nobodyHtpasswd =
  "nobody:$2b$10$nlKoAK9Ky273IgF7lehEYOKINXiBpKiEc.5sDiSwtQ77H0rC2474a\n";
