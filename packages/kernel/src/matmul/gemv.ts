/**
 * GEMV: matrix products of few rows, such as a layer's with a single vector, where the columns of b
 * are contiguous, as those of weights are. Each number of b is used for few products, so the time
 * goes into reading b, and all depends on the order:
 *
 *     for each block of columns                  6 streams, one after the other in memory
 *       for each column of a stream              6 columns at a time, one of each stream
 *         for k, four in lanes:  y[i, j] += a[i, k] · b[k, j]
 *
 * The hardware prefetcher follows sequential reads, but only to the end of a page of memory (4 KiB)
 * and starts anew in the next. A single stream waits at the start of every page; of six streams
 * that are pages apart, the others go on. And six sums, with what is multiplied for them, fit into
 * the 16 registers of a processor: V8 loads all numbers of an iteration before it multiplies any,
 * so with more of them it would spend its time on moving them out of registers and back.
 *
 * `planGemv` decides the numbers; the other functions write the loops.
 */
import { type Expr, type Operand, type Variable, variable } from '../language/expression.ts';
import { least, plus, times } from '../language/indexArithmetic.ts';
import { add, mulAdd, ramp, reduceLanes } from '../language/operations.ts';
import {
  type Interval, intervalOf, loop, parallel, set, type Statements, store,
} from '../language/statement.ts';
import { type Accumulator, accumulator, isLongSum, sum } from '../math/sums.ts';
import { partition } from '../parallel/chunks.ts';
import { applyEpilogue, type Product } from './gemm.ts';
import { CHAIN } from './microkernel.ts';

/** The most rows for which this is faster than GEMM, which packs b first. */
export const GEMV_ROWS = 16;
/** The bytes of a stream, or a little more: far enough apart for the prefetcher. */
const STREAM_BYTES = 32768;
/** The bytes of a stream where longer ones would make fewer than 16 blocks for threads. */
const LEAST_STREAM_BYTES = 8192;
/** The most streams that are read at once. */
const MOST_STREAMS = 6;
/** The most sums that stay in registers. */
const MOST_SUMS = 16;

/** How a product of few rows is computed. */
interface GemvPlan {
  readonly product: Product;
  /** Groups of rows that are computed together. */
  readonly rowGroups: readonly (readonly number[])[];
  /** The number of streams that are read at once, and the bytes of each. */
  readonly streams: number;
  readonly streamBytes: number;
  /** The offsets of the vectors of k that an iteration of the unrolled loop adds. */
  readonly unrolled: readonly number[];
  /** The end of the unrolled loop over k, and of the chains of a sum that has some. */
  readonly unrolledEnd: number;
  /** The end of the loop that adds single vectors, to a chain of their own if there are chains. */
  readonly vectorEnd: number;
  /** Whether a sum has several chains (see math/sums.ts), and whether it is compensated. */
  readonly hasChains: boolean;
  readonly isCompensated: boolean;
}

function planGemv(product: Product): GemvPlan {
  const { rows, columns, depth } = product;
  const height = Math.ceil(rows / Math.ceil(rows / 4));
  const unrolled = height > 1 ? [0, 4] : [0];
  const all = Array.from({ length: rows }, (_, row) => row);
  const bytesFor16Blocks = (4 * columns * depth) / (16 * MOST_STREAMS);
  return {
    product,
    rowGroups: all.filter((row) => row % height === 0).map((row) => all.slice(row, row + height)),
    streams: Math.min(MOST_STREAMS, Math.floor(MOST_SUMS / height)),
    streamBytes: Math.min(STREAM_BYTES, Math.max(LEAST_STREAM_BYTES, bytesFor16Blocks)),
    unrolled,
    unrolledEnd: depth - (depth % (height > 1 ? 8 : 16)),
    vectorEnd: depth - (depth % 4),
    hasChains: depth > 4 * CHAIN,
    isCompensated: isLongSum(sum, 'f32', depth / (4 * CHAIN)),
  };
}

/** y = a·b; the columns of b must be contiguous. A part of a chunk is not partitioned itself. */
export function gemv(product: Product, isPart: boolean): Statements {
  return columnsFrom(planGemv(product), 0, isPart);
}

/** All columns from one on: as many blocks as fit, then the rest in shorter streams. */
function columnsFrom(plan: GemvPlan, from: number, isPart: boolean): Statements {
  const { product: { rows, columns, depth }, streams, streamBytes } = plan;
  const left = columns - from;
  const count = Math.min(streams, left);
  // An odd number of columns, so that not all streams reach the end of a page at the same time.
  const length = Math.min(Math.ceil(streamBytes / (4 * depth)) | 1, Math.floor(left / count));
  const to = columns - (left % (count * length));
  const width = count * length;
  // Reading a number takes as long as two operations, or four rows.
  const work = isPart ? 0 : (width * depth * Math.max(rows / 4, 1)) / 2;
  const { chunks, rangesOf } = partition([(to - from) / width], work);
  const blocks = parallel('chunk', chunks, (chunk) => {
    const range = intervalOf(rangesOf(chunk)[1]);
    const [start, end] = [range.from, range.to].map((at) => plus(times(at, width), from));
    return loop('block', { from: start, to: end, step: width }, (first) =>
      columnBlock(plan, first, count, length),
    );
  });
  return to < columns ? [blocks, columnsFrom(plan, to, isPart)] : blocks;
}

