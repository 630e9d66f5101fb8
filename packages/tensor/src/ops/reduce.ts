/**
 * Reductions: ops that combine all elements along some axes into one. The loop walks the input
 * once, in memory order, and combines each row into one accumulator (if the last axis is reduced)
 * or into a row of them. Accumulators are float64, so float32 sums lose nothing; the rounding
 * errors of the float64 additions are summed as well (compensated summation; Neumaier, 1974).
 */
import * as k from '@mambagrad/kernel';
import { boolean, checkArgument } from '../core/options.ts';
import { definePrimitive } from '../core/primitive.ts';
import {
  type Axes, broadcastsTo, broadcastStrides, check, checkShape, reducedShape, resolveAxes,
  type Shape, stridesOf,
} from '../core/shape.ts';
import { type NumberArray, ownLoop, rowsOf } from '../core/strided.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireNonEmpty, requireTensor } from './define.ts';

interface ReduceAttributes {
  /** The reduced axes: resolved, ascending. */
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

type Reduction = (x: Tensor, axis?: Axes, keepDims?: boolean) => Tensor;

interface ReduceDefinition {
  /** Combines the accumulator and the next element. */
  readonly combine: (total: number, x: number) => number;
  /** The rounding error of `combine`. */
  readonly lost?: (total: number, x: number, result: number) => number;
  /** `combine` in the loop language, and its identity element. */
  readonly lower: k.Reduction;
  /** The same for i32, where it differs. */
  readonly integers?: k.Reduction;
  /** Whether zero elements can be reduced: to the identity element. */
  readonly canBeEmpty?: boolean;
  gradient(g: Tensor, y: Tensor, x: Tensor, axes: readonly number[]): Tensor;
}

function reduction(name: string, definition: ReduceDefinition): Reduction {
  const { combine, lost = () => 0, lower, integers = lower, canBeEmpty, gradient } = definition;
  const loop = ownLoop(name, reduceLoop, { combine, lost });
  const apply = definePrimitive<ReduceAttributes>({
    name,
    infer: ([x], { axes, keepDims }) => {
      if (!canBeEmpty) requireNonEmpty(name, x, axes);
      return { shape: reducedShape(x.shape, axes, keepDims), dtype: x.dtype };
    },
    compute: ([x], { data }, { axes }) => {
      const targets = broadcastStrides(reducedShape(x.shape, axes, true), x.shape);
      const { length, starts, steps } = rowsOf(x.shape, [stridesOf(x.shape), targets]);
      const isDouble = data instanceof Float64Array;
      const totals = (isDouble ? data : new Float64Array(data.length)).fill(lower.identity);
      loop(x.data, totals, new Float64Array(data.length), length, starts[1], steps[1]);
      if (!isDouble) data.set(totals);
    },
    lower: ([x], { axes }) => ({ fold: x.dtype === 'i32' ? integers : lower, axes }),
    gradient: (g, y, [x], { axes }) => {
      const withAxes = reducedShape(x.shape, axes, true);
      return [() => gradient(g.reshape(withAxes), y.reshape(withAxes), x, axes)];
    },
  });
  return (x, axis, keepDims = false) => {
    requireTensor(name, 'x', x);
    checkArgument(name, 'keepDims', keepDims, boolean);
    return apply([x], { axes: resolveAxes(name, axis, x.ndim), keepDims });
  };
}

/** Combines rows of x into `totals`, each from its start on, `step` apart (0: all into one). */
function reduceLoop({ combine, lost }: Required<Pick<ReduceDefinition, 'combine' | 'lost'>>) {
  return (
    x: NumberArray, totals: NumberArray, errors: NumberArray, length: number, starts: NumberArray,
    step: number,
  ): void => {
    for (let row = 0, read = 0; row < starts.length; row++) {
      let write = starts[row];
      for (const end = read + length; read < end; read++) {
        const result = combine(totals[write], x[read]);
        errors[write] += lost(totals[write], x[read], result);
        totals[write] = result;
        write += step;
      }
    }
    for (let i = 0; i < totals.length; i++) {
      // Errors of an infinite total are NaN; and adding an error of 0 would make −0 into 0.
      if (errors[i] !== 0 && Number.isFinite(totals[i])) totals[i] += errors[i];
    }
  };
}

/** The sum over the given axes, or over all; 0 for an empty axis. */
export const sum: Reduction = reduction('sum', {
  combine: (total, x) => total + x,
  lost: (total, x, sum) => (Math.abs(total) >= Math.abs(x) ? total - sum + x : x - sum + total),
  lower: k.sum,
  canBeEmpty: true,
  gradient: (g, _y, x) => g.broadcastTo(x.shape),
});

/**
 * Ties share the gradient evenly, so that it does not depend on the order of elements. If there are
 * NaNs, they are the extremes.
 */
function extremeGradient(g: Tensor, y: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  const isExtreme = x.equal(y).maximum(x.isNaN());
  return isExtreme.where(g.div(isExtreme.cast(g.dtype).sum(axes, true)), 0);
}

/** The largest element along the given axes, or over all; NaN if one of them is NaN. */
export const max: Reduction = reduction('max', {
  combine: (largest, x) => Math.max(largest, x),
  lower: { combine: k.maximum, identity: -Infinity },
  integers: { combine: k.max, identity: -(2 ** 31) },
  gradient: extremeGradient,
});

/** The smallest element along the given axes, or over all; NaN if one of them is NaN. */
export const min: Reduction = reduction('min', {
  combine: (smallest, x) => Math.min(smallest, x),
  lower: { combine: k.minimum, identity: Infinity },
  integers: { combine: k.min, identity: 2 ** 31 - 1 },
  gradient: extremeGradient,
});

/**
 * The sum over the axes along which an array of `shape` would be repeated to get the shape of x.
 * The adjoint of `broadcastTo`: its gradient rule.
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  requireTensor('sumTo', 'x', x);
  checkShape('sumTo', shape);
  check(broadcastsTo(shape, x.shape))`sumTo: ${shape} does not broadcast to ${x}`;
  const missing = x.ndim - shape.length;
  const axes = x.shape.flatMap((size, axis) => (shape[axis - missing] === size ? [] : [axis]));
  return x.sum(axes, true).reshape(shape);
}
