/**
 * 2ˣ for the inner loops of scans, where a few ulp do and each operation counts: 17 of them, where
 * `exp` of elementary.ts has 30. Adding 1.5 · 2²³ rounds x to a whole number n, which is left in
 * the last bits of the sum; a polynomial gives the rest, and n is added to the exponent:
 *
 *     2ˣ = 2ⁿ · 2ᶠ,  f = x − n,  |f| ≤ ½         the bits of 2ᶠ, plus n · 2²³, are those of 2ⁿ · 2ᶠ
 *
 * Each step waits for the one before. So several powers are computed side by side, step by step,
 * and the processor overlaps them.
 */
import { type Expr, type Variable, variable } from '../language/expression.ts';
import { add, fromBits, max, min, mulAdd, shiftLeft, sub, toBits } from '../language/operations.ts';
import { type Assign, set, type Statements } from '../language/statement.ts';
import { ROUNDER } from './rounding.ts';

/** 2ᶠ for |f| ≤ ½, within a relative error of 2e-7, and exactly 1 at 0. */
const COEFFICIENTS = [1, 0.693147004, 0.240222424, 0.0555073358, 0.00967151299, 0.00132647227];

/**
 * Sets registers to 2 to the power of some exponents, within a relative error of 3e-7. Exponents
 * are clamped to the range from −100 to 126; if `isBounded`, they are known to be in it.
 */
export function setExp2(
  powers: readonly Variable[], exponents: readonly Expr[], isBounded = false,
): Statements {
  const all = powers.map((power, i) => stepsOf(power, exponents[i], isBounded));
  return all[0].map((_, step) => all.map((steps) => steps[step]));
}

/** The steps of one power, each of which sets a register from those before it. */
function stepsOf(power: Variable, exponent: Expr, isBounded: boolean): Assign[] {
  const [x, shifted, fraction] = ['x', 's', 'f'].map((name) => variable(name, power.type));
  const [first, second, ...others] = COEFFICIENTS.toReversed();
  return [
    set(x, isBounded ? exponent : min(max(exponent, -100), 126)),
    set(shifted, add(x, ROUNDER)),
    set(fraction, sub(x, sub(shifted, ROUNDER))),
    set(power, mulAdd(fraction, first, second)),
    ...others.map((coefficient) => set(power, mulAdd(power, fraction, coefficient))),
    set(power, fromBits(add(toBits(power), shiftLeft(toBits(shifted), 23)))),
  ];
}
