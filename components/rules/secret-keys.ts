/** Which settings are secret, for those who read the configuration without the rules. */

/** The paths of all secret settings; `*` stands for a name of the user's choice. */
export const secretKeys: readonly (readonly string[])[] = [
  ["users", "*", "password"],
  ["ownCertificate", "privateKeyPem"],
  ["clients", "*", "privateKey"],
  ["clients", "*", "privateKeyPassword"],
  ["clients", "*", "password"],
  ["clients", "*", "proxy", "privateKey"],
  ["clients", "*", "proxy", "privateKeyPassword"],
  ["clients", "*", "proxy", "password"],
];

/** Whether the setting at `path`, without the namespace, is secret. */
export function isSecretPath(path: readonly (string | number)[]): boolean {
  return secretKeys.some(
    (key) =>
      key.length === path.length &&
      key.every((step, index) => step === "*" || step === path[index]),
  );
}

/** Whether a secret may be kept in a file: a PEM text is read from one rather than typed. */
export function isPemKey(path: readonly (string | number)[]): boolean {
  return /^privateKey(Pem)?$/.test(String(path.at(-1)));
}
