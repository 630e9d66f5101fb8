/**
 * What the kernels of state space duality are made of: products of matrices that lie in scratch
 * memory, and the decays of a chunk. All sizes are multiples of four, so that nothing is left over:
 * a product is made of tiles of 4 rows and 8 columns, as in a matrix product (tiles.ts).
 */
import * as k from '@mambagrad/kernel';
import { type Grid, grid, neighbours, plus, TINY } from './scanPieces.ts';

/** Of [batch, length, heads, headDim], groups of heads, states of [state, headDim], and chunks. */
export type Sizes = Readonly<
  Record<
    'batch' | 'length' | 'heads' | 'headDim' | 'groups' | 'state' | 'steps' | 'chunks', number
  >
>;

/** A matrix in scratch memory, row by row. */
export const matrix = (name: string, rows: number, columns: number): Grid =>
  grid(name, { state: rows, channels: columns });

type At = (row: k.Operand, column: k.Operand) => k.Value;

interface Product {
  /** Of all rows, or the range of k for the four rows from i on. */
  readonly depth: number | ((i: k.Value) => k.Range);
  readonly left: At;
  readonly right: At;
  /** What the sums start from. Default 0. */
  readonly start?: (row: k.Value, column: k.Value) => k.Operand;
  readonly finish: (row: k.Value, column: k.Value, sum: k.Variable) => k.Statements;
  /** Whether tiles above the diagonal are left out. */
  readonly isLower?: boolean;
}

/** start(i, j) + Σₖ left(i, k) · right(k, j) for all i and j, given to `finish` in four lanes. */
export function product(rows: number, columns: number, what: Product): k.Statements {
  const { depth, left, right, start = () => 0, finish, isLower = false } = what;
  const strip = (j: k.Operand, vectors: readonly number[]): k.Statements =>
    k.loop('i', { from: isLower ? j : 0, to: rows, step: 4 }, (i) => {
      const columnsOf = vectors.map((n) => neighbours(plus(j, 4 * n)));
      const values = vectors.map(() => k.variable('b', 'f32x4'));
      const cells = [0, 1, 2, 3].map((row) =>
        columnsOf.map((column) => ({
          row: k.add(i, row), column, sum: k.variable('y', 'f32x4'),
        })),
      );
      const number = k.variable('a', 'f32x4');
      return [
        cells.flat().map(({ row, column, sum }) => k.set(sum, start(row, column))),
        k.loop('k', typeof depth === 'number' ? depth : depth(i), (at) => [
          values.map((value, n) => k.set(value, right(at, columnsOf[n]))),
          cells.map((line) => [
            k.set(number, left(line[0].row, at)),
            line.map(({ sum }, n) => k.set(sum, k.mulAdd(number, values[n], sum))),
          ]),
        ]),
        cells.flat().map(({ row, column, sum }) => finish(row, column, sum)),
      ];
    });
  const wide = columns - (columns % 8);
  return [
    k.loop('j', { to: wide, step: 8 }, (j) => strip(j, [0, 1])),
    wide < columns ? strip(wide, [0]) : [],
  ];
}

/** Calls the body for columns from 0 to below a number, and for what is left of four. */
export const forColumns = (to: k.Value, body: (s: k.Value) => k.Statements): k.Statements =>
  k.loop('s', { to, step: 4 }, (s) => body(neighbours(s)));

/** x, or 0 where it is so small that products with it might be denormal. */
const flush = (x: k.Value): k.Value => k.select(k.greater(x, TINY), x, 0);

interface Decays {
  readonly between: Grid;
  /** From the start to each step, its own included; and from behind each step to the end. */
  readonly since: k.Buffer;
  readonly until: k.Buffer;
  readonly whole: k.Variable;
  readonly compute: (logDecay: (t: k.Value) => k.Value) => k.Statements;
}

/**
 * The decays of a chunk, by one exponential a step, α_t = exp(a_t), and products of them: in row t
 * of `between`, column s, that of what came after s, α_{s+1} ⋯ α_t, which is row t − 1 times α_t,
 * and 0 above the diagonal. Products of numbers up to 1 do not overflow, and nothing is subtracted,
 * so each has an error of at most t − s roundings however different the decays are. Differences of
 * running sums of a would have lost digits after a step with a large |a|, and all at a = −∞.
 *
 * The decay of the whole chunk goes on to all later ones, and its rounding with it. So it is the
 * exponential of a sum: α by itself has the same error in every step where a is the same.
 */
export function decaysOf(count: number): Decays {
  const names = ['a', 'since', 'until'];
  const [factors, since, until] = names.map((name) => k.scratch(name, 'f32', count));
  const between = matrix('M', count, count);
  const whole = k.variable('whole', 'f32');
  const compute = (logDecay: (t: k.Value) => k.Value): k.Statements => [
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
        forColumns(t, (s) => between.set(t, s, flush(k.mul(between.at(before, s), factor)))),
        between.set(t, t, 1),
      ];
    }),
    k.lanes('s', count, (s) => k.store(until, s, between.at(count - 1, s))),
  ];
  return { between, since, until, whole, compute };
}

/** A part of a sequence, `left` chunks before the end, itself counted. */
export interface Chunk {
  readonly first: k.Operand;
  readonly count: number;
  readonly left: k.Operand;
}

/** Calls the body for chunk after chunk, from the first or from the last on. */
export function forChunks(
  { length, steps, chunks }: Sizes, isReversed: boolean, body: (chunk: Chunk) => k.Statements,
): k.Statements {
  const full = Math.floor(length / steps);
  const whole = k.loop('c', full, (i) => {
    const chunk = isReversed ? k.sub(full - 1, i) : i;
    return body({ first: k.mul(chunk, steps), count: steps, left: k.sub(chunks, chunk) });
  });
  const rest = full < chunks
    ? body({ first: full * steps, count: length - full * steps, left: 1 })
    : [];
  return isReversed ? [rest, whole] : [whole, rest];
}
