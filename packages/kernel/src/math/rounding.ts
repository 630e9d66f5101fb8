/**
 * Error-free transformations: the exact rounding error of a sum or a product, computed with nothing
 * but operations that round:
 *
 *     s = a + b,  v = s − a          a + b − s = (a − (s − v)) + (b − v)
 *     a = a₁ + a₂,  b = b₁ + b₂      a·b − p = (((a₁b₁ − p) + a₁b₂) + a₂b₁) + a₂b₂
 *
 * (TwoSum and TwoProduct; Knuth, The Art of Computer Programming 2, section 4.2.2, and Dekker,
 * 1971.) If the result is infinite, the error is meaningless, often NaN.
 */
import type { Expr } from '../language/expression.ts';
import { add, and, fromBits, mul, sub, toBits } from '../language/operations.ts';

/**
 * 1.5 · 2²³. Added to a number of up to 2²² it rounds it to a whole number, which is then in the
 * last bits of the sum; subtracting it again leaves that number.
 */
export const ROUNDER = 12582912;

/** The rounding error of a sum: a + b − sum, exactly. */
export function twoSumError(a: Expr, b: Expr, sum: Expr): Expr {
  const part = sub(sum, a);
  return add(sub(a, sub(sum, part)), sub(b, part));
}

/** A number with its last 12 bits cleared: the product of two such numbers is exact. */
export function upper(x: Expr): Expr {
  return fromBits(and(toBits(x), -0x1000));
}

/** The rounding error of a product: a·b − product, exactly, if nothing underflows. */
export function twoProductError(a: Expr, b: Expr, product: Expr): Expr {
  const [a1, b1] = [upper(a), upper(b)];
  const [a2, b2] = [sub(a, a1), sub(b, b1)];
  // In this order no operation rounds.
  const rest = add(add(sub(mul(a1, b1), product), mul(a1, b2)), mul(a2, b1));
  return add(rest, mul(a2, b2));
}
