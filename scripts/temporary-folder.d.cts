/**
 * Forgets where temporary files are to be, if nothing can be written there: /tmp takes them then.
 *
 * @param env Is changed: TMPDIR, TMP and TEMP.
 * @param say Told of each that is left out.
 */
export function leaveOutUnusableFolders(env: NodeJS.ProcessEnv, say: (line: string) => void): void;
