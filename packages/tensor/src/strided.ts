/**
 * Walking several arrays in step. An op on tensors of different layouts (broadcast, permuted,
 * sliced, flipped) is one set of nested loops in which every array moves by strides of its own: 0
 * where it repeats, negative where it runs backwards.
 *
 * All loops here have two levels: an inner one along a row, and an outer one over the rows, whose
 * starting offsets are worked out ahead. Neighbouring axes that every array walks evenly are merged
 * first, so that arrays of equal layout are one long row.
 */
import type { TypedArray } from './dtype.ts';
import { numelOf, type Shape, stridesOf } from './shape.ts';

export interface Rows {
  /** The number of elements in a row. */
  readonly length: number;
  /** For each array, the offset at which each row starts. */
  readonly starts: readonly Int32Array[];
  /** For each array, the distance between neighbours in a row. */
  readonly steps: readonly number[];
}

/** Cuts the iteration over `shape` into rows, for arrays that move by the given strides. */
export function rowsOf(shape: Shape, strides: readonly (readonly number[])[]): Rows {
  const sizes: number[] = [];
  const merged: number[][] = strides.map(() => []);
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    const isEven = strides.every((own, k) => merged[k][last] === own[axis] * size);
    if (last >= 0 && isEven) {
      sizes[last] *= size;
      strides.forEach((own, k) => (merged[k][last] = own[axis]));
    } else {
      sizes.push(size);
      strides.forEach((own, k) => merged[k].push(own[axis]));
    }
  });
  const length = sizes.pop() ?? 1;
  const steps = merged.map((own) => own.pop() ?? 0);
  return { length, steps, starts: merged.map((own) => startsOf(sizes, own)) };
}

function startsOf(sizes: readonly number[], strides: readonly number[]): Int32Array {
  const starts = new Int32Array(numelOf(sizes));
  if (starts.length === 0) return starts;
  // The offsets along the inner axes repeat for each index of the next outer one.
  for (let axis = sizes.length - 1, done = 1; axis >= 0; done *= sizes[axis--]) {
    for (let i = 1; i < sizes[axis]; i++) {
      const shift = i * strides[axis];
      for (let j = 0; j < done; j++) starts[i * done + j] = starts[j] + shift;
    }
  }
  return starts;
}

/** Where an array is read or written: the offset of the first element, and its strides. */
export interface Place {
  readonly data: TypedArray;
  readonly offset: number;
  readonly strides: readonly number[];
}

/** A whole array in its own order. */
export function wholeOf({ shape, data }: { shape: Shape; data: TypedArray }): Place {
  return { data, offset: 0, strides: stridesOf(shape) };
}

/** Copies an n-dimensional block of the given shape from one place to another. */
export function copyBlock(shape: Shape, from: Place, to: Place): void {
  const { length, starts, steps } = rowsOf(shape, [from.strides, to.strides]);
  const [fromStarts, toStarts] = starts;
  const [fromStep, toStep] = steps;
  const source = from.data;
  const target = to.data;
  for (let row = 0; row < fromStarts.length; row++) {
    let read = from.offset + fromStarts[row];
    let write = to.offset + toStarts[row];
    for (let i = 0; i < length; i++) {
      target[write] = source[read];
      read += fromStep;
      write += toStep;
    }
  }
}

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
