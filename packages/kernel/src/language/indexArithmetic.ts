/**
 * Arithmetic on indices, which are expressions or plain numbers. Numbers are known while the kernel
 * is made, so they are computed at once, and no code is left of them (constant folding):
 *
 *     plus(times(row, 8), 4)        of row = 2: the number 20; of a loop counter: row * 8 + 4
 *
 * `add` and `mul` of operations.ts make an expression in any case.
 */
import type { Expr, Operand } from './expression.ts';
import { add, max, min, mul, sub } from './operations.ts';

/** a + b of indices; a number is the second operand. */
export function plus(a: Operand, b: Operand): Operand {
  if (typeof a !== 'number') return b === 0 ? a : add(a, b);
  if (typeof b === 'number') return a + b;
  return a === 0 ? b : add(b, a);
}

/** a − b of indices. */
export function minus(a: Operand, b: Operand): Operand {
  if (typeof b === 'number') return plus(a, -b);
  return sub(a, b);
}

/** An index times a number that is known. */
export function times(a: Operand, by: number): Operand {
  if (typeof a === 'number') return a * by;
  return by === 1 ? a : mul(a, by);
}

/**
 * The place of an element in a row-major array, given its index and the sizes of all axes but the
 * first: of [i, j, k] and [J, K] it is (i · J + j) · K + k.
 */
export function rowMajor(index: readonly Operand[], sizes: readonly number[]): Operand {
  return index.reduce((sum, i, axis) => plus(times(sum, sizes[axis - 1]), i));
}

/** The smaller of two indices. */
export function least(a: Operand, b: Operand): Operand {
  if (typeof a === 'number' && typeof b === 'number') return Math.min(a, b);
  return min(a, b);
}

/** The index from 0 to below a size that is nearest, for accesses that must stay in bounds. */
export function clampIndex(index: Expr, size: number): Expr {
  return min(max(index, 0), size - 1);
}
