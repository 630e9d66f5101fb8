/**
 * Work partitioned into chunks, which are the iterations of a parallel loop:
 *
 *     for i in 0..100_000            parallel for chunk in 0..16
 *       y[i] = exp(x[i])       →       for i in 6256 · chunk .. min(6256 · (chunk + 1), 100_000)
 *                                        y[i] = exp(x[i])
 *
 * The number of chunks depends on the size of the work alone, never on the number of threads. So
 * partial sums are made of the same terms and added in the same order on one thread and on many,
 * and results are the same bits. A chunk takes about ten microseconds: long enough that claiming it
 * costs next to nothing, short enough that threads finish at about the same time.
 */
import { number, readOptions, type Table, whole } from '@mambagrad/wasm/options';
import {
  type Buffer, type Expr, lanesOf, typeOf, type Variable, variable,
} from '../language/expression.ts';
import { LINE_ELEMENTS, load } from '../language/memory.ts';
import { add, min, mul, sub, truncDiv } from '../language/operations.ts';
import {
  type Interval, loop, parallel, type Range, set, type Statements, store, vectorized,
} from '../language/statement.ts';
import { accumulator, isLongSum, type Reduction } from '../math/sums.ts';

/** Operations in a chunk, each of them one instruction for four numbers. */
const CHUNK_OPERATIONS = 2 ** 15;

let isFinest = false;

/**
 * Runs `body` with the smallest possible chunks wherever work can be partitioned. For tests: even
 * small work then has several chunks, which must fit together and not depend on each other.
 */
export function withFinestChunks<T>(body: () => T): T {
  const before = isFinest;
  isFinest = true;
  try {
    return body();
  } finally {
    isFinest = before;
  }
}

/** Whether chunks are as small as possible now: kernels made at other times have others. */
export function chunksAreFinest(): boolean {
  return isFinest;
}

/** Nested loops, partitioned into chunks. */
export interface Partition {
  /** The number of chunks, from 1. */
  readonly chunks: number;
  /** The largest number of indices of the last axis that a chunk contains. */
  readonly largest: number;
  /** The ranges of a chunk, one for each axis, after the statements that compute them. */
  rangesOf(chunk: Expr): readonly [setup: Statements, ...ranges: Range[]];
}

/** How loops are partitioned: options of `partition`. */
export interface PartitionOptions {
  /** Chunks of the last axis start at multiples of this number. Default 1. */
  readonly multipleOf?: number | undefined;
  /** Operations that each chunk costs besides its work; a chunk has at least as many. Default 0. */
  readonly overhead?: number | undefined;
}

const partitionOptions = {
  multipleOf: whole(1).orElse(1),
  overhead: number({ from: 0 }).orElse(0),
} satisfies Table<PartitionOptions>;

/**
 * Partitions the loops over one axis or two, the outer one first. `work` is the number of
 * operations for one index of all of them.
 */
export function partition(
  extents: readonly number[], work: number, options: PartitionOptions = {},
): Partition {
  const { multipleOf, overhead } = readOptions('partition', options, partitionOptions);
  const [outer, inner] = [1, 1, ...extents].slice(-2);
  // Work of 0 stays in one chunk.
  const chunkWork = isFinest && work > 0 ? 0 : Math.max(CHUNK_OPERATIONS, overhead);
  const indices = Math.max(1, Math.round(chunkWork / Math.max(work, 1)));
  // A chunk is a part of the inner axis, or all of it for some indices of the outer one.
  const size = Math.min(Math.ceil(indices / multipleOf) * multipleOf, inner);
  const rows = size < inner ? 1 : Math.min(Math.ceil(indices / inner), outer);
  const perRow = Math.ceil(inner / size);
  const chunks = Math.ceil(outer / rows) * perRow;
  // If an extent is 0, so is `size`, and `chunks` is NaN.
  if (!(chunks > 1) || inner * outer * work < 2 * chunkWork) {
    return { chunks: 1, largest: inner, rangesOf: () => [[], ...extents] };
  }
  const rangesOf = (chunk: Expr): ReturnType<Partition['rangesOf']> => {
    if (extents.length === 1) return [[], chunkRange(chunk, size, inner)];
    if (perRow === 1) return [[], chunkRange(chunk, rows, outer), inner];
    const { setup, row, part } = rowAndPart(chunk, perRow);
    return [setup, { from: row, to: add(row, 1) }, chunkRange(part, size, inner)];
  };
  return { chunks, largest: size, rangesOf };
}

/** The number of a chunk as that of a row and of a part in it, if each row has so many parts. */
export function rowAndPart(
  chunk: Expr, perRow: number,
): { readonly setup: Statements; readonly row: Variable; readonly part: Variable } {
  const [row, part] = ['i', 'part'].map((name) => variable(name, 'i32'));
  const setup = [set(row, truncDiv(chunk, perRow)), set(part, sub(chunk, mul(row, perRow)))];
  return { setup, row, part };
}

/** The indices of a chunk: `size` of them out of `count`, but the last chunk may have fewer. */
export function chunkRange(chunk: Expr, size: number, count: number): Interval {
  const from = mul(chunk, size);
  const to = add(from, size);
  const multipleOf = size % 4 === 0 && count % 4 === 0 ? 4 : undefined;
  return { from, to: count % size === 0 ? to : min(to, count), multipleOf };
}

/** Partial results, one row for each chunk of a parallel loop. */
export interface Partials {
  /** The buffer that holds the rows. */
  readonly buffer: Buffer;
  /** The number of rows, one for each chunk. */
  readonly count: number;
  /** The number of elements of a row. */
  readonly length: number;
  /** The distance between the starts of two rows, in elements. */
  readonly stride: number;
  /** The distance from each element to its compensation (see math/sums.ts), if it has one. */
  readonly compensationAt?: number | undefined;
}

/**
 * Reduces the rows of partial results to one, in the order of the chunks, and stores it in a buffer
 * from the index `start` on.
 */
export function reducePartials(
  { buffer, count, length, stride, compensationAt }: Partials,
  reduction: Reduction, to: Buffer, start = 0,
): Statements {
  const { chunks, rangesOf } = partition([length], count, { multipleOf: LINE_ELEMENTS });
  return parallel('chunk', chunks, (chunk) => {
    const [, range] = rangesOf(chunk);
    return vectorized('i', range, (i) => {
      const type = typeOf(buffer.kind, lanesOf(i));
      const isCompensated = compensationAt !== undefined || isLongSum(reduction, type, count);
      const total = accumulator(variable('total', type), reduction, isCompensated);
      return [
        total.start,
        loop('row', count, (row) => {
          const at = add(mul(row, stride), i);
          const compensation =
            compensationAt === undefined ? undefined : load(buffer, add(at, compensationAt));
          return total.add(load(buffer, at), compensation);
        }),
        store(to, add(i, start), total.result),
      ];
    });
  });
}
