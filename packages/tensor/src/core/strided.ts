/**
 * Strided loops over several arrays. An op on tensors of different layouts (broadcast, permuted,
 * sliced, flipped) is one nest of loops in which each array has its own strides: 0 where it
 * repeats, negative where it is read backwards.
 *
 * Here the nest has two levels: an inner loop along a row, and an outer one over rows, whose
 * starting offsets are computed first. Neighbouring axes are merged where all arrays have even
 * strides, so arrays of equal layout are one long row.
 */
import { dtypeOf, type TypedArray } from './dtype.ts';
import type { Index } from './lowering.ts';
import { broadcastStrides, numelOf, sameShape, type Shape, stridesOf } from './shape.ts';
import type { NDArray } from './tensor.ts';

/** The iteration over a shape, cut into rows; see `rowsOf`. */
export interface Rows {
  /** The number of elements in a row. */
  readonly length: number;
  /** For each array, the offset at which each row starts. */
  readonly starts: readonly Int32Array[];
  /** For each array, the distance between neighbours in a row. */
  readonly steps: readonly number[];
}

/**
 * Cuts the iteration over `shape` into rows, for arrays that move by the given strides.
 * Neighbouring axes that all arrays walk evenly become one, so that rows are as long as can be.
 *
 *     // A [2, 3] beside a [3] that is broadcast.
 *     rowsOf([2, 3], [[3, 1], [0, 1]])    // length 3, starts [[0, 3], [0, 0]], steps [1, 1]
 */
export function rowsOf(shape: Shape, strides: readonly (readonly number[])[]): Rows {
  const { sizes, strides: merged } = mergeAxes(shape, strides);
  const length = sizes.pop() ?? 1;
  const steps = merged.map((own) => own.pop() ?? 0);
  const isOneRow = sizes.length === 0;
  const starts = merged.map((own) => (isOneRow ? origin : offsetsOf(sizes, own)));
  return { length, steps, starts };
}

/** The sizes of a shape, and the strides along them, with as few axes as there can be. */
function mergeAxes(
  shape: Shape, strides: readonly (readonly number[])[],
): { sizes: number[]; strides: number[][] } {
  const sizes: number[] = [];
  const merged: number[][] = strides.map(() => []);
  // Plain loops: for small tensors this takes as long as the arithmetic.
  for (let axis = 0; axis < shape.length; axis++) {
    const size = shape[axis];
    if (size === 1) continue;
    const last = sizes.length - 1;
    let isEven = last >= 0;
    for (let k = 0; isEven && k < strides.length; k++) {
      isEven = merged[k][last] === strides[k][axis] * size;
    }
    // It becomes one with the axis before it, or is the next.
    const at = isEven ? last : last + 1;
    sizes[at] = (sizes[at] ?? 1) * size;
    for (let k = 0; k < strides.length; k++) merged[k][at] = strides[k][axis];
  }
  return { sizes, strides: merged };
}

/** The rows of arrays that are broadcast to `shape`. */
export function broadcastRows(shape: Shape, arrays: readonly NDArray[]): Rows {
  // Most are of that shape, or single numbers: then all is one row.
  const isOneRow = arrays.every((x) => x.shape.length === 0 || sameShape(x.shape, shape));
  if (!isOneRow) return rowsOf(shape, arrays.map((x) => broadcastStrides(x.shape, shape)));
  const steps = arrays.map((x) => (x.shape.length === 0 ? 0 : 1));
  return { length: numelOf(shape), steps, starts: arrays.map(() => origin) };
}

/** The start of a single row; made once, as arrays are slow to make beside an op on few numbers. */
const origin = new Int32Array(1);

/** The offsets, in row-major order, of all elements of an array with the given strides. */
export function offsetsOf(sizes: Shape, strides: readonly number[]): Int32Array {
  const offsets = new Int32Array(numelOf(sizes));
  if (offsets.length === 0) return offsets;
  // The offsets along the inner axes repeat for each index of the next outer one.
  for (let axis = sizes.length - 1, done = 1; axis >= 0; done *= sizes[axis--]) {
    for (let i = 1; i < sizes[axis]; i++) {
      const shift = i * strides[axis];
      for (let j = 0; j < done; j++) offsets[i * done + j] = offsets[j] + shift;
    }
  }
  return offsets;
}

/** The lines of an array along one axis. */
export interface Lines {
  /** The offset at which each line starts. */
  readonly starts: Int32Array;
  /** The number of elements in a line. */
  readonly length: number;
  /** The distance between neighbours in a line. */
  readonly stride: number;
}

/**
 * The lines along an axis of a row-major array of this shape: element i of a line is at
 * `start + i * stride`.
 *
 *     linesOf([2, 3], 0)    // { starts: [0, 1, 2], length: 2, stride: 3 }
 */
