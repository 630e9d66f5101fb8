/**
 * Ops that join a list of tensors, along an axis that they have (concat) or along a new one
 * (stack). Each input's gradient is its block of the result's gradient.
 */
import * as k from '@mambagrad/kernel';
import { flatIndex, forEach, type Index } from '../core/lowering.ts';
import { checkArgument, tensorLists } from '../core/options.ts';
import { definePrimitive } from '../core/primitive.ts';
import { check, resolveAxis, sameShape, type Spec } from '../core/shape.ts';
import { copyBlock } from '../core/strided.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireSameDType } from './define.ts';

const concatPrimitive = definePrimitive<number>({
  name: 'concat',
  infer: (inputs, axis) => {
    const [first] = inputs;
    inputs.forEach((input, i) => {
      requireSameDType('concat', first, input, ['the first', `tensor ${i}`]);
      const isRight = input.ndim === first.ndim &&
        input.shape.every((size, at) => at === axis || size === first.shape[at]);
      check(isRight)`concat: tensor ${i} is ${input}, the first is ${first}; only axis ${axis} may
        differ`;
    });
    const size = inputs.reduce((sum, input) => sum + input.shape[axis], 0);
    return { shape: first.shape.with(axis, size), dtype: first.dtype };
  },
  compute: (inputs, y, axis) => {
    startsOf(inputs, axis).forEach((start, i) => {
      const array = inputs[i];
      copyBlock(array.shape, { array }, { array: y, at: moved(axis, start) });
    });
  },
  lower: (specs, axis, { shape }) => ({
    kernel: (inputs, y) =>
      inputs.map((x, i) => {
        const place = moved(axis, startsOf(specs, axis)[i]);
        return forEach(x.shape, (at) => k.store(y, flatIndex(place(at), shape), x.at(at)));
      }),
  }),
  gradient: (g, _y, inputs, axis) => {
    const starts = startsOf(inputs, axis);
    return inputs.map((x, i) => () => g.narrow(axis, starts[i], x.shape[axis]));
  },
});

/** Where each input starts along the axis of the result. */
function startsOf(inputs: readonly Pick<Spec, 'shape'>[], axis: number): number[] {
  let end = 0;
  return inputs.map(({ shape }) => (end += shape[axis]) - shape[axis]);
}

/** The index `by` places further along an axis. */
function moved(axis: number, by: number): (index: Index) => Index {
  return (index) => index.with(axis, k.plus(index[axis], by));
}

/** Tensors concatenated along an existing axis. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  checkArgument('concat', 'tensors', tensors, tensorLists);
  check(tensors.length > 0)`concat: expected at least one tensor, got none`;
  // A copy: the backward pass reads the inputs, and the caller may go on to change the list.
  return concatPrimitive([...tensors], resolveAxis('concat', axis, tensors[0].ndim));
}

/** Tensors of the same shape stacked along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  checkArgument('stack', 'tensors', tensors, tensorLists);
  check(tensors.length > 0)`stack: expected at least one tensor, got none`;
  const [first] = tensors;
  tensors.forEach((tensor, i) => {
    requireSameDType('stack', first, tensor, ['the first', `tensor ${i}`]);
    const isSame = sameShape(tensor.shape, first.shape);
    check(isSame)`stack: tensor ${i} has shape ${tensor.shape}, the first ${first.shape}`;
  });
  const at = resolveAxis('stack', axis, first.ndim + 1);
  return concat(tensors.map((tensor) => tensor.unsqueeze(at)), at);
}
