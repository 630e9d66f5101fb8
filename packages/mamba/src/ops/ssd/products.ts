/**
 * What the kernels of state space duality are made of: products of matrices that lie in scratch
 * memory, and the decays of a chunk. All sizes are multiples of four, so that nothing is left over:
 * a product is made of register tiles of 4 rows and 8 columns, as any matrix product is.
 */
import * as k from '@mambagrad/kernel';
import type { Elements } from '@mambagrad/tensor/extend';
import { type Grid, grid, TINY } from '../vectors.ts';

/** Groups of heads [headDim], their states [state, headDim], and chunks of so many steps. */
export type Sizes = Readonly<
  Record<'batch' | 'length' | 'heads' | 'headDim' | 'groups' | 'state' | 'steps' | 'chunks', number>
>;

export const transposed = (at: k.Matrix): k.Matrix => (row, column) => at(column, row);

/** A matrix in scratch memory, row by row. */
export const matrix = (name: string, rows: number, columns: number): Grid =>
  grid(name, { state: rows, channels: columns });

interface ProductOptions {
  readonly start?: (row: k.Expr, column: k.Expr) => k.Operand;
  readonly isLower?: boolean;
  readonly isTerm?: ((row: k.Expr, at: k.Expr) => k.Expr) | undefined;
}

/**
 * start(i, j) + Σₖ left(i, k) · right(k, j) for all i and j, given to `epilogue`, four j in lanes.
 * The range of k may depend on the first row of a tile; tiles above the diagonal may be left out.
 * Where `isTerm(i, k)` does not hold, right(k, j) counts as 0, whatever it is.
 */
export function product(
  [rows, columns, depth]: readonly [number, number, number | ((i: k.Expr) => k.Range)],
  left: k.Matrix, right: k.Matrix,
  epilogue: (row: k.Expr, column: k.Expr, sum: k.Variable) => k.Statements,
  { start = () => 0, isLower = false, isTerm }: ProductOptions = {},
): k.Statements {
  const choose = isTerm && ((row: k.Expr, at: k.Expr, value: k.Expr) =>
    k.select(isTerm(row, at), value, 0));
  const strip = (j: k.Operand, width: number): k.Statements =>
    k.loop('i', { from: isLower ? j : 0, to: rows, step: 4 }, (i) => {
      const tileRows = [0, 1, 2, 3].map((n) => k.add(i, n));
      const { sums, accumulate } = k.registerTile(tileRows, k.tileColumns(j, width));
      return [
        sums.map(({ row, column, total }) => k.set(total, start(row, column))),
        accumulate(typeof depth === 'number' ? depth : depth(i), left, right, choose),
        sums.map(({ row, column, total }) => epilogue(row, column, total)),
      ];
    });
  const wide = columns - (columns % k.NR);
  return [
    k.loop('j', { to: wide, step: k.NR }, (j) => strip(j, k.NR)),
    wide < columns ? strip(wide, 4) : [],
  ];
}

/**
 * A product over pairs of steps, of which some are no terms: for these, `left` is 0. That is enough
 * as long as the right factor, a matrix in scratch memory, is finite. Where it is not, 0 times it
 * would be NaN, and a form runs that looks at each term.
 */
export function pairProduct(
  sizes: Parameters<typeof product>[0], left: k.Matrix, factor: Grid,
  epilogue: Parameters<typeof product>[3],
  options: ProductOptions & Required<Pick<ProductOptions, 'isTerm'>>,
): k.Statements {
  // Four sums side by side, as each by itself would wait for its last addition. All sizes are
  // multiples of four, and so there are as many as 16 numbers, or a multiple of it.
  const zeros = [0, 1, 2, 3].map((n) => k.variable(`zero${n}`, 'f32x4'));
  const plain = { ...options, isTerm: undefined };
  return [
    zeros.map((zero) => k.set(zero, 0)),
    k.loop('i', { to: factor.buffer.length, step: 16 }, (i) => zeros.map((zero, n) =>
      k.set(zero, k.mulAdd(k.load(factor.buffer, k.ramp(k.plus(i, 4 * n))), 0, zero)),
    )),
    k.when(
      k.any(k.notEqual(zeros.reduce<k.Expr>((sum, zero) => k.add(sum, zero), zeros[0]), 0)),
      product(sizes, left, factor.at, epilogue, options),
      product(sizes, left, factor.at, epilogue, plain),
    ),
  ];
}

