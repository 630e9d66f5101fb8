/**
 * Arrays: allocating them for results, and knowing which ones lie in the memory of programs, where
 * their values change. If the engine has no room for an array, the error here says for which op and
 * how many bytes.
 */
import { allocate, sizeOf, type TypedArray } from './dtype.ts';
import { describe, failure, numelOf, type Spec } from './shape.ts';

/** The most elements of an array: offsets, and indices in tensors, are i32. */
const MOST_ELEMENTS = 2 ** 31 - 1;

/** A fresh array of zeros for a result of `op`. Throws if there is no room for it. */
export function arrayFor(op: string, { shape, dtype }: Spec): TypedArray {
  try {
    const count = numelOf(shape);
    if (count > MOST_ELEMENTS) throw new RangeError(`an array has at most ${MOST_ELEMENTS}`);
    return allocate(dtype, count);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const size = `${numelOf(shape) * sizeOf(dtype)} bytes`;
    throw failure`${op}: there is no room for ${describe({ shape, dtype })}, ${size}
      (${error.message}); expected something smaller, or done in parts`;
  }
}

/** A range in the memory of programs that holds an array. */
export interface Allocation {
  /** Where it starts, in bytes. */
  readonly start: number;
  /** The values there. Memory that cannot be shared gets another array when it grows. */
  readonly array: TypedArray;
}

/** The arrays that programs write to. Every other array is immutable, and can be shared. */
export const allocations: WeakMap<TypedArray, Allocation> = new WeakMap();

/** The array, or a copy if programs write to it. */
export function unshared(array: TypedArray): TypedArray {
  return allocations.has(array) ? array.slice() : array;
}
