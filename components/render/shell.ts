/** The only place that quotes words for a POSIX shell. */

/** Words that mean the same with and without quotes. */
const plainWord = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** `word` as one shell word, whatever it holds. */
export function quote(word: string): string {
  return plainWord.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A command line that runs exactly `words`. */
export function join(words: readonly string[]): string {
  return words.map(quote).join(" ");
}
