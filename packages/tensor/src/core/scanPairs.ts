/**
 * The orders in which a scan combines its steps. Composition is associative, so any order that
 * keeps earlier before later gives the same prefixes: one by one, up and down a tree, by doubling,
 * or chunk by chunk. `ops/linearScan.ts` runs them, and its header says what they cost.
 */
import { checkArgument, type Kind, oneOf, whole } from './options.ts';

/** The algorithms for a linear scan; the header of `linearScan.ts` says what they cost. */
export type ScanAlgorithm = 'sequential' | 'blelloch' | 'hillisSteele' | 'chunked';

/** One of the algorithms. */
export const scanAlgorithms: Kind<ScanAlgorithm> =
  oneOf('sequential', 'blelloch', 'hillisSteele', 'chunked');

/**
 * The order in which steps are combined: `join(s, t)`, for s < t, composes step t, which is by then
 * the composite of the steps after s up to t, with the composite that step s holds.
 */
export type Order =
  (length: number, join: (s: number, t: number) => void, chunkSize: number) => void;

/** One step after the other. */
const sequential: Order = (length, join) => {
  for (let t = 1; t < length; t++) join(t - 1, t);
};

/**
 * Up and down a tree. Up: we combine neighbours, then pairs of pairs, so that every 2ᵈ-th step
 * holds the composite of the last 2ᵈ. Down: each finished prefix is combined into the half-size
 * block to its right.
 */
const blelloch: Order = (length, join) => {
  let half = 1;
  for (; 2 * half <= length; half *= 2) {
    for (let t = 2 * half - 1; t < length; t += 2 * half) join(t - half, t);
  }
  for (; half >= 1; half /= 2) {
    for (let t = 3 * half - 1; t < length; t += 2 * half) join(t - half, t);
  }
};

/**
 * Doubling: after the round with distance d, each step holds the composite of the 2d steps up to
 * it. The round goes from the end, so that a step reads only values from before the round.
 */
const hillisSteele: Order = (length, join) => {
  for (let distance = 1; distance < length; distance *= 2) {
    for (let t = length - 1; t >= distance; t--) join(t - distance, t);
  }
};

/**
 * Each chunk by itself, as if it started from 0; then all of its steps are combined with the last
 * step before it, a finished prefix by then.
 */
const chunked: Order = (length, join, chunkSize) => {
  for (let first = 0; first < length; first += chunkSize) {
    const end = Math.min(first + chunkSize, length);
    for (let t = first + 1; t < end; t++) join(t - 1, t);
    for (let t = first; first > 0 && t < end; t++) join(first - 1, t);
  }
};

/** The orders, by the name of the algorithm. */
export const orders: Readonly<Record<ScanAlgorithm, Order>> = {
  sequential, blelloch, hillisSteele, chunked,
};

/** The longest scan whose pairs are listed: Hillis–Steele makes a million of them there. */
const MOST_STEPS = 2 ** 16;

/**
 * The pairs of steps that an algorithm of `linearScan` combines, in order: [s, t] composes what
 * step t holds by then, the composite of the steps after s up to t, with what step s holds. After
 * the last, each step holds the composite of all steps up to it. Pairs that touch different steps
 * can be combined at the same time. `length` is at most 2¹⁶, and `chunkSize` that of `chunked`, by
 * default 64.
 *
 *     scanPairs('hillisSteele', 3)    // [[1, 2], [0, 1], [0, 2]]
 */
export function scanPairs(
  algorithm: ScanAlgorithm, length: number, chunkSize = 64,
): [earlier: number, later: number][] {
  checkArgument('scanPairs', 'algorithm', algorithm, scanAlgorithms);
  checkArgument('scanPairs', 'length', length, whole(0, MOST_STEPS));
  checkArgument('scanPairs', 'chunkSize', chunkSize, whole(1));
  const pairs: [number, number][] = [];
  orders[algorithm](length, (s, t) => pairs.push([s, t]), chunkSize);
  return pairs;
}
