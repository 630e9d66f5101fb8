/**
 * Gradients beside finite differences, for functions of many ops. Differences take two calls for
 * each element of the inputs, and calls of a compiled function take less time.
 */
import {
  compile, concat, grad, gradcheck, type GradcheckOptions, type Tensor,
} from '@mambagrad/tensor';
import { expectSame } from './compare.ts';

/**
 * `gradcheck`: the gradients are those of eager ops, the differences those of the function compiled
 * in float64, which first has to give the bits that it gives eagerly.
 */
export function checkGradients(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options?: GradcheckOptions,
): number {
  const compiled = compile(f);
  let isFirst = true;
  const either = (...given: Tensor[]): Tensor => {
    if (!isFirst) return compiled(...given);
    isFirst = false;
    const output = f(...given);
    expectSame(compiled(...given), output);
    return output;
  };
  return gradcheck(either, inputs, options);
}

/**
 * `checkGradients` of the gradients themselves: those of the sum of sin f, of all inputs at once.
 */
export function checkSecondGradients(
  f: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[],
): number {
  return checkGradients((...args) => {
    const how = { createGraph: true, allowUnused: true };
    return joined(grad(f(...args).sin().sum(), args, how));
  }, inputs);
}

/** All elements of some tensors, one tensor after the other. */
export function joined(tensors: readonly Tensor[]): Tensor {
  return concat(tensors.map((x) => x.flatten()));
}
