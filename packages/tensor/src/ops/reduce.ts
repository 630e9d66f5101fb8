/**
 * Reductions: many elements become one. The loop walks the input once, in the order of memory, and
 * adds each row either to one accumulator (the last axis is reduced) or to a row of them.
 * Accumulators are double precision, so float32 sums lose nothing on the way.
 */
import { type Apply, definePrimitive } from '../primitive.ts';
import {
  type Axes,
  describe,
  numelOf,
  reducedShape,
  resolveAxes,
  type Shape,
  stridesOf,
  TensorError,
} from '../shape.ts';
import { ownLoop, rowsOf } from '../strided.ts';
import type { InputGradients, Tensor } from '../tensor.ts';
import { requireFloat } from './define.ts';

interface ReduceAttributes {
  /** The reduced axes: resolved, ascending. */
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

type Reduction = (x: Tensor, axis?: Axes, keepDims?: boolean) => Tensor;

interface ReduceDefinition {
  /** Joins the accumulator and the next element. */
  readonly combine: (accumulator: number, x: number) => number;
  /** The reduction of nothing; left out if that is an error. */
  readonly empty?: number;
  gradient(g: Tensor, y: Tensor, x: Tensor, axes: readonly number[]): Tensor;
}

function reduction(name: string, { combine, empty, gradient }: ReduceDefinition): Reduction {
  const loop = ownLoop(name, reduceLoop, combine);
  const apply: Apply<ReduceAttributes> = definePrimitive<ReduceAttributes>({
    name,
    infer: ([x], { axes, keepDims }) => {
      if (empty === undefined) requireNonEmpty(name, x, axes);
      return { shape: reducedShape(x.shape, axes, keepDims), dtype: x.dtype };
    },
    compute: ([x], { data }, { axes }) => {
      const kept = stridesOf(reducedShape(x.shape, axes, true));
      const targets = x.shape.map((_, axis) => (axes.includes(axis) ? 0 : kept[axis]));
      const { length, starts, steps } = rowsOf(x.shape, [stridesOf(x.shape), targets]);
      const totals = new Float64Array(data.length).fill(empty ?? NaN);
      const isFirst = empty === undefined ? new Uint8Array(data.length).fill(1) : undefined;
      loop(x.data, totals, isFirst, length, starts[1], steps[1]);
      data.set(totals);
    },
    gradient: (g, y, [x], { axes }): InputGradients => {
      const withAxes = reducedShape(x.shape, axes, true);
      return [() => gradient(g.reshape(withAxes), y.reshape(withAxes), x, axes)];
    },
  });
  return (x, axis, keepDims = false) =>
    apply([x], { axes: resolveAxes(name, axis, x.ndim), keepDims });
}

type NumberArray = { readonly length: number; [index: number]: number };

function reduceLoop(combine: (accumulator: number, x: number) => number) {
  return (
    x: NumberArray,
    totals: NumberArray,
    isFirst: NumberArray | undefined,
    length: number,
    starts: NumberArray,
    step: number,
  ): void => {
    for (let row = 0, read = 0; row < starts.length; row++) {
      let write = starts[row];
      for (const end = read + length; read < end; read++) {
        if (isFirst !== undefined && isFirst[write] === 1) {
          totals[write] = x[read];
          isFirst[write] = 0;
        } else {
          totals[write] = combine(totals[write], x[read]);
        }
        write += step;
      }
    }
  };
}

function requireNonEmpty(op: string, x: Tensor, axes: readonly number[]): void {
  for (const axis of axes) {
    if (x.shape[axis] === 0) {
      throw new TensorError(
        `${op}: axis ${axis} of ${describe(x)} is empty, and nothing has no ${op}`,
      );
    }
  }
}

/** The sum over the given axes, or over all; 0 for an empty axis. */
export const sum: Reduction = reduction('sum', {
  combine: (total, x) => total + x,
  empty: 0,
  gradient: (g, _y, x) => g.broadcastTo(x.shape),
});

/** Ties share the gradient evenly, so that it does not depend on the order of elements. */
function extremeGradient(g: Tensor, y: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  const isExtreme = x.equal(y).cast(g.dtype);
  return g.mul(isExtreme.div(isExtreme.sum(axes, true)));
}

/** The largest element along the given axes; NaN if there is one. */
export const max: Reduction = reduction('max', {
  combine: (largest, x) => Math.max(largest, x),
  gradient: extremeGradient,
});

/** The smallest element along the given axes; NaN if there is one. */
export const min: Reduction = reduction('min', {
  combine: (smallest, x) => Math.min(smallest, x),
  gradient: extremeGradient,
});

/** The mean over the given axes, or over all. An empty axis is an error. */
export function mean(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  requireFloat('mean', 'x', x);
  const axes = resolveAxes('mean', axis, x.ndim);
  requireNonEmpty('mean', x, axes);
  const count = numelOf(axes.map((reduced) => x.shape[reduced]));
  return x.sum(axes, keepDims).div(count);
}

/** log Σ eˣ along the given axes, however large or small the x. */
export function logsumexp(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  const axes = resolveAxes('logsumexp', axis, x.ndim);
  const largest = x.detach().max(axes, true);
  const sums = x.sub(largest).exp().sum(axes, true).log().add(largest);
  return keepDims ? sums : sums.reshape(reducedShape(x.shape, axes, false));
}

/**
 * The sum that undoes a broadcast: over the axes along which an array of `shape` was repeated to
 * give x. The adjoint of `broadcastTo`.
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const missing = x.ndim - shape.length;
  const axes = x.shape.flatMap((size, axis) => {
    const target = axis < missing ? undefined : shape[axis - missing];
    return target === size ? [] : [axis];
  });
  const isRepeated = axes.every((axis) => axis < missing || shape[axis - missing] === 1);
  if (missing < 0 || !isRepeated) {
    throw new TensorError(`sumTo: [${shape.join(', ')}] does not broadcast to ${describe(x)}`);
  }
  return x.sum(axes, true).reshape(shape);
}
