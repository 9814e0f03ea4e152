/** "v3.256.0-alpha.1+meta" → [3, 256, 0]; undefined if it is no version. */
export function parseVersion(text: string): [number, number, number] | undefined {
  const match = /^v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?$/.exec(text.trim());
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3])];
}

/** Whether a version is the same as, or newer than, another; false if it is no version. */
export function isAtLeast(version: string, least: string): boolean {
  const [got, wanted] = [parseVersion(version), parseVersion(least)];
  if (got === undefined || wanted === undefined) return false;
  for (const place of [0, 1, 2] as const) {
    if (got[place] !== wanted[place]) return got[place] > wanted[place];
  }
  return true;
}