export function linesOf(shape: Shape, axis: number): Lines {
  const strides = stridesOf(shape);
  const starts = offsetsOf(shape.with(axis, 1), strides);
  return { starts, length: shape[axis], stride: strides[axis] };
}

/** An array, and a rule from an index to the index of its element; by default the same index. */
export interface Place {
  readonly array: NDArray;
  readonly at?: (index: Index) => Index;
}

/**
 * The layout of the elements that an affine rule `at` picks from an array of `shape`: the offset of
 * the first, and the strides, found by one step along each axis.
 */
export function layoutOf(
  at: (index: Index) => Index, ndim: number, shape: Shape,
): { readonly offset: number; readonly strides: readonly number[] } {
  const index = new Array<number>(ndim).fill(0);
  const offset = placeOf(at(index), shape);
  const strides = new Array<number>(ndim);
  for (let axis = 0; axis < ndim; axis++) {
    index[axis] = 1;
    strides[axis] = placeOf(at(index), shape) - offset;
    index[axis] = 0;
  }
  return { offset, strides };
}

/** `flatIndex` of numbers: as a plain loop, since every copy asks it once for each axis. */
function placeOf(index: Index, shape: Shape): number {
  let sum = 0;
  for (let axis = shape.length - 1, stride = 1; axis >= 0; stride *= shape[axis--]) {
    if (shape[axis] !== 1) sum += Number(index[axis]) * stride;
  }
  return sum;
}

/** Copies, for each index of the given shape, one element from one array to another. */
export function copyBlock(shape: Shape, from: Place, to: Place): void {
  const source = layoutOfPlace(from, shape.length);
  const target = layoutOfPlace(to, shape.length);
  const { sizes, strides: [reads, writes] } = mergeAxes(shape, [source.strides, target.strides]);
  if (sizes.includes(0)) return;
  const { data: read } = from.array;
  const { data: written } = to.array;
  const block = { sizes, reads, writes, from: source.offset, to: target.offset };
  copyLoops[dtypeOf(written)](read, written, block);
}

function layoutOfPlace({ array, at }: Place, ndim: number): ReturnType<typeof layoutOf> {
  return at ? layoutOf(at, ndim, array.shape) : { offset: 0, strides: stridesOf(array.shape) };
}

/** A block to copy: its sizes, none of them 0, and strides and first element in both arrays. */
interface Block {
  readonly sizes: readonly number[];
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  readonly from: number;
  readonly to: number;
}

/**
 * The loop of `copyBlock`, row by row. It counts the rows in an index, as small copies are many,
 * and a list of offsets would cost as much as they do.
 */
const makeCopy = () =>
  (source: TypedArray, target: TypedArray, { sizes, reads, writes, from, to }: Block): void => {
    const last = sizes.length - 1;
    const length = last < 0 ? 1 : sizes[last];
    const readStep = last < 0 ? 1 : reads[last];
    const writeStep = last < 0 ? 1 : writes[last];
    const isWhole = readStep === 1 && writeStep === 1 && length >= 32;
    const index = sizes.map(() => 0);
    let start = from;
    let end = to;
    for (;;) {
      if (isWhole) {
        target.set(source.subarray(start, start + length), end);
      } else {
        for (let n = 0, i = start, j = end; n < length; n++, i += readStep, j += writeStep) {
          target[j] = source[i];
        }
      }
      let axis = last - 1;
      for (; axis >= 0 && index[axis] === sizes[axis] - 1; axis--) {
        start -= index[axis] * reads[axis];
        end -= index[axis] * writes[axis];
        index[axis] = 0;
      }
      if (axis < 0) return;
      index[axis]++;
      start += reads[axis];
      end += writes[axis];
    }
  };

/** An array of numbers in a loop that works for every dtype. */
export type NumberArray = { readonly length: number; [index: number]: number };

/**
 * A copy of a loop around `f` for one op alone. V8 collects types and inlines calls per function in
 * the source, so a loop that many ops share is megamorphic: it calls `f` without inlining, 5 to 10
 * times slower for an addition. So we compile `makeLoop` again from its text, which must not refer
 * to anything outside. The op's name is part of the text, since V8 compiles equal texts once. Where
 * a content security policy forbids code from text, all ops use the shared loop.
 */
export function ownLoop<F, Loop>(name: string, makeLoop: (f: F) => Loop, f: F): Loop {
  try {
    const own = new Function(`/* ${name} */ return (${String(makeLoop)})`) as () => typeof makeLoop;
    return own()(f);
  } catch {
    return makeLoop(f);
  }
}

const copyLoops = {
  f32: ownLoop('copy f32', makeCopy, undefined),
  f64: ownLoop('copy f64', makeCopy, undefined),
  i32: ownLoop('copy i32', makeCopy, undefined),
};
