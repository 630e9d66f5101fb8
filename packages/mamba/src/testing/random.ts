/** Random numbers of the kit: a small generator (mulberry32), the same from the same seed. */

/** Draws numbers from a seed. */
export interface Random {
  /** A number from `low` to below `high`. */
  uniform(low: number, high: number): number;
  /** A whole number from `low` to `high`. */
  whole(low: number, high: number): number;
  /** Whether something that happens in a share of cases happens. */
  chance(share: number): boolean;
}

/** A generator that begins at a seed, a whole number. */
export function randomFrom(seed: number): Random {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    uniform: (low, high) => low + (high - low) * next(),
    whole: (low, high) => low + Math.floor((high - low + 1) * next()),
    chance: (share) => next() < share,
  };
}
