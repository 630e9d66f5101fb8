/**
 * Ops that join a list of tensors: end to end along an axis that they have, or side by side along a
 * new one. The gradient hands each its own block back.
 */
import * as k from '@mambagrad/kernel';
import { flatIndex, forEach, scaled } from '../lowering.ts';
import { type Apply, definePrimitive } from '../primitive.ts';
import { describe, formatShape, resolveAxis, sameShape, stridesOf, TensorError } from '../shape.ts';
import { copyBlock, wholeOf } from '../strided.ts';
import type { Tensor } from '../tensor.ts';
import { requireSameDType } from './define.ts';

const concatPrimitive: Apply<number> = definePrimitive<number>({
  name: 'concat',
  infer: (inputs, axis) => {
    const [first] = inputs;
    for (const [i, input] of inputs.entries()) {
      requireSameDType('concat', first, input, ['the first', `tensor ${i}`]);
      if (!sameShape(first.shape.toSpliced(axis, 1), input.shape.toSpliced(axis, 1))) {
        throw new TensorError(
          `concat: tensor ${i} is ${describe(input)}, the first is ${describe(first)}; only axis ` +
            `${axis} may differ`,
        );
      }
    }
    const size = inputs.reduce((sum, input) => sum + input.shape[axis], 0);
    return { shape: first.shape.with(axis, size), dtype: first.dtype };
  },
  compute: (inputs, { shape, data }, axis) => {
    const strides = stridesOf(shape);
    let offset = 0;
    for (const input of inputs) {
      copyBlock(input.shape, wholeOf(input), { data, offset, strides });
      offset += input.shape[axis] * strides[axis];
    }
  },
  lower: (_inputs, axis, { shape }) => ({
    kernel: (inputs, y) => {
      let start = 0;
      return inputs.map((input) => {
        const from = start;
        start += input.shape[axis];
        return forEach(input.shape, (at) => {
          const place = flatIndex(at.with(axis, scaled(at[axis], 1, from)), shape);
          return k.store(y, place, input.at(at));
        });
      });
    },
  }),
  gradient: (g, _y, inputs, axis) => {
    let start = 0;
    return inputs.map((input) => {
      const from = start;
      start += input.shape[axis];
      return () => g.narrow(axis, from, input.shape[axis]);
    });
  },
});

/** Tensors one after the other along an existing axis. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  if (tensors.length === 0) throw new TensorError('concat: expected at least one tensor, got none');
  return concatPrimitive(tensors, resolveAxis('concat', axis, tensors[0].ndim));
}

/** Tensors of one shape side by side along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  const [first] = tensors;
  if (first === undefined) throw new TensorError('stack: expected at least one tensor, got none');
  for (const [i, { shape }] of tensors.entries()) {
    if (!sameShape(shape, first.shape)) {
      throw new TensorError(
        `stack: tensor ${i} has shape ${formatShape(shape)}, the first ${formatShape(first.shape)}`,
      );
    }
  }
  const at = resolveAxis('stack', axis, first.ndim + 1);
  return concat(
    tensors.map((tensor) => tensor.unsqueeze(at)),
    at,
  );
}
