/**
 * Gradients beside finite differences, for functions of many ops. Differences take two calls for
 * each element of the inputs, and calls of a compiled function take less time.
 */
import { compile, gradcheck, type GradcheckOptions, type Tensor } from '@mambagrad/tensor';
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
