import type { Complaint } from "./schema";

/**
 * A regular expression as the registry reads it (RE2), which does not start with one that it cannot
 * read. JavaScript knows more: what RE2 lacks is refused here.
 *
 * @see https://pkg.go.dev/regexp/syntax
 */
export function re2Pattern(value: string): Complaint | undefined {
  // Of RE2 alone: flags, and names with a P.
  const portable = value
    .replace(/^\(\?[imsU]+\)/, "")
    .replace(/\(\?[imsU-]+:/g, "(?:")
    .replaceAll("(?P<", "(?<");
  try {
    new RegExp(portable);
  } catch {
    return {};
  }
  const lookaround = /\(\?<?[=!]/;
  const backreference = /\\[1-9]|\\k</;
  const unknownEscape = /\\([^\W\dabfnrtvzABCDEPQSWdpswx]|[^\0-\x7f])/;
  const emptyClass = /\[\^?\](?![^\]]*\])/;
  const plain = portable.replaceAll("\\\\", "");
  const odds = [lookaround, backreference, unknownEscape, emptyClass];
  const counts = plain.match(/(?<=\{(\d+,)?)\d+(?=(,\d*)?\})/g) ?? [];
  const isOdd = odds.some((odd) => odd.test(plain)) || counts.some((count) => Number(count) > 1000);
  return isOdd ? {} : undefined;
}
