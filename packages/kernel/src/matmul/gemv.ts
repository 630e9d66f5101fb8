/**
 * Matrix products of few rows, such as a layer's with a single vector, where the columns of b lie
 * one behind the other in memory, as weights do. Each number of b is read for few products, so what
 * takes time is to read it, and all depends on how.
 *
 *     for each block of columns                  8 stretches, one behind the other
 *       for each column of a stretch             8 columns at a time, one of each stretch
 *         for k, four in lanes:  y[i, j] += a[i, k] · b[k, j]
 *
 * Processors notice reading in sequence, and bring what comes next ahead of time, but only to the
 * end of a page of memory (4 KiB), and anew in each. A single sequence waits at the start of every
 * page; of eight that are pages apart, the others go on.
 */
import { type Expr, type Operand, type Variable, variable } from '../language/expression.ts';
import { least, plus, times } from '../language/indexArithmetic.ts';
import { add, mulAdd, ramp, reduceLanes } from '../language/operations.ts';
import {
  type Interval, intervalOf, loop, parallel, set, type Statements, store,
} from '../language/statement.ts';
import { accumulator, isLongSum, sum } from '../math/sums.ts';
import { partition } from '../parallel/chunks.ts';
import { applyEpilogue, type Product } from './gemm.ts';
import { CHAIN } from './microkernel.ts';

/** Up to so many rows this is faster than tiles, which bring b into an order of their own. */
export const FEW_ROWS = 16;
/** Stretches of so many bytes, or a little more, are far enough apart. */
const STRETCH = 32768;
/** Shorter ones, down to so many, where there would be fewer than 16 blocks to share out. */
const SHORTEST = 8192;
/** So many sums at a time stay in registers; eight stretches are enough. */
const MOST_SUMS = 16;

/** How a product of few rows goes. */
interface Plan {
  readonly product: Product;
  /** Rows that are gone through together. */
  readonly bands: readonly (readonly number[])[];
  /** So many stretches are read at once, of so many bytes. */
  readonly streams: number;
  readonly stretch: number;
  /** Where the k of a round start, four in lanes each, beside its first. */
  readonly unrolled: readonly number[];
  /** So many k go in whole rounds, and so many in lanes. */
  readonly long: number;
  readonly whole: number;
  /** Whether a sum is one of parts (see sums.ts), and whether what those lose is kept. */
  readonly isCut: boolean;
  readonly isExact: boolean;
}

function planOf(product: Product): Plan {
  const { rows, columns, depth } = product;
  const height = Math.ceil(rows / Math.ceil(rows / 4));
  const unrolled = height > 1 ? [0, 4] : [0, 4, 8, 12];
  const all = Array.from({ length: rows }, (_, row) => row);
  return {
    product,
    bands: all.filter((row) => row % height === 0).map((row) => all.slice(row, row + height)),
    streams: Math.min(8, Math.floor(MOST_SUMS / height)),
    stretch: Math.min(STRETCH, Math.max(SHORTEST, (4 * columns * depth) / (16 * 8))),
    unrolled,
    long: depth - (depth % (4 * unrolled.length)),
    whole: depth - (depth % 4),
    isCut: depth > 4 * CHAIN,
    isExact: isLongSum(sum, 'f32', depth / (4 * CHAIN)),
  };
}

/** y = a·b; the columns of b must be contiguous. A part of a kernel is not cut. */
export function matrixVector(product: Product, isPart: boolean): Statements {
  return columnsFrom(planOf(product), 0, isPart);
}