/** A block of columns: `count` streams of `length` columns each. */
function columnBlock(plan: GemvPlan, first: Variable, count: number, length: number): Statements {
  const { product, rowGroups } = plan;
  const { rows, columns } = product;
  return [
    rowGroups.map((group) =>
      loop('j', { from: first, to: add(first, length) }, (j) => {
        const ofStreams = Array.from({ length: count }, (_, n) => plus(j, n * length));
        return computeCells(plan, { rows: group, columns: ofStreams });
      }),
    ),
    applyEpilogue(product, columns, rows, { from: first, to: add(first, count * length) }),
  ];
}

/** The elements of y in some rows and columns, one of each stream; column by column. */
interface Cells {
  readonly rows: readonly number[];
  readonly columns: readonly Operand[];
}

/** Computes some elements of y, each in four lanes that are added up at the end. */
function computeCells(plan: GemvPlan, cells: Cells): Statements {
  const { product: { depth, indexOf, y }, unrolledEnd, vectorEnd, hasChains, isCompensated } = plan;
  const indices = cells.columns.flatMap((column) => cells.rows.map((row) => indexOf(row, column)));
  const partials = indices.map(() => variable('p', 'f32x4'));
  const totals = indices.map(() => variable('y', 'f32'));
  const chainTotals = !hasChains
    ? undefined
    : partials.map(() => accumulator(variable('all', 'f32x4'), sum, isCompensated));
  const lanesOf = (i: number): Expr => (chainTotals ? chainTotals[i].result : partials[i]);
  return [
    chainTotals
      ? addChains(plan, cells, partials, chainTotals)
      : addVectors(plan, cells, partials, { from: 0, to: unrolledEnd }),
    chainTotals ? [] : addRest(plan, cells, partials),
    totals.map((total, i) => set(total, reduceLanes(add, lanesOf(i)))),
    loop('k', { from: vectorEnd, to: depth }, (at) => addProducts(plan, cells, totals, at)),
    totals.map((total, i) => store(y, indices[i], total)),
  ];
}

/** Adds up vectors of products chain by chain. */
function addChains(
  plan: GemvPlan, cells: Cells, partials: readonly Variable[], totals: readonly Accumulator[],
): Statements {
  const { unrolledEnd, vectorEnd } = plan;
  const addToTotals = partials.map((partial, i) => totals[i].add(partial));
  const hasRest = unrolledEnd < vectorEnd;
  return [
    totals.map(({ start }) => start),
    loop('chain', { to: unrolledEnd, step: 4 * CHAIN }, (from) => [
      addVectors(plan, cells, partials, { from, to: least(plus(from, 4 * CHAIN), unrolledEnd) }),
      addToTotals,
    ]),
    hasRest ? partials.map((partial) => set(partial, 0)) : [],
    addRest(plan, cells, partials),
    hasRest ? addToTotals : [],
  ];
}

/** Sets partial sums, four in lanes, to the products of an interval of k: the unrolled loop. */
function addVectors(
  plan: GemvPlan, cells: Cells, partials: readonly Variable[], interval: Interval,
): Statements {
  const { unrolled } = plan;
  return [
    partials.map((partial) => set(partial, 0)),
    loop('k', { ...interval, step: 4 * unrolled.length }, (at) =>
      unrolled.map((n) => addProducts(plan, cells, partials, ramp(add(at, n)))),
    ),
  ];
}

/** Adds the vectors of products that are left after the unrolled loop. */
function addRest(plan: GemvPlan, cells: Cells, partials: readonly Variable[]): Statements {
  const { unrolledEnd, vectorEnd } = plan;
  return loop('k', { from: unrolledEnd, to: vectorEnd, step: 4 }, (at) =>
    addProducts(plan, cells, partials, ramp(at)),
  );
}

/** Adds to the sum of each cell the product at one k, or at four in lanes. */
function addProducts(
  { product: { a, b } }: GemvPlan, { rows, columns }: Cells, sums: readonly Variable[], at: Expr,
): Statements {
  const left = rows.map(() => variable('a', sums[0].type));
  const right = variable('b', sums[0].type);
  const sumOf = (i: number, n: number): Variable => sums[n * rows.length + i];
  return [
    left.map((factor, i) => set(factor, a(rows[i], at))),
    columns.map((column, n) => [
      set(right, b(at, column)),
      left.map((factor, i) => set(sumOf(i, n), mulAdd(factor, right, sumOf(i, n)))),
    ]),
  ];
}
