/**
 * Comparisons, which give i32 0 or 1; selection by such masks; and casts. Comparisons are piecewise
 * constant, so no gradient flows through them.
 */
import * as k from '@mambagrad/kernel';
import type { DType } from '../core/dtype.ts';
import { isTrue, truth } from '../core/lowering.ts';
import { checkArgument, dtypes } from '../core/options.ts';
import { definePrimitive } from '../core/primitive.ts';
import { broadcastRows } from '../core/strided.ts';
import { Tensor } from '../core/tensor.ts';
import {
  type Binary, binary, elementwise, type Operand, requireBroadcast, requireIndices,
  requireSameDType, requireTensor, tensorOf,
} from './define.ts';

type ComparisonName = 'equal' | 'notEqual' | 'greater' | 'less' | 'greaterEqual' | 'lessEqual';

function comparison(name: ComparisonName, f: (a: number, b: number) => number): Binary {
  const lower = (a: k.Expr, b: k.Expr) => truth(k[name](a, b));
  return binary(name, f, [lower, lower], null, true);
}

/** a = b */
export const equal: Binary = comparison('equal', (a, b) => (a === b ? 1 : 0));

/** a ≠ b; NaN differs from everything, itself included */
export const notEqual: Binary = comparison('notEqual', (a, b) => (a !== b ? 1 : 0));

/** a > b */
export const greater: Binary = comparison('greater', (a, b) => (a > b ? 1 : 0));

/** a < b */
export const less: Binary = comparison('less', (a, b) => (a < b ? 1 : 0));

/** a ≥ b */
export const greaterEqual: Binary = comparison('greaterEqual', (a, b) => (a >= b ? 1 : 0));

/** a ≤ b */
export const lessEqual: Binary = comparison('lessEqual', (a, b) => (a <= b ? 1 : 0));

const selectPrimitive = definePrimitive<null>({
  name: 'where',
  infer: ([condition, a, b]) => {
    requireIndices('where', 'condition', condition);
    requireSameDType('where', a, b);
    const chosen = { shape: requireBroadcast('where', a, b), dtype: a.dtype };
    const names = ['condition', 'the choice'] as const;
    return { shape: requireBroadcast('where', condition, chosen, names), dtype: a.dtype };
  },
  compute: (inputs, { shape, data }) => {
    const [condition, a, b] = inputs.map((input) => input.data);
    const { length, starts, steps: [step, stepA, stepB] } = broadcastRows(shape, inputs);
    for (let row = 0, write = 0; row < starts[0].length; row++) {
      let i = starts[0][row];
      let iA = starts[1][row];
      let iB = starts[2][row];
      for (const end = write + length; write < end; write++) {
        data[write] = condition[i] !== 0 ? a[iA] : b[iB];
        i += step;
        iA += stepA;
        iB += stepB;
      }
    }
  },
  lower: () => ({ map: (condition, a, b) => k.select(isTrue(condition), a, b) }),
  gradient: (g, _y, [condition]) => [
    null,
    () => condition.where(g, 0),
    () => condition.where(0, g),
  ],
});

/**
 * `a` where the condition (i32) is not 0, `b` elsewhere; all three broadcast. At least one of the
 * choices must be a tensor, unless f32 is meant.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const dtype = a instanceof Tensor ? a.dtype : b instanceof Tensor ? b.dtype : 'f32';
  const choices = [tensorOf('where', a, dtype, 'a'), tensorOf('where', b, dtype)];
  return selectPrimitive([condition, ...choices], null);
}

/** `value` where the mask (i32) is not 0, x elsewhere. */
export function maskedFill(x: Tensor, mask: Tensor, value: number): Tensor {
  requireTensor('maskedFill', 'x', x);
  requireIndices('maskedFill', 'mask', mask);
  requireBroadcast('maskedFill', x, mask, ['x', 'mask']);
  return where(mask, tensorOf('maskedFill', value, x.dtype, 'value'), x);
}

/** 1 where x is NaN, 0 elsewhere. */
export function isNaN(x: Tensor): Tensor {
  requireTensor('isNaN', 'x', x);
  return x.notEqual(x);
}

/** 1 where x is neither NaN nor infinite, 0 elsewhere. */
export function isFinite(x: Tensor): Tensor {
  requireTensor('isFinite', 'x', x);
  return x.dtype === 'i32' ? x.equal(x) : x.abs().less(Infinity);
}

const castPrimitive = definePrimitive<DType>({
  name: 'cast',
  infer: ([x], dtype) => ({ shape: x.shape, dtype }),
  compute: elementwise('cast', (x) => x, (x) => Math.max(-(2 ** 31), Math.min(x, 2 ** 31 - 1))),
  lower: (_inputs, dtype) => ({ map: dtype === 'i32' ? k.toInteger : k.toFloat }),
  gradient: (g, _y, [x]) => [() => g.cast(x.dtype)],
});

/**
 * The same numbers in another dtype. To i32 they are truncated towards zero, NaN becomes 0, and
 * numbers out of range become the nearest i32.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  requireTensor('cast', 'x', x);
  checkArgument('cast', 'dtype', dtype, dtypes);
  return dtype === x.dtype ? x : castPrimitive([x], dtype);
}
