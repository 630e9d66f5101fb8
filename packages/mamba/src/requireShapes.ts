/**
 * The shape check of ops with many tensors: each by its name, with the shape that it must have.
 */
import { type Shape, type Tensor, TensorError } from '@mambagrad/tensor';

/** A tensor as the caller names it, and its shape as it should be. It may be left out. */
export type Expected = readonly [name: string, tensor: Tensor | undefined, shape: Shape];

/** Throws in the name of `op` unless shapes are as expected and dtypes those of the first. */
export function requireShapes(op: string, first: Tensor, name: string, rest: Expected[]): void {
  for (const [other, given, shape] of rest) {
    if (given && given.shape.join() !== shape.join()) {
      throw new TensorError(
        `${op}: ${other} has the shape [${given.shape.join(', ')}], expected ` +
          `[${shape.join(', ')}], as ${name} is [${first.shape.join(', ')}]`,
      );
    }
    if (given && given.dtype !== first.dtype) {
      throw new TensorError(
        `${op}: ${other} is ${given.dtype} and ${name} is ${first.dtype}; use cast to make them ` +
          'equal',
      );
    }
  }
}
