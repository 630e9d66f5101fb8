/**
 * Ops that cut blocks out of tensors and put them back. Slice and pad are each other's gradient:
 * one reads every step-th element of a block, the other writes a block of elements that far apart
 * among zeros.
 */
import * as k from '@mambagrad/kernel';
import { type Elements, type Index, scaled } from '../lowering.ts';
import { type Apply, definePrimitive } from '../primitive.ts';
import { describe, formatShape, resolveAxis, stridesOf, TensorError } from '../shape.ts';
import { copyBlock, wholeOf } from '../strided.ts';
import type { Tensor } from '../tensor.ts';

interface SliceAttributes {
  readonly start: readonly number[];
  readonly stop: readonly number[];
  readonly step: readonly number[];
}

const slicePrimitive: Apply<SliceAttributes> = definePrimitive<SliceAttributes>({
  name: 'slice',
  infer: ([x], { start, stop, step }) => ({
    shape: x.shape.map((_, axis) => Math.ceil((stop[axis] - start[axis]) / step[axis])),
    dtype: x.dtype,
  }),
  compute: ([x], output, { start, step }) => {
    const strides = stridesOf(x.shape);
    const from = {
      data: x.data,
      offset: start.reduce((sum, first, axis) => sum + first * strides[axis], 0),
      strides: strides.map((stride, axis) => stride * step[axis]),
    };
    copyBlock(output.shape, from, wholeOf(output));
  },
  lower: ([x], { start, step }, { shape }) => {
    // In one piece are neighbours along one axis, if those after it are whole and those before
    // it of one element.
    const first = shape.findIndex((size) => size !== 1);
    const isOnePiece = shape.every((size, axis) =>
      axis === first ? step[axis] === 1 : axis < first || size === x.shape[axis],
    );
    const strides = stridesOf(x.shape);
    const offset = start.reduce((sum, position, axis) => sum + position * strides[axis], 0);
    return {
      move: (index) => index.map((i, axis) => scaled(i, step[axis], start[axis])),
      offset: isOnePiece || first < 0 ? offset : undefined,
    };
  },
  gradient: (g, y, [x], { start, step }) => [
    () => {
      const last = y.shape.map((size, axis) => start[axis] + (size - 1) * step[axis]);
      const after = x.shape.map((size, axis) => size - 1 - last[axis]);
      // An empty slice has no last element; nothing of it flows back.
      if (y.numel === 0) return g.sum().broadcastTo(x.shape);
      return g.pad(start, after, { spread: step });
    },
  ],
});

/**
 * The block from `start` up to, not including, `stop`, every `step`-th (1) element along each axis.
 * All are given for the leading axes; the others stay whole. Negative positions count from the end.
 */
export function slice(
  x: Tensor,
  start: readonly number[],
  stop: readonly number[],
  step: readonly number[] = [],
): Tensor {
  if (Math.max(start.length, stop.length, step.length) > x.ndim) {
    throw new TensorError(
      `slice: start ${formatShape(start)}, stop ${formatShape(stop)}, step ${formatShape(step)} ` +
        `name more axes than ${describe(x)} has`,
    );
  }
  const position = (value: number, axis: number): number => {
    const from = value < 0 ? value + x.shape[axis] : value;
    if (!Number.isInteger(value) || from < 0 || from > x.shape[axis]) {
      throw new TensorError(`slice: position ${value} is outside axis ${axis} of ${describe(x)}`);
    }
    return from;
  };
  const starts = x.shape.map((_, axis) => position(start[axis] ?? 0, axis));
  const stops = x.shape.map((size, axis) =>
    Math.max(starts[axis], position(stop[axis] ?? size, axis)),
  );
  const steps = x.shape.map((_, axis) => step[axis] ?? 1);
  if (steps.some((size) => !Number.isInteger(size) || size < 1)) {
    throw new TensorError(`slice: steps are whole numbers from 1, not ${formatShape(step)}`);
  }
  return slicePrimitive([x], { start: starts, stop: stops, step: steps });
}

/** `length` elements from `start` on along one axis, as PyTorch's narrow. */
export function narrow(x: Tensor, axis: number, start: number, length: number): Tensor {
  const at = resolveAxis('narrow', axis, x.ndim);
  if (start < 0 || length < 0 || start + length > x.shape[at]) {
    throw new TensorError(
      `narrow: ${length} elements from ${start} on are not within axis ${at} of ${describe(x)}`,
    );
  }
  return x.slice(
    x.shape.map((_, axis) => (axis === at ? start : 0)),
    x.shape.map((size, axis) => (axis === at ? start + length : size)),
  );
}

interface PadAttributes {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly spread: readonly number[];
  readonly value: number;
}