/** Calls the body for columns up to that of a number, four at a time. */
const forColumns = (last: k.Expr, body: (s: k.Expr) => k.Statements): k.Statements =>
  k.loop('s', { to: k.add(last, 1), step: 4 }, (s) => body(k.ramp(s)));

/** x for pairs of steps, or 0 for those that are none. */
export type Choose = (x: k.Expr) => k.Expr;

/** Calls the body for each group of heads of each sequence, in chunks that threads can share. */
export function forGroups(
  { batch, length, heads, headDim, groups, state }: Sizes,
  body: (b: k.Expr, group: k.Expr) => k.Statements,
): k.Statements {
  const pieces = k.partition([batch, groups], (length * heads * headDim * state) / groups);
  return k.parallel('chunk', pieces.chunks, (chunk) => {
    const [before, sequences, some] = pieces.rangesOf(chunk);
    return [before, k.loop('b', sequences, (b) => k.loop('g', some, (group) => body(b, group)))];
  });
}

/**
 * Which steps of a chunk hear from which: later ones from earlier ones, and, if there are flags of
 * steps that start anew, only within a document. A number that passes on what is not heard is 0,
 * chosen by these functions rather than multiplied, as what is left out may be NaN.
 */
export interface Hearing {
  readonly compute: k.Statements;
  /** Whether step t hears from step s. */
  isPair(t: k.Expr, s: k.Expr): k.Expr;
  /** Calls the body for steps s up to t, four at a time, with what chooses those that t hears. */
  forPairs(t: k.Expr, body: (s: k.Expr, ofPair: Choose) => k.Statements): k.Statements;
  /** x, or 0 if s, which is not after t, is of another document. */
  ofDocument(t: k.Expr, s: k.Expr, x: k.Expr): k.Expr;
  /** x, or 0 unless step t hears from the state before the chunk. */
  fromStart(t: k.Operand, x: k.Expr): k.Expr;
  /** x, or 0 unless the state at the end of the chunk hears from step s. */
  untilEnd(s: k.Operand, x: k.Expr): k.Expr;
  /** x, or 0 unless the state at the end hears from that before. */
  throughout(x: k.Expr): k.Expr;
}

/** That of a chunk of so many steps. */
export function hearingOf(count: number, reset?: (t: k.Expr) => k.Expr): Hearing {
  // How many documents have begun up to each step, the one that goes on not counted.
  const begun = reset ? k.scratch('begun', 'f32', count) : undefined;
  const number = k.variable('document', 'f32');
  const choose = (x: k.Expr, a: k.Operand, b?: k.Operand): k.Expr => {
    if (!begun) return x;
    const other = b === undefined ? 0 : k.load(begun, b);
    return k.select(k.equal(k.load(begun, a), other), x, 0);
  };
  const isPair = (t: k.Expr, s: k.Expr): k.Expr => {
    const isEarlier = k.lessEqual(s, t);
    return begun ? k.and(isEarlier, k.equal(k.load(begun, s), k.load(begun, t))) : isEarlier;
  };
  return {
    compute: begun && reset
      ? [
          k.set(number, 0),
          k.loop('t', count, (t) => [
            k.set(number, k.select(k.notEqual(reset(t), 0), k.add(number, 1), number)),
            k.store(begun, t, number),
          ]),
        ]
      : [],
    isPair,
    forPairs: (t, body) => {
      const chosen = (s: k.Expr) => body(s, (x) => k.select(isPair(t, s), x, 0));
      if (begun) return forColumns(t, chosen);
      // Only the last four may be after t.
      const last = k.and(t, -4);
      return [
        k.loop('s', { to: last, step: 4 }, (s) => body(k.ramp(s), (x) => x)),
        chosen(k.ramp(last)),
      ];
    },
    ofDocument: (t, s, x) => choose(x, t, s),
    fromStart: (t, x) => choose(x, t),
    untilEnd: (s, x) => choose(x, s, count - 1),
    throughout: (x) => choose(x, count - 1),
  };
}

