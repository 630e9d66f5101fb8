/**
 * The slices along an axis, without it: x₀, x₁, … They are the results of one op, as a loop over
 * many slices would otherwise add up as many gradients of the size of x: theirs is one `stack`.
 */
import { asList } from '@mambagrad/wasm';
import { zeros } from '../core/create.ts';
import type { Tensors } from '../core/lists.ts';
import type { Index } from '../core/lowering.ts';
import { defineMultiPrimitive } from '../core/primitive.ts';
import { numelOf, resolveAxis } from '../core/shape.ts';
import { copyBlock } from '../core/strided.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireTensor } from './define.ts';

const unbindPrimitive = defineMultiPrimitive<number>({
  name: 'unbind',
  infer: ([{ shape, dtype }], axis) =>
    Array.from({ length: shape[axis] }, () => ({ shape: shape.toSpliced(axis, 1), dtype })),
  compute: ([array], slices, axis) => {
    slices.forEach((slice, i) => {
      copyBlock(slice.shape, { array, at: inSlice(axis, i) }, { array: slice });
    });
  },
  lower: ([{ shape }], axis, slices) => {
    const isOnePiece = numelOf(shape.slice(0, axis)) === 1;
    return slices.map((slice, i) => (
      { move: inSlice(axis, i), offset: isOnePiece ? i * numelOf(slice.shape) : undefined }
    ));
  },
  gradient: (cotangents, slices, [{ dtype }], axis) => [
    () => {
      const [first, ...others] = cotangents.map(
        (g, i) => g ?? zeros(slices[i].shape, { dtype }),
      );
      return first.stack(others, axis);
    },
  ],
});

/** The index in x of the element at an index of slice i. */
function inSlice(axis: number, i: number): (index: Index) => Index {
  return (index) => index.toSpliced(axis, 0, i);
}

/** The slices along an axis, without it. */
export function unbind(x: Tensor, axis = 0): Tensors {
  requireTensor('unbind', 'x', x);
  const at = resolveAxis('unbind', axis, x.ndim);
  return asList(x.shape[at] === 0 ? [] : [...unbindPrimitive([x], at)]);
}
