/**
 * How often costly properties are tried. Each run of the tests has its own seed, so `npm test`
 * tries them on a quarter of the cases and sees all of them over some runs; `npm run soak` tries as
 * many as the property asks for.
 */
import fc from 'fast-check';
import { inject } from 'vitest';

/** Whether this is `npm run soak`. */
export const isSoak = process.env['SOAK'] === '1';

/** The number of runs of a costly property of `all` runs: at least two, if there are as many. */
export function runs(all: number): number {
  return isSoak ? all : Math.max(Math.min(all, 2), Math.ceil(all / 4));
}

/**
 * Some of the cases that repeat each other, as the seed chooses: all, or as many as `runs` says.
 * Where tests are asked for by name (`-t`) all are there, so that any can be asked for.
 */
export function someOf<T>(cases: readonly T[]): T[] {
  return drawn(cases, isNamed() ? cases.length : runs(cases.length));
}

/** One of the cases that repeat each other, as the seed chooses; all of them where `someOf` has. */
export function oneOf<T>(cases: readonly T[]): T[] {
  return drawn(cases, isSoak || isNamed() ? cases.length : 1);
}

const isNamed = (): boolean => inject('isNamed');

/** So many of the cases, in their order. */
function drawn<T>(cases: readonly T[], count: number): T[] {
  const order = fc.sample(
    fc.shuffledSubarray([...cases.keys()], { minLength: count, maxLength: count }),
    { seed: inject('seed'), numRuns: 1 },
  )[0];
  return order.toSorted((a, b) => a - b).map((i) => cases[i]);
}
