/**
 * The checks of gradients: first and second derivatives against finite differences in float64.
 */
import { grad } from '../autograd/autograd.ts';
import { gradcheck } from '../autograd/gradcheck.ts';
import { tensor } from '../core/create.ts';
import { isFloat } from '../core/dtype.ts';
import { check, describe } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { concat } from '../ops/join.ts';
import type { Generator } from '../ops/random.ts';
import { uniform } from '../ops/random.ts';

/** A function of tensors that gives a list of them. */
export type Run = (...inputs: Tensor[]) => readonly Tensor[];

/** A leaf that requires gradients, if its dtype has any, in the given floating dtype. */
export function leafOf(x: Tensor, dtype: 'f32' | 'f64'): Tensor {
  if (x.dtype === 'i32') return x;
  return tensor(x.data, { shape: x.shape, dtype, requiresGrad: true });
}

/** Weights for the elements of a result, all different, so that no symmetry hides a mistake. */
export function unevenCotangent({ shape, dtype, numel }: Tensor): Tensor {
  const numbers = Float64Array.from({ length: numel }, (_, i) => Math.cos(1 + 2.7 * i) + 0.1);
  return tensor(numbers, { shape, dtype });
}

/** The results of a function, and the gradients of its inputs under uneven weights. */
export function withGradients(run: Run): (...inputs: Tensor[]) => (Tensor | undefined)[] {
  return (...inputs) => {
    const outputs = run(...inputs);
    const losses = outputs
      .filter(({ requiresGrad }) => requiresGrad)
      .map((output) => output.mul(unevenCotangent(output)).sum());
    if (losses.length === 0) return [...outputs];
    const loss = losses.reduce((sum, part) => sum.add(part));
    const wanted = inputs.filter(({ requiresGrad }) => requiresGrad);
    return [...outputs, ...grad(loss, wanted, { allowUnused: true })];
  };
}

/** The floating results of a function as one: itself, or several behind each other. */
function joined(outputs: readonly Tensor[]): Tensor {
  const floats = outputs.filter(({ dtype }) => isFloat(dtype));
  return floats.length === 1 ? floats[0] : concat(floats.map((output) => output.flatten()));
}

/** Throws unless some result requires gradients, or, if they are `constant`, none does. */
export function requireGradients(outputs: readonly Tensor[], constant: boolean): void {
  const smooth = outputs.find(({ requiresGrad }) => requiresGrad);
  check(!constant || !smooth)`the result, ${smooth && describe(smooth)}, requires gradients, and
    the option constant is true`;
  const float = outputs.find(({ dtype }) => isFloat(dtype));
  check(constant || !float || smooth !== undefined)`the result, ${float && describe(float)}, has no
    gradient; give the primitive a gradient rule, or set the option constant`;
}

/** Throws unless the gradients of f at f64 inputs agree with finite differences. */
export function checkGradients(run: Run, inputs: readonly Tensor[]): void {
  gradcheck((...given) => joined(run(...given)), inputs);
}

/**
 * Throws unless the gradients of the gradients do. A gradient is linear in the cotangent, which is
 * an input, too, so that there is always something to derive.
 */
export function checkSecondGradients(
  run: Run, inputs: readonly Tensor[], generator: Generator,
): void {
  const { shape } = joined(run(...inputs));
  const cotangent = uniform(shape, -2, 2, { generator }).cast('f64');
  const gradients = (...given: Tensor[]): Tensor => {
    const own = given.slice(0, -1);
    const wanted = own.filter(({ requiresGrad }) => requiresGrad);
    const options = { createGraph: true, allowUnused: true, cotangent: given[inputs.length] };
    return concat(grad(joined(run(...own)), wanted, options).map((each) => each.flatten()));
  };
  gradcheck(gradients, [...inputs, cotangent]);
}
