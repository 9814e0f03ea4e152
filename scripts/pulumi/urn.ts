/** The type of the component that is a client machine. */
export const CLIENT = "private-registry:index:ClientTrust";

/** The last part of a URN. */
export function nameOf(urn: string): string {
  return urn.split("::").at(-1) ?? "";
}

/** The type of the resource itself, which a URN has after those of the components it is in. */
export function typeOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? "";
}