/** A chunk of a group of heads of a sequence. */
export interface Chunk {
  readonly b: k.Expr;
  readonly group: k.Expr;
  /** Its number in the sequence, and its first step. */
  readonly c: k.Expr;
  readonly first: k.Expr;
  readonly hearing: Hearing;
}

/** The chunk of this number; with flags of steps that start anew, or without. */
export function chunkOf(
  { steps }: Sizes, reset: Elements | undefined, place: Pick<Chunk, 'b' | 'group' | 'c'>,
): Chunk {
  const first = k.mul(place.c, steps);
  const flagAt = reset && ((t: k.Expr) => reset.at([place.b, k.add(first, t)]));
  return { ...place, first, hearing: hearingOf(steps, flagAt) };
}

/** x, or 0 where it is so small that products with it might be denormal. */
const flush = (x: k.Expr): k.Expr => k.select(k.less(x, TINY), 0, x);

/**
 * The decays α_t = exp(a_t) of the steps of a chunk, for one head, and products of them.
 *
 * Products of numbers up to 1 do not overflow, and nothing is subtracted, so each is as exact as
 * its at most t − s + 1 roundings, however different the decays are. Differences of running sums of
 * a lose digits behind a step with a large |a|.
 *
 * The decay of the `whole` chunk goes on to all later ones, and its rounding with it. So it is the
 * exponential of a sum: α by itself has the same error in every step where a is the same.
 */
export interface Decays {
  /** Computes them all, by one exponential a step. */
  readonly compute: k.Statements;
  /**
   * In row t, column s: the decay of what comes after s, α_{s+1} ⋯ α_t, which is row t − 1 times
   * α_t, and 0 above the diagonal.
   */
  readonly between: Grid;
  /** The same from the start of the chunk up to step t, α_t included. */
  since(t: k.Operand): k.Expr;
  /** How much of the input of step s is left at the end of the chunk: the last row. */
  leftAtEnd(s: k.Operand): k.Expr;
  /** The decay of the whole chunk. */
  readonly whole: k.Variable;
}

/** The decays of a head in a chunk. */
export function decaysOf(
  { steps }: Sizes, logDecay: Elements, { b, first, hearing }: Chunk, head: k.Expr,
): Decays {
  const { ofDocument, fromStart, throughout } = hearing;
  const [factors, since] = ['a', 'since'].map((name) => k.scratch(name, 'f32', steps));
  const [between, whole] = [matrix('E', steps, steps), k.variable('whole', 'f32')];
  const logAt = (t: k.Expr) => logDecay.at([b, k.add(first, t), head]);
  const compute = [
    k.vectorized('t', steps, (t) => k.store(factors, t, flush(k.exp(logAt(t))))),
    k.reduce(whole, steps, { combine: k.add, identity: 0 }, logAt),
    k.set(whole, throughout(flush(k.exp(whole)))),
    between.setAll(() => 0),
    between.set(0, 0, 1),
    k.store(since, 0, fromStart(0, k.load(factors, 0))),
    k.loop('t', { from: 1, to: steps }, (t) => {
      const [before, factor] = [k.sub(t, 1), k.load(factors, t)];
      return [
        k.store(since, t, fromStart(t, flush(k.mul(k.load(since, before), factor)))),
        forColumns(before, (s) =>
          between.set(t, s, ofDocument(t, s, flush(k.mul(between.at(before, s), factor)))),
        ),
        between.set(t, t, 1),
      ];
    }),
  ];
  return {
    compute, between, whole,
    since: (t) => k.load(since, t),
    leftAtEnd: (s) => between.at(steps - 1, s),
  };
}

/** Where a number is, given its step in the chunk, or its state, and its channel in the head. */
export type Place = (row: k.Operand, p: k.Operand) => k.Operand;

/** Where a number of a head is in [batch, length, heads, headDim], given the step in the chunk. */
export const inSteps = (
  { length, heads, headDim }: Sizes, { b, first }: Chunk, head: k.Expr,
): Place => (t, p) =>
  k.rowMajor([b, k.plus(first, t), head, p], [length, heads, headDim]);

/** Where a number of a head's state is in [batch, heads, state, headDim]. */
export const inStates = (
  { heads, state, headDim }: Sizes, b: k.Expr, head: k.Expr,
): Place => (n, p) => k.rowMajor([b, head, n, p], [heads, state, headDim]);
