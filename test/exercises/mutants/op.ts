/** Mistakes in exercises/op.ts. */
import * as k from '@mambagrad/kernel';
import { tensor } from '@mambagrad/tensor';
import * as op from '../../../exercises/solutions/op.ts';
import type { Mutant } from './mutant.ts';

type Tensor = Parameters<typeof op.gradient>[0];

/** The mistakes. */
export const mutants: readonly Mutant[] = [
  ['the half is forgotten', {
    ...op, compute: (x: number) => x + Math.sqrt(x * x + 4),
  }, /^compute gives/, /At 0 it is 1/],
  ['the gradient is that of the root alone', {
    ...op, gradient: (g: Tensor, x: Tensor) => g.mul(x.div(x.square().add(4).sqrt())),
  }, /dy\/dx$/, /at 0 that is 1\/2/],
  ['g is left out', {
    ...op, gradient: (_g: Tensor, x: Tensor) => x.div(x.square().add(4).sqrt()).add(1).div(2),
  }, /multiplies the derivative by g/, /chain rule/],
  ['only the first number is looked at', {
    ...op, gradient: (g: Tensor, x: Tensor) => op.gradient(g, x.flatten().narrow(0, 0, 1)),
  }, /one number for each x/, /whole tensors/],
  ['the gradient is computed from plain numbers', {
    ...op, gradient: (g: Tensor, x: Tensor) => g.mul(tensor(
      Float64Array.from(x.data, (each) => (1 + each / Math.sqrt(each * each + 4)) / 2),
    )),
  }, /differentiated again/, /take a number out of the graph/],
  ['the lowering forgets the root', {
    ...op, lower: (x: k.Expr) => k.mul(k.add(x, k.add(k.mul(x, x), 4)), 0.5),
  }, /^lower gives/, /runs the kernel/],
  ['the lowering is of another function', {
    ...op, lower: (x: k.Expr) => k.max(x, 0),
  }, /^lower gives/, /expected \[1\.618/],
];
