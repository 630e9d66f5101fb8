/**
 * What the kernels of state space duality are made of: products of matrices that lie in scratch
 * memory, and the decays of a chunk. All sizes are multiples of four, so that nothing is left over:
 * a product is made of tiles of 4 rows and 8 columns, as in a matrix product (tiles.ts).
 */
import * as k from '@mambagrad/kernel';
import { type Grid, grid, neighbours, plus, times, TINY } from './scanPieces.ts';

/** Groups of heads [headDim], their states [state, headDim], and chunks of so many steps. */
export type Sizes = Readonly<
  Record<'batch' | 'length' | 'heads' | 'headDim' | 'groups' | 'state' | 'steps' | 'chunks', number>
>;

/** An element of a matrix. */
export type At = (row: k.Operand, column: k.Operand) => k.Value;

export const transposed = (at: At): At => (row, column) => at(column, row);

/** A matrix in scratch memory, row by row. */
export const matrix = (name: string, rows: number, columns: number): Grid =>
  grid(name, { state: rows, channels: columns });

/**
 * start(i, j) + Σₖ left(i, k) · right(k, j) for all i and j, given to `finish`, four j in lanes.
 * The range of k may depend on the first row of a tile; tiles above the diagonal may be left out.
 */
export function product(
  [rows, columns, depth]: readonly [number, number, number | ((i: k.Value) => k.Range)],
  left: At, right: At, finish: (row: k.Value, column: k.Value, sum: k.Variable) => k.Statements,
  { start = () => 0, isLower = false }: {
    readonly start?: (row: k.Value, column: k.Value) => k.Operand; readonly isLower?: boolean;
  } = {},
): k.Statements {
  const strip = (j: k.Operand, vectors: readonly number[]): k.Statements =>
    k.loop('i', { from: isLower ? j : 0, to: rows, step: 4 }, (i) => {
      const [number, ...values] = [0, ...vectors].map(() => k.variable('x', 'f32x4'));
      const lines = [0, 1, 2, 3].map((row) => vectors.map((n) => (
        [k.add(i, row), neighbours(plus(j, 4 * n)), k.variable('y', 'f32x4')] as const
      )));
      return [
        lines.flat().map(([row, column, sum]) => k.set(sum, start(row, column))),
        k.loop('k', typeof depth === 'number' ? depth : depth(i), (at) => [
          values.map((value, n) => k.set(value, right(at, lines[0][n][1]))),
          lines.map((line) => [
            k.set(number, left(line[0][0], at)),
            line.map(([, , sum], n) => k.set(sum, k.mulAdd(number, values[n], sum))),
          ]),
        ]),
        lines.flat().map((cell) => finish(...cell)),
      ];
    });
  const wide = columns - (columns % 8);
  return [
    k.loop('j', { to: wide, step: 8 }, (j) => strip(j, [0, 1])),
    wide < columns ? strip(wide, [0]) : [],
  ];
}

/** Calls the body for columns up to that of a number, four at a time. */
export const forColumns = (last: k.Value, body: (s: k.Value) => k.Statements): k.Statements =>
  k.loop('s', { to: k.add(last, 1), step: 4 }, (s) => body(neighbours(s)));

/** Calls the body for each group of heads of each sequence, in rounds that threads can share. */
export function forGroups(
  { batch, length, heads, headDim, groups, state }: Sizes,
  body: (b: k.Value, group: k.Value) => k.Statements,
): k.Statements {
  const pieces = k.cut([batch, groups], (length * heads * headDim * state) / groups);
  return k.parallel('round', pieces.rounds, (round) => {
    const [before, sequences, some] = pieces.of(round);
    return [before, k.loop('b', sequences, (b) => k.loop('g', some, (group) => body(b, group)))];
  });
}

/** x, or 0 where it is so small that products with it might be denormal. */
const flush = (x: k.Value): k.Value => k.select(k.less(x, TINY), 0, x);

/**
 * The decays of a chunk, by one exponential a step, α_t = exp(a_t), and products of them. In row t
 * of `between`, column s, is that of what comes after s, α_{s+1} ⋯ α_t, which is row t − 1 times
 * α_t, and 0 above the diagonal; the last row is what is left at the end. `since` is the same from
 * the start of the chunk, α_t included.
 *
 * Products of numbers up to 1 do not overflow, and nothing is subtracted, so each is as exact as
 * its at most t − s + 1 roundings, however different the decays are. Differences of running sums of
 * a lose digits behind a step with a large |a|, and all at a = −∞.
 *
 * The decay of the `whole` chunk goes on to all later ones, and its rounding with it. So it is the
 * exponential of a sum: α by itself has the same error in every step where a is the same.
 */
export function decaysOf(
  count: number, logDecay: (t: k.Value) => k.Value,
): readonly [compute: k.Statements, between: Grid, since: k.Buffer, whole: k.Variable] {
  const [factors, since] = ['a', 'since'].map((name) => k.scratch(name, 'f32', count));
  const [between, whole] = [matrix('E', count, count), k.variable('whole', 'f32')];
  const compute = [
    k.lanes('t', count, (t) => k.store(factors, t, flush(k.exp(logDecay(t))))),
    k.reduce(whole, count, { combine: k.add, identity: 0 }, logDecay),
    k.set(whole, flush(k.exp(whole))),
    between.setAll(() => 0),
    between.set(0, 0, 1),
    k.store(since, 0, k.load(factors, 0)),
    k.loop('t', { from: 1, to: count }, (t) => {
      const [before, factor] = [k.sub(t, 1), k.load(factors, t)];
      return [
        k.store(since, t, flush(k.mul(k.load(since, before), factor))),
        forColumns(before, (s) => between.set(t, s, flush(k.mul(between.at(before, s), factor)))),
        between.set(t, t, 1),
      ];
    }),
  ];
  return [compute, between, since, whole];
}

/** Where a number of a head is in [batch, length, heads, headDim], given the step in the chunk. */
export const inSteps = (
  { length, heads, headDim }: Sizes, b: k.Value, first: k.Operand, head: k.Value,
) => (t: k.Operand, p: k.Operand): k.Operand =>
  plus(times(plus(times(plus(plus(times(b, length), first), t), heads), head), headDim), p);

/** Where a number of a head's state is in [left, batch, heads, state, headDim]. */
export const inStates = (
  { batch, heads, state, headDim }: Sizes, left: k.Operand, b: k.Value, head: k.Value, offset = 0,
) => (n: k.Operand, p: k.Operand): k.Operand => {
  const number = plus(times(plus(times(left, batch), b), heads), head);
  return plus(plus(plus(times(number, state * headDim), times(n, headDim)), p), offset);
};
