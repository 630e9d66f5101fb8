/**
 * Arrays: fresh ones for results, and which ones lie in the memory of programs, where they change.
 * An engine that has no memory left, or no arrays so long, says neither for what nor how much: here
 * is the error that does.
 */
import { allocate, sizeOf, type TypedArray } from './dtype.ts';
import { describe, failure, numelOf, type Spec } from './shape.ts';

/** A fresh array of zeros for a result of `op`. Throws if there is no room for it. */
export function arrayFor(op: string, { shape, dtype }: Spec): TypedArray {
  try {
    return allocate(dtype, numelOf(shape));
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
  /** The values there: another array where memory has grown that cannot be shared. */
  readonly array: TypedArray;
}

/** The arrays that programs change. Every other array keeps its values, and can be shared. */
export const allocations: WeakMap<TypedArray, Allocation> = new WeakMap();

/** The array, or a copy of one that programs change. */
export function unshared(array: TypedArray): TypedArray {
  return allocations.has(array) ? array.slice() : array;
}