const padPrimitive: Apply<PadAttributes> = definePrimitive<PadAttributes>({
  name: 'pad',
  infer: ([x], { before, after, spread }) => {
    const shape = x.shape.map(
      (size, axis) => before[axis] + Math.max(0, (size - 1) * spread[axis] + 1) + after[axis],
    );
    const axis = shape.findIndex((size) => size < 0);
    if (axis >= 0) {
      throw new TensorError(`pad: more is cut off than axis ${axis} of ${describe(x)} holds`);
    }
    return { shape, dtype: x.dtype };
  },
  compute: ([x], { shape, data }, { before, spread, value }) => {
    const from = stridesOf(x.shape);
    const to = stridesOf(shape);
    // Where elements are cut off, the first and the last of them that stay.
    const first = before.map((size, axis) => Math.ceil(Math.max(0, -size) / spread[axis]));
    const last = shape.map((size, axis) =>
      Math.min(x.shape[axis] - 1, Math.floor((size - 1 - before[axis]) / spread[axis])),
    );
    const offset = (strides: readonly number[], at: (axis: number) => number): number =>
      strides.reduce((sum, stride, axis) => sum + stride * at(axis), 0);
    if (value !== 0) data.fill(value);
    copyBlock(
      last.map((end, axis) => Math.max(0, end + 1 - first[axis])),
      { data: x.data, offset: offset(from, (axis) => first[axis]), strides: from },
      {
        data,
        offset: offset(to, (axis) => before[axis] + first[axis] * spread[axis]),
        strides: to.map((stride, axis) => stride * spread[axis]),
      },
    );
  },
  lower: ([{ shape, dtype }], { before, after, spread, value }) => {
    if (spread.some((distance) => distance > 1) || shape.includes(0)) return undefined;
    const outside = k.constant(dtype === 'i32' ? 'i32' : 'f32', value);
    // An index outside is brought inside, as what is loaded there is not used.
    const element = (index: Index, x: Elements): k.Value => {
      const masks: k.Value[] = [];
      const inside = index.map((i, axis) => {
        const shifted = scaled(i, 1, -before[axis]);
        if (before[axis] <= 0 && after[axis] <= 0) return shifted;
        const at = typeof shifted === 'number' ? k.constant('i32', shifted) : shifted;
        const last = shape[axis] - 1;
        if (before[axis] > 0) masks.push(k.greaterEqual(at, 0));
        if (after[axis] > 0) masks.push(k.lessEqual(at, last));
        return k.min(k.max(at, 0), last);
      });
      const found = x.at(inside);
      return masks.length === 0 ? found : k.select(masks.reduce((a, b) => k.and(a, b)), found, outside);
    };
    return { element, isCheap: true };
  },
  gradient: (g, _y, [x], { before, after, spread }) => [
    () => {
      // Padding around nothing leaves no place to take a gradient from.
      if (x.numel === 0) return g.sum().broadcastTo(x.shape);
      const whole = g.pad(
        before.map((size) => Math.max(0, -size)),
        after.map((size) => Math.max(0, -size)),
      );
      const start = before.map((size) => Math.max(0, size));
      const stop = whole.shape.map((size, axis) => size - Math.max(0, after[axis]));
      return whole.slice(start, stop, spread);
    },
  ],
});

export interface PadOptions {
  /** What the new elements hold. Default 0. */
  readonly value?: number;
  /** The distance in the result between neighbours of x, along each axis. Default 1. */
  readonly spread?: readonly number[];
}

/**
 * x with `before` new elements in front and `after` behind, along each of its axes. Negative
 * numbers cut elements off, so that one of each moves x along: pad([1], [-1]) is one step later.
 */
export function pad(
  x: Tensor,
  before: readonly number[],
  after: readonly number[],
  { value = 0, spread = x.shape.map(() => 1) }: PadOptions = {},
): Tensor {
  for (const [name, list] of Object.entries({ before, after, spread })) {
    if (list.length !== x.ndim || !list.every(Number.isInteger)) {
      throw new TensorError(
        `pad: ${name} is ${formatShape(list)}, expected a whole number for each axis of ` +
          describe(x),
      );
    }
  }
  if (spread.some((distance) => distance < 1)) {
    throw new TensorError(`pad: spread is ${formatShape(spread)}, expected distances from 1`);
  }
  return padPrimitive([x], { before, after, spread, value });
}

/** Pieces along one axis, of the given sizes; a single number cuts pieces of that size. */
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Tensor[] {
  const at = resolveAxis('split', axis, x.ndim);
  const total = x.shape[at];
  if (typeof sizes === 'number' && !(Number.isInteger(sizes) && sizes > 0)) {
    throw new TensorError(`split: a piece cannot have the size ${sizes}`);
  }
  const list =
    typeof sizes === 'number'
      ? Array.from({ length: Math.max(1, Math.ceil(total / sizes)) }, (_, i) =>
          Math.min(sizes, total - i * sizes),
        )
      : sizes;
  if (list.reduce((sum, size) => sum + size, 0) !== total) {
    throw new TensorError(
      `split: sizes ${formatShape(list)} do not add up to ${total}, axis ${at} of ${describe(x)}`,
    );
  }
  let start = 0;
  return list.map((size) => x.narrow(at, (start += size) - size, size));
}
