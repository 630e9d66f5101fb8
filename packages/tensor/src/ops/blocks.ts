/**
 * Ops that cut blocks out of tensors and put them back. Slice and pad are each other's gradient:
 * slice reads every step-th element of a block, and pad writes elements that far apart into a block
 * of zeros.
 */
import * as k from '@mambagrad/kernel';
import { asList } from '@mambagrad/wasm';
import type { Tensors } from '../core/lists.ts';
import type { Elements, Index } from '../core/lowering.ts';
import { anyNumber, listOf, readOptions, type Table, whole } from '../core/options.ts';
import { definePrimitive } from '../core/primitive.ts';
import { check, resolveAxis } from '../core/shape.ts';
import { copyBlock } from '../core/strided.ts';
import type { Tensor } from '../core/tensor.ts';
import { move, requireCount, requireCounts, requireList, requireTensor } from './define.ts';

/** Lists that have a number for each axis, by name. */
type PerAxis<Names extends string> = Readonly<Record<Names, readonly number[]>>;

const slicePrimitive = move<PerAxis<'start' | 'stop' | 'step'>>('slice', {
  shape: (x, { start, stop, step }) =>
    x.shape.map((_, axis) => Math.ceil((stop[axis] - start[axis]) / step[axis])),
  from: ({ start, step }) => (index) =>
    index.map((i, axis) => k.plus(k.times(i, step[axis]), start[axis])),
  gradient: (g, { start, step }, x, y) => {
    const after = x.map((size, axis) => size - start[axis] - spreadOut(y[axis], step[axis]));
    return g.pad(start, after, { spread: step });
  },
});

/** The length of an axis of `size` elements once neighbours are `spread` apart. */
function spreadOut(size: number, spread: number): number {
  return size === 0 ? 0 : (size - 1) * spread + 1;
}

/**
 * The block from `start` up to, not including, `stop`: every `step`-th element along each axis, or
 * every one if `step` is left out. Shorter lists are for the leading axes; the others stay whole.
 * Negative positions count from the end.
 */
export function slice(
  x: Tensor, start: readonly number[], stop: readonly number[], step: readonly number[] = [],
): Tensor {
  requireTensor('slice', 'x', x);
  requireList('slice', 'start', start);
  requireList('slice', 'stop', stop);
  requireList('slice', 'step', step);
  const named = Math.max(start.length, stop.length, step.length);
  check(named <= x.ndim)`slice: start ${start}, stop ${stop}, step ${step} name more axes than ${x}
    has`;
  const position = (value: number, axis: number): number => {
    const isWhole = Number.isInteger(value);
    const from = isWhole && value < 0 ? value + x.shape[axis] : value;
    const isWithin = isWhole && from >= 0 && from <= x.shape[axis];
    check(isWithin)`slice: position ${value} is outside axis ${axis} of ${x}`;
    return from;
  };
  const starts = x.shape.map((_, axis) => position(start[axis] ?? 0, axis));
  const stops = x.shape.map((size, axis) =>
    Math.max(starts[axis], position(stop[axis] ?? size, axis)),
  );
  const steps = x.shape.map((_, axis) => step[axis] ?? 1);
  requireCounts('slice', 'step', steps, 1);
  return slicePrimitive([x], { start: starts, stop: stops, step: steps });
}

/** The `length` elements from `start` on along one axis, as PyTorch's narrow. */
export function narrow(x: Tensor, axis: number, start: number, length: number): Tensor {
  requireTensor('narrow', 'x', x);
  const at = resolveAxis('narrow', axis, x.ndim);
  requireCount('narrow', 'start', start, 0);
  requireCount('narrow', 'length', length, 0);
  const isWithin = start + length <= x.shape[at];
  check(isWithin)`narrow: start is ${start} and length ${length}, expected at most ${x.shape[at]}
    together, the size of axis ${at} of ${x}`;
  const starts = new Array<number>(x.ndim).fill(0);
  const step = new Array<number>(x.ndim).fill(1);
  starts[at] = start;
  return slicePrimitive([x], { start: starts, stop: x.shape.with(at, start + length), step });
}

/** Options of `pad`, besides how many elements come before and after along each axis. */
export interface PadOptions {
  /** What the new elements hold. Default 0. */
  readonly value?: number | undefined;
  /** The distance in the result between neighbours of x, along each axis; 1 if left out. */
  readonly spread?: readonly number[] | undefined;
}

const padOptions = {
  value: anyNumber.orElse(0),
  spread: listOf(whole(1)).optional(),
} satisfies Table<PadOptions>;

