/**
 * Ops that rearrange elements: they change the shape, the order of axes or the direction, or repeat
 * them. Each is a rule that says which element of x an element of the result is. The gradient
 * rearranges back: of permute it is the inverse permutation, of flip a flip, of broadcastTo the sum
 * over the repeated axes.
 */
import { minus } from '@mambagrad/kernel';
import { broadcastIndex, type Index } from '../core/lowering.ts';
import { definePrimitive } from '../core/primitive.ts';
import {
  type Axes, broadcastsTo, check, checkShape, numelOf, resolveAxes, resolveAxis, sameShape,
  type Shape,
} from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { move, requireTensor } from './define.ts';

const reshapePrimitive = definePrimitive<Shape>({
  name: 'reshape',
  infer: ([x], shape) => {
    const count = numelOf(shape);
    check(count === x.numel)`reshape: ${x} has ${x.numel} elements, ${shape} has ${count}`;
    return { shape, dtype: x.dtype };
  },
  compute: ([x], { data }) => data.set(x.data),
  // Adding or removing axes of size 1 is a rule for indices; any other reshape aliases the array.
  lower: ([x], shape) => {
    const longAxes = (sizes: Shape) => sizes.flatMap((size, axis) => (size === 1 ? [] : [axis]));
    const [own, given] = [longAxes(x.shape), longAxes(shape)];
    const sizes = own.map((axis) => x.shape[axis]);
    if (!sameShape(sizes, given.map((axis) => shape[axis]))) return undefined;
    const from = (index: Index): Index =>
      x.shape.map((size, axis) => (size === 1 ? 0 : index[given[own.indexOf(axis)]]));
    return { move: from, offset: 0 };
  },
  gradient: (g, _y, [x]) => [() => g.reshape(x.shape)],
  sharesData: true,
});

/** The same elements in the same order in another shape. One size may be −1: it is inferred. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  requireTensor('reshape', 'x', x);
  const free = Array.isArray(shape) ? shape.indexOf(-1) : -1;
  if (free < 0) {
    checkShape('reshape', shape);
    return sameShape(x.shape, shape) ? x : reshapePrimitive([x], [...shape]);
  }
  const others = numelOf(checkShape('reshape', shape.toSpliced(free, 1)));
  const size = others === 0 ? NaN : x.numel / others;
  const isOne = Number.isInteger(size);
  check(isOne)`reshape: ${shape} leaves no single size for the −1, from ${x}`;
  return reshape(x, shape.with(free, size));
}

/**
 * The axes from `startAxis` to `endAxis` as one: [2, 3, 4] is flattened to [24], and by
 * `flatten(1)` to [2, 12]. A scalar becomes [1]. Default all axes.
 */
export function flatten(x: Tensor, startAxis = 0, endAxis = -1): Tensor {
  requireTensor('flatten', 'x', x);
  if (x.ndim === 0 && startAxis === 0 && endAxis === -1) return x.reshape([1]);
  const [start, end] = [startAxis, endAxis].map((axis) => resolveAxis('flatten', axis, x.ndim));
  check(start <= end)`flatten: startAxis ${startAxis} comes after endAxis ${endAxis} in ${x}`;
  const size = numelOf(x.shape.slice(start, end + 1));
  return x.reshape([...x.shape.slice(0, start), size, ...x.shape.slice(end + 1)]);
}

/** A new axis of size 1 before the given one; −1 puts it last. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  requireTensor('unsqueeze', 'x', x);
  const at = resolveAxis('unsqueeze', axis, x.ndim + 1);
  return x.reshape(x.shape.toSpliced(at, 0, 1));
}

/** x without the given axes, which must have size 1; without all axes of size 1 by default. */
export function squeeze(x: Tensor, axis?: Axes): Tensor {
  requireTensor('squeeze', 'x', x);
  if (axis === undefined) return x.reshape(x.shape.filter((size) => size !== 1));
  const axes = resolveAxes('squeeze', axis, x.ndim);
  for (const at of axes) {
    check(x.shape[at] === 1)`squeeze: axis ${at} of ${x} has size ${x.shape[at]}, not 1`;
  }
  return x.reshape(x.shape.filter((_, at) => !axes.includes(at)));
}

const detachPrimitive = definePrimitive<null>({
  name: 'detach',
  infer: ([x]) => x,
  compute: ([x], { data }) => data.set(x.data),
  lower: () => ({ move: (index) => index, offset: 0 }),
  sharesData: true,
});

/** The same values as a constant: no gradient flows through it. Also called `stopGradient`. */
export function detach(x: Tensor): Tensor {
  requireTensor('detach', 'x', x);
  return detachPrimitive([x], null);
}

const permutePrimitive = move<readonly number[]>('permute', {
  shape: (x, order) => order.map((axis) => x.shape[axis]),
  from: (order) => (index) => order.map((_, axis) => index[order.indexOf(axis)]),
  gradient: (g, order) => g.permute(order.map((_, axis) => order.indexOf(axis))),
});

/** x with its axes in another order: axis i of the result is axis `order[i]` of x. */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  requireTensor('permute', 'x', x);
  check(Array.isArray(order))`permute: order is ${order}, expected an array of axes`;
  const axes = Array.from(order, (axis) => resolveAxis('permute', axis, x.ndim));
  const isWhole = resolveAxes('permute', axes, x.ndim).length === x.ndim;
  check(isWhole)`permute: ${order} does not name each of the ${x.ndim} axes of ${x}`;
  return permutePrimitive([x], axes);
}

/** x with two axes swapped. */
export function transpose(x: Tensor, axis0: number, axis1: number): Tensor {
  requireTensor('transpose', 'x', x);
  const first = resolveAxis('transpose', axis0, x.ndim);
  const second = resolveAxis('transpose', axis1, x.ndim);
  const order = Array.from(x.shape, (_, axis) => axis);
  [order[first], order[second]] = [second, first];
  return permutePrimitive([x], order);
}

const broadcastPrimitive = move<Shape>('broadcastTo', {
  shape: (x, shape) => {
    check(broadcastsTo(x.shape, shape))`broadcastTo: ${x} does not broadcast to ${shape}; from the
      last axis on, sizes must be equal or 1 in x`;
    return shape;
  },
  from: (_shape, own) => (index) => broadcastIndex(index, own),
  gradient: (g) => g,
});

/** x repeated along axes of size 1 and missing leading axes until it has the given shape. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  requireTensor('broadcastTo', 'x', x);
  checkShape('broadcastTo', shape);
  return sameShape(x.shape, shape) ? x : broadcastPrimitive([x], [...shape]);
}

const flipPrimitive = move<readonly number[]>('flip', {
  shape: (x) => x.shape,
  from: (axes, own) => (index) =>
    index.map((i, axis) => (axes.includes(axis) ? minus(own[axis] - 1, i) : i)),
  gradient: (g, axes) => g.flip(axes),
});

/** x with the order of elements reversed along the given axes, or along all. */
export function flip(x: Tensor, axis?: Axes): Tensor {
  requireTensor('flip', 'x', x);
  return flipPrimitive([x], resolveAxes('flip', axis, x.ndim));
}
