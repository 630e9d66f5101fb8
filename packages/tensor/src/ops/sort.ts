/**
 * Order. The one primitive gives the order itself, as indices; sorted values are gathered by it,
 * and so their gradients go back to where they came from.
 */
import { axisNumber, boolean, readOptions, type Table } from '../core/options.ts';
import { definePrimitive } from '../core/primitive.ts';
import { check, resolveAxis } from '../core/shape.ts';
import { linesOf } from '../core/strided.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireTensor } from './define.ts';

/** Options of `sort` and `argsort`: along which axis, and which end comes first. */
export interface SortOptions {
  /** Default -1, the last. */
  readonly axis?: number | undefined;
  /** The largest first. Default false. */
  readonly descending?: boolean | undefined;
}

const sortOptions = {
  axis: axisNumber.orElse(-1),
  descending: boolean.orElse(false),
} satisfies Table<SortOptions>;

interface OrderAttributes {
  readonly axis: number;
  readonly descending: boolean;
}

const argsortPrimitive = definePrimitive<OrderAttributes>({
  name: 'argsort',
  infer: ([x]) => ({ shape: x.shape, dtype: 'i32' }),
  compute: ([x], { data }, { axis, descending }) => {
    const { length, stride, starts } = linesOf(x.shape, axis);
    const sign = descending ? -1 : 1;
    for (const start of starts) {
      const line = Array.from({ length }, (_, i) => x.data[start + i * stride]);
      const order = Array.from(line.keys()).sort((a, b) => sign * compare(line[a], line[b]));
      order.forEach((place, i) => (data[start + i * stride] = place));
    }
  },
});

/** Ascending, NaN above all numbers. */
function compare(a: number, b: number): number {
  if (a !== a || b !== b) return Number(a !== a) - Number(b !== b);
  return a < b ? -1 : Number(a > b);
}

/** The indices (i32) that put x in order along an axis; equal elements keep theirs. */
export function argsort(x: Tensor, options: SortOptions = {}): Tensor {
  return argsortPrimitive([x], orderOf('argsort', x, options));
}

/** The options of an op that sorts, with its axis resolved. */
function orderOf(op: string, x: Tensor, options: SortOptions): OrderAttributes {
  requireTensor(op, 'x', x);
  const { axis, descending } = readOptions(op, options, sortOptions);
  return { axis: resolveAxis(op, axis, x.ndim), descending };
}

/** The results of `sort` and `topk`; `values` is x gathered at `indices`. */
export interface Sorted {
  /** In the dtype of x, and in its shape; of `topk`, with `k` elements along the axis. */
  readonly values: Tensor;
  /** Where each value was, i32 */
  readonly indices: Tensor;
}

/** x in order along an axis. NaN counts as larger than any number. */
export function sort(x: Tensor, options: SortOptions = {}): Sorted {
  const order = orderOf('sort', x, options);
  const indices = argsortPrimitive([x], order);
  return { values: x.gather(order.axis, indices), indices };
}

/** The `k` largest elements along an axis (the last if left out), the largest first. */
export function topk(x: Tensor, k: number, axis = -1): Sorted {
  requireTensor('topk', 'x', x);
  const at = resolveAxis('topk', axis, x.ndim);
  const isRight = Number.isInteger(k) && k >= 0 && k <= x.shape[at];
  check(isRight)`topk: k is ${k}, expected a whole number up to ${x.shape[at]}, axis ${at} of ${x}`;
  const indices = argsort(x, { axis: at, descending: true }).narrow(at, 0, k);
  return { values: x.gather(at, indices), indices };
}
