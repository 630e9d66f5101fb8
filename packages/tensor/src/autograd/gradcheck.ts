/**
 * Checks gradients against finite differences. For f: ℝⁿ → ℝ and each element x,
 *
 *     ∂f/∂x ≈ (f(x + h) − f(x − h)) / 2h
 *
 * with an error of h² from curvature and ε/h from rounding: about 1e-10 in float64 for h near 1e-5.
 * A result of many elements is first reduced to one number by a fixed random cotangent. Weights of
 * 1 would hide mistakes: the gradient of Σ softmax(x), for example, is 0.
 */
import { tensor } from '../core/create.ts';
import { allocate, type TypedArray } from '../core/dtype.ts';
import {
  callable, checkArgument, number, readOptions, type Table, tensorLists, tensors,
} from '../core/options.ts';
import { check, failure, type TensorError } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { grad } from './autograd.ts';

/** Options of `gradcheck`; the defaults suit functions whose values are around 1. */
export interface GradcheckOptions {
  /** The largest error allowed, relative to the larger of 1 and the gradient. Default 1e-6. */
  readonly tolerance?: number | undefined;
  /** The step h, relative to the larger of 1 and |x|. Default 1e-5. */
  readonly step?: number | undefined;
}

const gradcheckOptions = {
  tolerance: number({ above: 0 }).orElse(1e-6),
  step: number({ above: 0 }).orElse(1e-5),
} satisfies Table<GradcheckOptions>;

/**
 * Throws unless the gradients of `f` at `inputs` (f64, with f64 results) agree with finite
 * differences; the message names the input and element with the largest error. i32 inputs are
 * passed through; at least one must be f64. Returns the largest error found.
 */
export function gradcheck(
  f: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): number {
  checkArgument('gradcheck', 'f', f, callable());
  checkArgument('gradcheck', 'inputs', inputs, tensorLists);
  const { tolerance, step } = readOptions('gradcheck', options, gradcheckOptions);
  check(inputs.length > 0)`gradcheck: inputs is [], expected at least one tensor`;
  const isFine = inputs.every((input) => input.dtype !== 'f32');
  check(isFine)`gradcheck: inputs must be f64; float32 is too coarse for differences`;
  const leaves = inputs.map((input) => leafOf(input, input.data));
  const output = f(...leaves);
  checkArgument('gradcheck', 'the result of the function', output, tensors);
  const cotangent = spread(output);
  const checked = leaves.filter((leaf) => leaf.requiresGrad);
  check(checked.length > 0)`gradcheck: inputs has no f64 tensor, so there is nothing to check`;
  const gradients = grad(output, checked, { cotangent, allowUnused: true });
  const value = (moved: Tensor, data: TypedArray): number => {
    const result = f(...leaves.map((leaf) => (leaf === moved ? leafOf(leaf, data) : leaf)));
    return result.mul(cotangent).sum().item();
  };
  let worst = 0;
  let report: TensorError | undefined;
  for (const [i, leaf] of checked.entries()) {
    const number = leaves.indexOf(leaf);
    for (let element = 0; element < leaf.numel; element++) {
      const x = leaf.data[element];
      const h = step * Math.max(1, Math.abs(x));
      const [above, below] = [x + h, x - h].map((to) => value(leaf, leaf.data.with(element, to)));
      const expected = (above - below) / (2 * h);
      const found = gradients[i].data[element];
      const error = Math.abs(found - expected) / Math.max(1, Math.abs(expected));
      if (error > worst || Number.isNaN(error)) {
        worst = error;
        report = failure`gradcheck: element ${element} of input ${number}, ${leaf}, has the gradient
          ${found}, finite differences say ${expected}`;
      }
    }
  }
  if (report && !(worst <= tolerance)) throw report;
  return worst;
}

/** A fresh leaf; it requires gradients in every call, so that `f` may itself take gradients. */
function leafOf({ shape, dtype }: Tensor, data: TypedArray): Tensor {
  return tensor(data, { shape, requiresGrad: dtype === 'f64' });
}

/** Fixed weights between ±0.5 and ±1.5, all different, so that no symmetry hides a mistake. */
function spread({ shape, dtype, numel }: Tensor): Tensor {
  const data = allocate(dtype, numel).map((_, i) => {
    const fraction = (i * 0.6180339887498949 + 0.25) % 1;
    return (i % 2 === 0 ? 1 : -1) * (0.5 + fraction);
  });
  return new Tensor({ shape, dtype }, data);
}
