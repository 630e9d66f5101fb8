/**
 * Sorting. One primitive has two results, the first elements in order and the index of each in x.
 * Its gradient scatters to these indices.
 */
import { zeros } from '../core/create.ts';
import type { TypedArray } from '../core/dtype.ts';
import { axisNumber, boolean, readOptions, type Table } from '../core/options.ts';
import { defineMultiPrimitive } from '../core/primitive.ts';
import { check, resolveAxis } from '../core/shape.ts';
import { linesOf } from '../core/strided.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireTensor } from './define.ts';

/** Options of `sort` and `argsort`: the axis and the direction. */
export interface SortOptions {
  /** Default -1, the last. */
  readonly axis?: number | undefined;
  /** Whether the largest comes first. Default false. */
  readonly descending?: boolean | undefined;
}

const sortOptions = {
  axis: axisNumber.orElse(-1),
  descending: boolean.orElse(false),
} satisfies Table<SortOptions>;

interface OrderAttributes {
  readonly axis: number;
  readonly descending: boolean;
  /** The number of elements along the axis of the results. */
  readonly count: number;
}

const sortPrimitive = defineMultiPrimitive<OrderAttributes>({
  name: 'sort',
  infer: ([x], { axis, count }) => {
    const shape = x.shape.with(axis, count);
    return [{ shape, dtype: x.dtype }, { shape, dtype: 'i32' }];
  },
  compute: ([x], [values, indices], { axis, descending, count }) => {
    const { length, stride, starts } = linesOf(x.shape, axis);
    const results = linesOf(values.shape, axis);
    const line = x.data.slice(0, length);
    for (const [number, start] of starts.entries()) {
      for (let i = 0; i < length; i++) line[i] = x.data[start + i * stride];
      const order = orderOf(line, descending);
      for (let i = 0; i < count; i++) {
        const to = results.starts[number] + i * results.stride;
        values.data[to] = line[order[i]];
        indices.data[to] = order[i];
      }
    }
  },
  gradient: ([g], [, indices], [{ shape, dtype }], { axis }) => {
    const none = zeros([], { dtype });
    return [g ? () => none.broadcastTo(shape).scatterAdd(axis, indices, g) : null];
  },
});

/** Lines up to this length are sorted by keys. */
const MOST_KEYS = 2 ** 21;

/**
 * The places of the numbers of a line, in their order; equal ones stay as they are. Engines sort
 * plain numbers several times faster than by a function that compares. So a value of 32 bits and
 * its place become one number, of 53 bits at most.
 */
function orderOf(line: TypedArray, descending: boolean): ArrayLike<number> {
  const sign = descending ? -1 : 1;
  if (line instanceof Float64Array || line.length > MOST_KEYS) {
    return Array.from(line.keys()).sort((a, b) => sign * compare(line[a], line[b]));
  }
  const ranks = ranksOf(line);
  const keys = new Float64Array(line.length);
  for (let i = 0; i < keys.length; i++) keys[i] = sign * ranks[i] * MOST_KEYS + i;
  keys.sort();
  for (let i = 0; i < keys.length; i++) keys[i] -= Math.floor(keys[i] / MOST_KEYS) * MOST_KEYS;
  return keys;
}

/**
 * Whole numbers in the order of the values, NaN above all: apart from the sign, a float is ordered
 * as its bits are.
 */
function ranksOf(line: Float32Array | Int32Array): ArrayLike<number> {
  if (line instanceof Int32Array) return line;
  const bits = new Int32Array(line.buffer, line.byteOffset, line.length);
  const ranks = new Float64Array(line.length);
  for (let i = 0; i < ranks.length; i++) {
    const magnitude = bits[i] & 0x7fffffff;
    if (line[i] !== line[i]) ranks[i] = 2 ** 31;
    else ranks[i] = bits[i] < 0 ? -magnitude : magnitude;
  }
  return ranks;
}

/** Ascending, NaN above all numbers. */
function compare(a: number, b: number): number {
  if (a !== a || b !== b) return Number(a !== a) - Number(b !== b);
  return a < b ? -1 : Number(a > b);
}

/** The indices (i32) that sort x along an axis; equal elements keep their order. */
export function argsort(x: Tensor, options: SortOptions = {}): Tensor {
  return sorted('argsort', x, options).indices;
}

/** All of x sorted; errors name `op`. */
function sorted(op: string, x: Tensor, options: SortOptions): Sorted {
  requireTensor(op, 'x', x);
  const { axis, descending } = readOptions(op, options, sortOptions);
  const at = resolveAxis(op, axis, x.ndim);
  const [values, indices] = sortPrimitive([x], { axis: at, descending, count: x.shape[at] });
  return { values, indices };
}

/** The results of `sort` and `topk`; `values` is x gathered at `indices`. */
export interface Sorted {
  /** In the dtype of x, and in its shape; of `topk`, with `k` elements along the axis. */
  readonly values: Tensor;
  /** The index of each value in x, i32. */
  readonly indices: Tensor;
}

/** x sorted along an axis. NaN counts as larger than any number. */
export function sort(x: Tensor, options: SortOptions = {}): Sorted {
  return sorted('sort', x, options);
}

/** The `k` largest elements along an axis (by default the last), the largest first. */
export function topk(x: Tensor, k: number, axis = -1): Sorted {
  requireTensor('topk', 'x', x);
  const at = resolveAxis('topk', axis, x.ndim);
  const isRight = Number.isInteger(k) && k >= 0 && k <= x.shape[at];
  check(isRight)`topk: k is ${k}, expected a whole number up to ${x.shape[at]}, axis ${at} of ${x}`;
  const [values, indices] = sortPrimitive([x], { axis: at, descending: true, count: k });
  return { values, indices };
}
