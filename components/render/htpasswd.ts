/** An htpasswd file in the order of `users`, from bcrypt hashes by user name. */
export function renderHtpasswd(hashes: Readonly<Record<string, string>>): string {
  return Object.entries(hashes)
    .map(([user, hash]) => `${user}:${hash}\n`)
    .join("");
}
