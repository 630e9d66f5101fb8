/**
 * Order. The one primitive gives the order itself, as indices; sorted values are gathered by it,
 * and so their gradients go back to where they came from.
 */
import { definePrimitive } from '../primitive.ts';
import { check, resolveAxis } from '../shape.ts';
import { linesOf } from '../strided.ts';
import type { Tensor } from '../tensor.ts';

export interface SortOptions {
  /** Default the last. */
  readonly axis?: number;
  /** The largest first. Default false. */
  readonly descending?: boolean;
}

const argsortPrimitive = definePrimitive<Required<SortOptions>>({
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
export function argsort(x: Tensor, { axis = -1, descending = false }: SortOptions = {}): Tensor {
  return argsortPrimitive([x], { axis: resolveAxis('argsort', axis, x.ndim), descending });
}

export interface Sorted {
  readonly values: Tensor;
  /** Where each value was, i32 */
  readonly indices: Tensor;
}

/** x in order along an axis. NaN counts as larger than any number. */
export function sort(x: Tensor, options: SortOptions = {}): Sorted {
  const indices = argsort(x, options);
  return { values: x.gather(options.axis ?? -1, indices), indices };
}

/** The `k` largest elements along an axis (the last), the largest first. */
export function topk(x: Tensor, k: number, axis = -1): Sorted {
  const at = resolveAxis('topk', axis, x.ndim);
  const isRight = Number.isInteger(k) && k >= 0 && k <= x.shape[at];
  check(isRight)`topk: k is ${k}, expected a whole number up to ${x.shape[at]}, axis ${at} of ${x}`;
  const indices = argsort(x, { axis: at, descending: true }).narrow(at, 0, k);
  return { values: x.gather(at, indices), indices };
}