interface PadAttributes extends PerAxis<'before' | 'after' | 'spread'> {
  readonly value: number;
}

const padPrimitive = definePrimitive<PadAttributes>({
  name: 'pad',
  infer: ([x], { before, after, spread }) => ({
    shape: x.shape.map((size, axis) => before[axis] + spreadOut(size, spread[axis]) + after[axis]),
    dtype: x.dtype,
  }),
  compute: ([x], y, { before, spread, value }) => {
    // The array of a result is zeros.
    if (!Object.is(value, 0)) y.data.fill(value);
    const at = (index: Index): Index =>
      index.map((i, axis) => k.plus(k.times(i, spread[axis]), before[axis]));
    copyBlock(x.shape, { array: x }, { array: y, at });
  },
  lower: ([{ shape, dtype }], { before, after, spread, value }) => {
    if (spread.some((distance) => distance > 1) || shape.includes(0)) return undefined;
    const outside = k.constant(dtype === 'i32' ? 'i32' : 'f32', value);
    // Indices outside x are clamped, and what is loaded there is replaced by `value`.
    const element = (index: Index, x: Elements): k.Expr => {
      const masks: k.Expr[] = [];
      const inside = index.map((i, axis) => {
        if (before[axis] === 0 && after[axis] === 0) return i;
        const shifted = k.minus(i, before[axis]);
        const at = typeof shifted === 'number' ? k.constant('i32', shifted) : shifted;
        if (before[axis] > 0) masks.push(k.greaterEqual(at, 0));
        if (after[axis] > 0) masks.push(k.lessEqual(at, shape[axis] - 1));
        return k.clampIndex(at, shape[axis]);
      });
      const found = x.at(inside);
      if (masks.length === 0) return found;
      return k.select(masks.reduce((a, b) => k.and(a, b)), found, outside);
    };
    return { element, isCheap: true };
  },
  gradient: (g, _y, _inputs, { before, after, spread }) => [
    () => g.slice(before, g.shape.map((size, axis) => size - after[axis]), spread),
  ],
});

/**
 * x with `before` new elements at the start and `after` at the end of each axis. Negative numbers
 * cut elements off, so one of each shifts x: pad([1], [-1]) delays it by one step.
 */
export function pad(
  x: Tensor, before: readonly number[], after: readonly number[],
  options: PadOptions = {},
): Tensor {
  requireTensor('pad', 'x', x);
  const { value, spread = x.shape.map(() => 1) } = readOptions('pad', options, padOptions);
  requireCounts('pad', 'before', before, -Infinity, x.ndim);
  requireCounts('pad', 'after', after, -Infinity, x.ndim);
  requireCounts('pad', 'spread', spread, 1, x.ndim);
  const isHeld = x.dtype !== 'i32' || (value | 0) === value;
  check(isHeld)`pad: value is ${value}, which is not an i32, as x is`;
  // Pad before cutting: there may be more to cut off than x has.
  const added = (list: readonly number[]) => list.map((count) => Math.max(0, count));
  const isLarger = [...before, ...after].some((count) => count > 0) || spread.some((n) => n > 1);
  // Copies, as the backward pass reads them.
  const attributes = { before: added(before), after: added(after), spread: [...spread], value };
  const whole = isLarger ? padPrimitive([x], attributes) : x;
  if (before.every((count) => count >= 0) && after.every((count) => count >= 0)) return whole;
  const start = before.map((count) => Math.max(0, -count));
  const stop = whole.shape.map((size, axis) => size - Math.max(0, -after[axis]));
  const wrong = start.findIndex((first, axis) => first > stop[axis]);
  check(wrong < 0)`pad: more is cut off than axis ${wrong} of ${x} holds`;
  return whole.slice(start, stop);
}

/** Pieces along one axis, of the given sizes; a single number cuts pieces of that size. */
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Tensors {
  requireTensor('split', 'x', x);
  const at = resolveAxis('split', axis, x.ndim);
  const total = x.shape[at];
  if (typeof sizes === 'number') {
    requireCount('split', 'sizes', sizes, 1);
    const whole = new Array<number>(Math.floor(total / sizes)).fill(sizes);
    const rest = total % sizes;
    return split(x, rest > 0 || total === 0 ? [...whole, rest] : whole, at);
  }
  requireCounts('split', 'sizes', sizes, 0);
  const isWhole = sizes.reduce((sum, size) => sum + size, 0) === total;
  check(isWhole)`split: sizes ${sizes} do not add up to ${total}, axis ${at} of ${x}`;
  let start = 0;
  return asList(sizes.map((size) => x.narrow(at, (start += size) - size, size)));
}
