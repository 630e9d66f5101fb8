/**
 * Cumulative sums and products: y_t = y_{t−1} + x_t and y_t = y_{t−1} · x_t. Eager loops run in
 * float64. A kernel keeps the rounding error of each step in a second number and adds it to the
 * result (compensated summation), so that long sums do not drift.
 *
 *     ∂x_t = Σ_{s ≥ t} g_s      of sums: a cumulative sum in reverse
 *     ∂x_t = y_{t−1} · G_t      of products, with G_t = g_t + x_{t+1} · G_{t+1}, a linear scan
 *
 * No gradient divides by x, which would fail at zeros.
 */
import * as k from '@mambagrad/kernel';
import { flatIndex, forEach, type Index } from '../core/lowering.ts';
import { boolean, checkArgument } from '../core/options.ts';
import { definePrimitive } from '../core/primitive.ts';
import { type Axes, numelOf, reducedShape, resolveAxes, resolveAxis } from '../core/shape.ts';
import { linesOf } from '../core/strided.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireFloat } from './define.ts';

/** After this many steps the rounding errors so far are added to the total. */
const STEPS = 32;

interface RunningAttributes {
  readonly axis: number;
  /** Whether to go from the last step to the first. */
  readonly reverse: boolean;
}

interface RunningDefinition {
  readonly identity: number;
  readonly combine: (total: number, x: number) => number;
  /** `combine` in the loop language, and the rest after it: what `next` lacks. */
  readonly lower: k.Binary;
  readonly rest: (total: k.Expr, rest: k.Expr, x: k.Expr, next: k.Expr) => k.Expr;
  gradient(g: Tensor, y: Tensor, x: Tensor, how: RunningAttributes): Tensor;
}

function running(name: string, definition: RunningDefinition) {
  const { identity, combine, lower, rest: restOf, gradient } = definition;
  const apply = definePrimitive<RunningAttributes>({
    name,
    infer: ([x]) => x,
    compute: ([{ shape, data: x }], { data }, { axis, reverse }) => {
      const { starts, length, stride } = linesOf(shape, axis);
      const [first, step] = reverse ? [(length - 1) * stride, -stride] : [0, stride];
      for (const start of starts) {
        let total = identity;
        for (let t = 0, at = start + first; t < length; t++, at += step) {
          total = combine(total, x[at]);
          data[at] = total;
        }
      }
    },
    lower: (_inputs, { axis, reverse }, { shape }) => ({
      kernel: ([x], y) =>
        forEach(shape.toSpliced(axis, 1), (beside) => {
          const length = shape[axis];
          const isWide = beside.some(k.isVector);
          const [total, rest, term, next] = ['total', 'rest', 'term', 'next'].map((own) =>
            k.variable(own, isWide ? 'f32x4' : 'f32'),
          );
          const step = (t: k.Expr): k.Statements => {
            const at: Index = beside.toSpliced(axis, 0, reverse ? k.minus(length - 1, t) : t);
            return [
              k.set(term, x.at(at)),
              k.set(next, lower(total, term)),
              k.set(rest, restOf(total, rest, term, next)),
              k.set(total, next),
              k.store(y, flatIndex(at, shape), k.compensated(total, rest)),
            ];
          };
          return [
            k.set(total, identity),
            k.set(rest, 0),
            k.loop('part', { to: length, step: STEPS }, (from) => [
              k.loop('t', { from, to: k.min(k.add(from, STEPS), length) }, step),
              k.set(next, k.compensated(total, rest)),
              k.set(rest, k.twoSumError(total, rest, next)),
              k.set(total, next),
            ]),
          ];
        }, { work: 8 * shape[axis] }),
    }),
    gradient: (g, y, [x], how) => [() => gradient(g, y, x, how)],
  });
  const along = (x: Tensor, axis: number, reverse: boolean): Tensor => {
    requireFloat(name, 'x', x);
    return apply([x], { axis: resolveAxis(name, axis, x.ndim), reverse });
  };
  return along;
}

const runningSum = running('cumsum', {
  identity: 0,
  combine: (total, x) => total + x,
  lower: k.add,
  rest: (total, rest, x, next) => k.add(rest, k.twoSumError(total, x, next)),
  gradient: (g, _y, _x, { axis, reverse }) => runningSum(g, axis, !reverse),
});

const runningProduct = running('cumprod', {
  identity: 1,
  combine: (total, x) => total * x,
  lower: k.mul,
  rest: (total, rest, x, next) => k.add(k.mul(rest, x), k.twoProductError(total, x, next)),
  gradient: (g, y, x, { axis }) => {
    const none = x.shape.map(() => 0);
    const [here, away] = [none.with(axis, 1), none.with(axis, -1)];
    const G = x.pad(away, here).linearScan(g, { axis, reverse: true });
    return G.mul(y.pad(here, away, { value: 1 }));
  },
});

/** The cumulative sum along an axis: each element and all before it, added up. */
export function cumsum(x: Tensor, axis: number): Tensor {
  return runningSum(x, axis, false);
}

/** The cumulative product along an axis: each element and all before it, multiplied. */
export function cumprod(x: Tensor, axis: number): Tensor {
  return runningProduct(x, axis, false);
}

/** The product over the given axes, or over all; 1 for an empty axis. */
export function prod(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  requireFloat('prod', 'x', x);
  checkArgument('prod', 'keepDims', keepDims, boolean);
  const axes = resolveAxes('prod', axis, x.ndim);
  const kept = x.shape.flatMap((_, other) => (axes.includes(other) ? [] : [other]));
  const count = numelOf(axes.map((reduced) => x.shape[reduced]));
  const shape = reducedShape(x.shape, axes, keepDims);
  if (count === 0) return x.sum(axes, keepDims).add(1);
  const columns = x.permute([...kept, ...axes]).reshape([numelOf(shape), count]);
  return cumprod(columns, 1).narrow(1, count - 1, 1).reshape(shape);
}
