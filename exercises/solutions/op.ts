/** A solution of exercises/op.ts. */
import * as k from '@mambagrad/kernel';
import type { Tensor } from '@mambagrad/tensor';

/** y for one number x. */
export function compute(x: number): number {
  return (x + Math.sqrt(x * x + 4)) / 2;
}

/** The gradient with respect to x, from g, the gradient with respect to y. */
export function gradient(g: Tensor, x: Tensor): Tensor {
  const root = x.square().add(4).sqrt();
  return g.mul(x.div(root).add(1).div(2));
}

/** y as an expression of the loop language. */
export function lower(x: k.Expr): k.Expr {
  const root = k.sqrt(k.add(k.mul(x, x), 4));
  return k.mul(k.add(x, root), 0.5);
}
