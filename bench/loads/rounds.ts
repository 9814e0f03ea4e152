/** Systems take turns, so that whatever else the machine does hits all of them alike. */

/** One number a round of each system that took part. */
export type Samples<Name extends string> = Record<Name, number[]>;

/** What each round took beyond what `base` took in the same round. */
export function beyond(base: readonly number[], samples: readonly number[]): number[] {
  return samples.map((sample, round) => sample - (base[round] ?? NaN));
}

/** Asks each in turn for a number, `rounds` times: A B C A B C… Throws once `signal` is aborted. */
export async function takeTurns<Name extends string>(
  rounds: number,
  signal: AbortSignal,
  turns: Record<Name, () => Promise<number>>,
): Promise<Samples<Name>> {
  const names = Object.keys(turns) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Samples<Name>;
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) {
      signal.throwIfAborted();
      samples[name].push(await turns[name]());
    }
  }
  return samples;
}
