/**
 * An op with its gradient and its lowering
 *
 * To the framework an op is three things: a function of numbers, which defines it; its gradient
 * rule, for autograd; and its lowering, from which the compiler makes kernels. Write all three for
 * squareplus, a smooth relative of relu:
 *
 *     y = (x + √(x² + 4)) / 2            dy/dx = (1 + x / √(x² + 4)) / 2
 *
 * The gradient rule gets g, the derivative of the loss with respect to y, and x, and gives the
 * derivative of the loss with respect to x: g · dy/dx. It is written with methods of tensors, such
 * as `add`, `mul`, `div`, `square` and `sqrt`, so it can be differentiated again, and compiled.
 *
 * The lowering gets x as an expression of the loop language and gives y as one, made with
 * `k.add`, `k.mul`, `k.sqrt`, … of '@mambagrad/kernel'.
 *
 * Check it with `npm run exercise op`; add `-- --hint` for a hint.
 */
import * as k from '@mambagrad/kernel';
import type { Tensor } from '@mambagrad/tensor';

/** y for one number x. */
export function compute(x: number): number {
  throw new Error('compute is not written yet');
}

/** The gradient with respect to x, from g, the gradient with respect to y. */
export function gradient(g: Tensor, x: Tensor): Tensor {
  throw new Error('gradient is not written yet');
}

/** y as an expression of the loop language. */
export function lower(x: k.Expr): k.Expr {
  throw new Error('lower is not written yet');
}
