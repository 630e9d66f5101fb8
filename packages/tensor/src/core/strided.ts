/**
 * Walking several arrays in step. An op on tensors of different layouts (broadcast, permuted,
 * sliced, flipped) is one set of nested loops in which every array moves by strides of its own: 0
 * where it repeats, negative where it runs backwards.
 *
 * All loops here have two levels: an inner one along a row, and an outer one over the rows, whose
 * starting offsets are worked out ahead. Neighbouring axes that every array walks evenly are merged
 * first, so that arrays of equal layout are one long row.
 */
import { flatIndex, type Index } from './lowering.ts';
import { numelOf, type Shape, stridesOf } from './shape.ts';
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
  const sizes: number[] = [];
  const merged: number[][] = strides.map(() => []);
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    const isEven = strides.every((own, k) => merged[k][last] === own[axis] * size);
    // It becomes one with the axis before it, or is the next.
    const at = last >= 0 && isEven ? last : last + 1;
    sizes[at] = (sizes[at] ?? 1) * size;
    strides.forEach((own, k) => (merged[k][at] = own[axis]));
  });
  const length = sizes.pop() ?? 1;
  const steps = merged.map((own) => own.pop() ?? 0);
  return { length, steps, starts: merged.map((own) => offsetsOf(sizes, own)) };
}

/** Where the elements of an array lie that moves by the given strides, in order. */
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

/** An array, and where in it the element with an index is: at that index, if it is left out. */
export interface Place {
  readonly array: NDArray;
  readonly at?: (index: Index) => Index;
}

/**
 * Where the elements lie in an array of `shape` that `at` finds, a function from index to index:
 * the first one's offset, and the strides along the axes, which a step along each of them tells.
 */
export function layoutOf(
  at: (index: Index) => Index, ndim: number, shape: Shape,
): { readonly offset: number; readonly strides: readonly number[] } {
  const first = new Array<number>(ndim).fill(0);
  const placeOf = (index: Index): number => Number(flatIndex(at(index), shape));
  const offset = placeOf(first);
  return { offset, strides: first.map((_, axis) => placeOf(first.with(axis, 1)) - offset) };
}

/** Copies elements, for each index of the given shape one, from one place to another. */
export function copyBlock(shape: Shape, from: Place, to: Place): void {
  const [source, target] = [from, to].map(({ array, at }) =>
    at ? layoutOf(at, shape.length, array.shape) : { offset: 0, strides: stridesOf(array.shape) },
  );
  const { length, starts, steps } = rowsOf(shape, [source.strides, target.strides]);
  const [read, written] = [from.array.data, to.array.data];
  const [readStep, writeStep] = steps;
  for (let row = 0; row < starts[0].length; row++) {
    let [i, j] = [source.offset + starts[0][row], target.offset + starts[1][row]];
    for (let n = 0; n < length; n++, i += readStep, j += writeStep) written[j] = read[i];
  }
}

/** Any array of numbers, as a loop sees it that is not for one dtype. */
export type NumberArray = { readonly length: number; [index: number]: number };

/**
 * Makes a loop around `f` that is one op's own. V8 gathers types and inlines calls per piece of
 * source text, so a loop that many ops share calls its `f` the slow way for all of them (5 to 10
 * times slower for an addition). Hence `makeLoop` is compiled anew, from its own text, which must
 * use nothing from outside. The op's name goes into the text, as equal texts would be compiled
 * once. Where code cannot be made from text (a page's content security policy) the shared loop
 * serves.
 */
export function ownLoop<F, Loop>(name: string, makeLoop: (f: F) => Loop, f: F): Loop {
  try {
    const own = new Function(`/* ${name} */ return (${String(makeLoop)})`) as () => typeof makeLoop;
    return own()(f);
  } catch {
    return makeLoop(f);
  }
}