/** All columns from one on: as many blocks as there are, then what is left, in short ones. */
function columnsFrom(plan: Plan, from: number, isPart: boolean): Statements {
  const { product: { rows, columns, depth }, streams, stretch } = plan;
  const left = columns - from;
  const count = Math.min(streams, left);
  // Of an odd number of columns, so that not all stretches come to ends of pages at a time.
  const length = Math.min(Math.ceil(stretch / (4 * depth)) | 1, Math.floor(left / count));
  const to = columns - (left % (count * length));
  const width = count * length;
  // To read a number takes as long as two operations, or four rows.
  const work = isPart ? 0 : (width * depth * Math.max(rows / 4, 1)) / 2;
  const pieces = partition([(to - from) / width], work);
  const some = parallel('round', pieces.chunks, (round) => {
    const range = intervalOf(pieces.rangesOf(round)[1]);
    const [start, end] = [range.from, range.to].map((at) => plus(times(at, width), from));
    return loop('block', { from: start, to: end, step: width }, (first) =>
      columnBlock(plan, first, count, length),
    );
  });
  return to < columns ? [some, columnsFrom(plan, to, isPart)] : some;
}

/** A block of columns: so many stretches of a length. */
function columnBlock(plan: Plan, first: Variable, count: number, length: number): Statements {
  const { product, bands } = plan;
  const { rows, columns } = product;
  return [
    bands.map((band) =>
      loop('j', { from: first, to: add(first, length) }, (j) => {
        const beside = Array.from({ length: count }, (_, n) => plus(j, n * length));
        return sums(plan, { band, beside });
      }),
    ),
    applyEpilogue(product, columns, rows, { from: first, to: add(first, count * length) }),
  ];
}

/** Some rows and columns of a product. */
interface Cells {
  readonly band: readonly number[];
  readonly beside: readonly Operand[];
}

/** The sums for some rows and columns, each in four lanes that are added up at the end. */
function sums(plan: Plan, cells: Cells): Statements {
  const { product: { depth, place, y }, unrolled, long, whole, isCut, isExact } = plan;
  const places = cells.beside.flatMap((column) => cells.band.map((row) => place(row, column)));
  const partial = places.map(() => variable('p', 'f32x4'));
  const total = places.map(() => variable('y', 'f32'));
  const all = partial.map(() =>
    isCut ? accumulator(variable('all', 'f32x4'), sum, isExact) : undefined,
  );
  const four = (at: Operand): Statements => addTo(plan, cells, partial, ramp(at));
  /** Sums up, from 0, over a stretch of k that goes in whole rounds. */
  const chain = (some: Interval): Statements => [
    partial.map((one) => set(one, 0)),
    loop('k', { ...some, step: 4 * unrolled.length }, (at) =>
      unrolled.map((n) => four(add(at, n))),
    ),
  ];
  const toAll = partial.map((one, i) => all[i]?.add(one) ?? []);
  return [
    all.map((one) => one?.start ?? []),
    !isCut ? chain({ from: 0, to: long }) : loop('chain', { to: long, step: 4 * CHAIN }, (from) => [
      chain({ from, to: least(plus(from, 4 * CHAIN), long) }),
      toAll,
    ]),
    isCut && long < whole ? partial.map((one) => set(one, 0)) : [],
    loop('k', { from: long, to: whole, step: 4 }, four),
    isCut && long < whole ? toAll : [],
    total.map((one, i) => set(one, reduceLanes(add, all[i]?.result ?? partial[i]))),
    loop('k', { from: whole, to: depth }, (at) => addTo(plan, cells, total, at)),
    total.map((one, i) => store(y, places[i], one)),
  ];
}

/** Adds the product at one k, or at four in lanes, to the sum of each cell, column by column. */
function addTo(
  { product: { a, b } }: Plan, { band, beside }: Cells, into: readonly Variable[], at: Expr,
): Statements {
  const left = band.map(() => variable('a', into[0].type));
  const right = variable('b', into[0].type);
  const sumOf = (i: number, n: number) => into[n * band.length + i];
  return [
    left.map((one, i) => set(one, a(band[i], at))),
    beside.map((column, n) => [
      set(right, b(at, column)),
      left.map((one, i) => set(sumOf(i, n), mulAdd(one, right, sumOf(i, n)))),
    ]),
  ];
}
