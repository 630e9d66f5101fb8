/**
 * A micro-kernel
 *
 * Matrix products are fast if numbers that were loaded once are used often. The innermost part of
 * the product y = a · b computes a tile of 4 rows and 8 columns of y, whose 32 sums stay in
 * registers, as 8 vectors of 4 lanes, while k runs over the depth:
 *
 *     for k in 0..depth:   sums[4, 8]  +=  a[4 rows, k] · b[k, 8 columns]
 *
 * For each k it loads 4 numbers of a and 2 vectors of b, and does 64 operations with them. Memory
 * that holds y is written once, after the loop.
 *
 * Write it in the loop language. a is [4, depth], b is [depth, 8] and y is [4, 8], all row by row:
 * row i, column j of b is at index 8·i + j, and of a at depth·i + j. The words that you need:
 *
 *     k.variable('sum', 'f32x4')           a register with four lanes
 *     k.set(register, value)               gives it a value
 *     k.load(buffer, index)                an element, or four of them if the index has four lanes
 *     k.ramp(index)                        the indices index, index + 1, index + 2, index + 3
 *     k.loop('k', depth, (at) => […])      statements for at = 0 … depth − 1
 *     k.store(buffer, index, value)        writes an element, or four
 *     k.add(a, b), k.mul(a, b)             arithmetic; a number next to a vector goes to all lanes
 *
 * Registers, loads and `at` are expressions, and need k.add and k.mul. Numbers of JavaScript, such
 * as depth, are added up with + as ever.
 *
 * Check it with `npm run exercise microkernel`; add `-- --hint` for a hint.
 */
import * as k from '@mambagrad/kernel';

/** The statements that compute y = a · b. */
export function microkernel(
  a: k.Buffer, b: k.Buffer, y: k.Buffer, depth: number,
): k.Statements {
  throw new Error('microkernel is not written yet');
}
