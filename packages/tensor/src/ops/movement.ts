/**
 * Ops that give the same elements another arrangement: another shape, order of axes or direction,
 * or repeat them. Each is one strided copy (or none), and each has its like as gradient: permute
 * the inverse permutation, flip itself, broadcastTo the sum over what was repeated.
 */
import { broadcastIndex, scaled } from '../lowering.ts';
import { type Apply, definePrimitive } from '../primitive.ts';
import {
  broadcastShapes, broadcastStrides, checkShape, describe, formatShape, numelOf, resolveAxes,
  resolveAxis, sameShape, type Axes, type Shape, stridesOf, TensorError,
} from '../shape.ts';
import { copyBlock, wholeOf } from '../strided.ts';
import type { Tensor } from '../tensor.ts';

const reshapePrimitive: Apply<Shape> = definePrimitive<Shape>({
  name: 'reshape',
  infer: ([x], shape) => {
    if (numelOf(shape) !== x.numel) {
      throw new TensorError(
        `reshape: ${describe(x)} has ${x.numel} elements, ${formatShape(shape)} has ` +
          `${numelOf(shape)}`,
      );
    }
    return { shape, dtype: x.dtype };
  },
  compute: ([x], { data }) => data.set(x.data),
  // Axes of size 1 come and go without moving anything; else it is another look at the array.
  lower: ([x], shape) => {
    const axesOf = (sizes: Shape) => sizes.flatMap((size, axis) => (size === 1 ? [] : [axis]));
    const [from, to] = [axesOf(x.shape), axesOf(shape)];
    const isSame = sameShape(from.map((axis) => x.shape[axis]), to.map((axis) => shape[axis]));
    const place = (axis: number) => to[from.indexOf(axis)];
    return isSame
      ? {
          move: (index) => x.shape.map((size, axis) => (size === 1 ? 0 : index[place(axis)])),
          offset: 0,
        }
      : undefined;
  },
  gradient: (g, _y, [x]) => [() => g.reshape(x.shape)],
  sharesData: true,
});

/** The same elements, in the same order, under another shape. One size may be −1: what is left. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const free = shape.indexOf(-1);
  if (free < 0) {
    checkShape('reshape', shape);
    return sameShape(x.shape, shape) ? x : reshapePrimitive([x], [...shape]);
  }
  const others = numelOf(shape.filter((_, axis) => axis !== free));
  const size = others === 0 ? NaN : x.numel / others;
  if (!Number.isInteger(size) || shape.indexOf(-1, free + 1) >= 0) {
    throw new TensorError(
      `reshape: ${formatShape(shape)} leaves no single size for the −1, from ${describe(x)}`,
    );
  }
  return reshape(x, shape.with(free, size));
}

/** All elements in one axis. */
export function flatten(x: Tensor): Tensor {
  return x.reshape([x.numel]);
}

/** A new axis of size 1 before the given one; −1 puts it last. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const at = resolveAxis('unsqueeze', axis, x.ndim + 1);
  return x.reshape(x.shape.toSpliced(at, 0, 1));
}

/** Without the given axis, which must have size 1; without all such axes if it is left out. */
export function squeeze(x: Tensor, axis?: Axes): Tensor {
  if (axis === undefined) return x.reshape(x.shape.filter((size) => size !== 1));
  const axes = resolveAxes('squeeze', axis, x.ndim);
  for (const at of axes) {
    if (x.shape[at] !== 1) {
      throw new TensorError(`squeeze: axis ${at} of ${describe(x)} has size ${x.shape[at]}, not 1`);
    }
  }
  return x.reshape(x.shape.filter((_, at) => !axes.includes(at)));
}

const detachPrimitive: Apply<null> = definePrimitive<null>({
  name: 'detach',
  infer: ([x]) => x,
  compute: ([x], { data }) => data.set(x.data),
  lower: () => ({ move: (index) => index, offset: 0 }),
  sharesData: true,
});

/** The same values as a constant: gradients do not flow through it. Also `stopGradient`. */
export function detach(x: Tensor): Tensor {
  return detachPrimitive([x], null);
}

const permutePrimitive: Apply<readonly number[]> = definePrimitive<readonly number[]>({
  name: 'permute',
  infer: ([x], order) => ({ shape: order.map((axis) => x.shape[axis]), dtype: x.dtype }),
  compute: ([x], output, order) => {
    const strides = stridesOf(x.shape);
    const from = { data: x.data, offset: 0, strides: order.map((axis) => strides[axis]) };
    copyBlock(output.shape, from, wholeOf(output));
  },
  lower: (_inputs, order) => ({ move: (index) => order.map((_, i) => index[order.indexOf(i)]) }),
  gradient: (g, _y, _inputs, order) => [() => g.permute(order.map((_, i) => order.indexOf(i)))],
});

/** Axes in another order: axis i of the result is axis `order[i]` of x. */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const axes = order.map((axis) => resolveAxis('permute', axis, x.ndim));
  if (resolveAxes('permute', axes, x.ndim).length !== x.ndim) {
    throw new TensorError(
      `permute: ${formatShape(order)} does not name each of the ${x.ndim} axes of ${describe(x)}`,
    );
  }
  return permutePrimitive([x], axes);
}

/** Two axes swapped. */
export function transpose(x: Tensor, axis0: number, axis1: number): Tensor {
  const first = resolveAxis('transpose', axis0, x.ndim);
  const second = resolveAxis('transpose', axis1, x.ndim);
  const order = Array.from(x.shape, (_, axis) => axis);
  [order[first], order[second]] = [second, first];
  return permutePrimitive([x], order);
}

const broadcastPrimitive: Apply<Shape> = definePrimitive<Shape>({
  name: 'broadcastTo',
  infer: ([x], shape) => {
    const common = broadcastShapes(x.shape, shape);
    if (common === undefined || !sameShape(common, shape)) {
      throw new TensorError(
        `broadcastTo: ${describe(x)} does not broadcast to ${formatShape(shape)}; from the last ` +
          'axis on, sizes must be equal or 1 in x',
      );
    }
    return { shape, dtype: x.dtype };
  },
  compute: ([x], output) => {
    const strides = broadcastStrides(x.shape, output.shape);
    copyBlock(output.shape, { data: x.data, offset: 0, strides }, wholeOf(output));
  },
  lower: ([x]) => ({ move: (index) => broadcastIndex(index, x.shape) }),
  gradient: (g) => [() => g],
});

/** x repeated along axes of size 1 and missing leading axes until it has the given shape. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  checkShape('broadcastTo', shape);
  return sameShape(x.shape, shape) ? x : broadcastPrimitive([x], [...shape]);
}

const flipPrimitive: Apply<readonly number[]> = definePrimitive<readonly number[]>({
  name: 'flip',
  infer: ([x]) => x,
  compute: ([x], output, axes) => {
    const strides = stridesOf(x.shape);
    const backwards = strides.map((stride, axis) => (axes.includes(axis) ? -stride : stride));
    const offset = axes.reduce((sum, axis) => sum + (x.shape[axis] - 1) * strides[axis], 0);
    copyBlock(x.shape, { data: x.data, offset, strides: backwards }, wholeOf(output));
  },
  lower: ([x], axes) => ({
    move: (index) =>
      index.map((i, axis) => (axes.includes(axis) ? scaled(i, -1, x.shape[axis] - 1) : i)),
  }),
  gradient: (g, _y, _inputs, axes) => [() => g.flip(axes)],
});

/** The order of elements reversed along the given axes, or along all. */
export function flip(x: Tensor, axis?: Axes): Tensor {
  return flipPrimitive([x], resolveAxes('flip', axis, x.ndim));
}
