/**
 * How often costly properties are tried. Each run of the tests has its own seed, so `npm test` tries
 * them on a quarter of the cases and sees all of them over some runs; `npm run soak` tries as many
 * as the property asks for.
 */
import { inject } from 'vitest';

/** Whether this is `npm run soak`. */
export const isSoak = process.env['SOAK'] === '1';

/** The number of runs of a costly property of `all` runs: at least two, if there are as many. */
export function runs(all: number): number {
  return isSoak ? all : Math.max(Math.min(all, 2), Math.ceil(all / 4));
}

/**
 * Those of costly cases that this run of the tests tries: `count` of them, by the seed of the run,
 * or all in `npm run soak`.
 */
export function chosen<T>(all: readonly T[], count: number = runs(all.length)): T[] {
  const start = inject('seed') % all.length;
  return isSoak ? [...all] : [...all.slice(start), ...all.slice(0, start)].slice(0, count);
}
