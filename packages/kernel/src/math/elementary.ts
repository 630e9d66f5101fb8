/**
 * Elementary functions of f32, made of the operations of the language: they give the same bits for
 * a single value and in a lane, in JavaScript and in WebAssembly. Each reduces its argument to a
 * small interval, in which a polynomial approximates the function:
 *
 *     x = n·ln 2 + r,  |r| ≤ ½ ln 2        eˣ = 2ⁿ·eʳ          eʳ ≈ 1 + r + r²·q(r)
 *     x = 2ⁿ·(1 + f),  √½ ≤ 1 + f < √2     log x = n·ln 2 + log(1 + f)
 *
 * The polynomials interpolate at the Chebyshev nodes of the interval, with coefficients rounded to
 * float32. Where the first terms of the series are known (1 + r + …), they are kept, and the
 * polynomial stands for the others.
 *
 * Bounds are in ulp, the distance between neighbouring float32 numbers at the true result, and hold
 * for all arguments, also where results underflow to denormals. Infinities, NaN and signs of zeros
 * are as in JavaScript's Math. Sine and cosine are in trigonometry.ts.
 */
import { constant, type Expr, type Operand } from '../language/expression.ts';
import {
  abs, add, and, div, equal, fromBits, greater, less, max, min, mul, mulAdd, nearest, neg, not, or,
  select, shiftLeft, shiftRight, sub, toBits, toFloat, toInteger,
} from '../language/operations.ts';
import { ROUNDER, upper } from './rounding.ts';

const SIGN_BIT = -0x80000000;
const SMALLEST_NORMAL = 2 ** -126;

/** The bits of `ROUNDER`. */
const ROUNDER_BITS = 0x4b400000;

/** ln 2 as a number of few bits, whose products with small integers are exact, and the rest. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = Math.LN2 - LN2_HIGH;

/** c₀ + c₁x + c₂x² + … */
export function polynomial(x: Expr, coefficients: readonly number[]): Expr {
  const all: readonly Operand[] = coefficients;
  return all.reduceRight((sum, coefficient) => mulAdd(sum, x, coefficient)) as Expr;
}

/** The magnitude of one number with the sign of another. */
function withSign(magnitude: Expr, sign: Expr): Expr {
  return fromBits(or(toBits(magnitude), and(toBits(sign), SIGN_BIT)));
}

/** 2ⁿ for whole n from −126 to 127 */
export function powerOfTwo(n: Expr): Expr {
  return fromBits(shiftLeft(add(n, 127), 23));
}

/** x · 2ⁿ in two steps, as 2ⁿ by itself may overflow or underflow. */
function scale(x: Expr, n: Expr): Expr {
  const half = shiftRight(n, 1);
  return mul(mul(x, powerOfTwo(half)), powerOfTwo(sub(n, half)));
}

/**
 * Writes x, of up to about 10⁵, as n·ln 2 + r. Gives a number with n + offset in its last bits, and
 * eʳ − 1.
 */
function reduceExponent(x: Expr, offset = 0): { bits: Expr; growth: Expr } {
  const shifted = add(mul(x, Math.LOG2E), ROUNDER + offset);
  const n = sub(shifted, ROUNDER + offset);
  const r = mulAdd(n, -LN2_LOW, mulAdd(n, -LN2_HIGH, x));
  const q = polynomial(r, [0.5, 0.166665733, 0.0416665487, 0.00836377405, 0.00139269268]);
  return { bits: toBits(shifted), growth: mulAdd(mul(r, r), q, r) };
}

/** eˣ, within 1.1 ulp */
export function exp(x: Expr): Expr {
  const { bits, growth } = reduceExponent(min(max(x, -104), 89));
  return scale(add(growth, 1), sub(bits, ROUNDER_BITS));
}

/** e^−|x|, within 1.1 ulp. 2ⁿ may underflow, so we scale by 2ⁿ⁺⁶⁴ and then by 2⁻⁶⁴. */
function expOfNegative(x: Expr): Expr {
  const negative = fromBits(or(toBits(x), SIGN_BIT));
  const { bits, growth } = reduceExponent(max(negative, -104), 64 + 127);
  return mul(mul(add(growth, 1), fromBits(shiftLeft(bits, 23))), 2 ** -64);
}

/** eˣ − 1, within 2 ulp, also near 0 */
export function expm1(x: Expr): Expr {
  const { bits, growth } = reduceExponent(min(max(x, -18), 89));
  const n = sub(bits, ROUNDER_BITS);
  // 2ⁿ·(eʳ − 1 + 1 − 2⁻ⁿ)
  const rest = sub(1, powerOfTwo(sub(0, min(n, 64))));
  const result = scale(add(growth, rest), n);
  return select(less(abs(x), 2 ** -24), x, result);
}

/** x > 0 as 2ⁿ·(1 + f), √½ ≤ 1 + f < √2, with n as f32. Anything for other x. */
function splitPower(x: Expr): { n: Expr; f: Expr } {
  const isDenormal = less(x, SMALLEST_NORMAL);
  const bits = toBits(select(isDenormal, mul(x, 2 ** 24), x));
  // From the bits of √½ on, each 2²³ numbers are an octave.
  const octave = shiftRight(sub(bits, 0x3f3504f3), 23);
  const f = sub(fromBits(sub(bits, shiftLeft(octave, 23))), 1);
  return { n: sub(toFloat(octave), select(isDenormal, constant('f32', 24), 0)), f };
}

/** The given logarithm where x > 0 is finite; −∞ at 0, ∞ at ∞, and NaN elsewhere. */
function orSpecial(x: Expr, logarithm: Expr): Expr {
  const special = select(equal(x, 0), -Infinity, select(less(x, 0), NaN, x));
  return select(and(greater(x, 0), less(x, Infinity)), logarithm, special);
}

/** The natural logarithm, within 1 ulp; NaN below 0 */
export function log(x: Expr): Expr {
  const { n, f } = splitPower(x);
  const square = mul(f, f);
  // log(1 + f) = f − f²/2 + f³·p(f)
  const p = polynomial(f, [
    0.333333313, -0.24999997, 0.2000072, -0.166678101, 0.142488763, -0.124253601, 0.116870247,
    -0.114830814, 0.0697134659,
  ]);
  const low = mulAdd(square, -0.5, mulAdd(n, LN2_LOW, mul(mul(f, square), p)));
  return orSpecial(x, mulAdd(n, LN2_HIGH, add(f, low)));
}

/** log(1 + x), within 2 ulp, also near 0 */
export function log1p(x: Expr): Expr {
  const sum = add(x, 1);
  // The rounding error of the sum; divided by the sum it is the change of the logarithm.
  const correction = div(sub(x, sub(sum, 1)), max(sum, SMALLEST_NORMAL));
  const result = add(log(sum), select(less(x, 2 ** 24), correction, 0));
  return select(equal(sum, 1), x, result);
}

/** The hyperbolic tangent, within 3 ulp */
export function tanh(x: Expr): Expr {
  const e = expm1(mul(min(abs(x), 10), 2));
  return withSign(div(e, add(e, 2)), x);
}

/** 1 / (1 + e⁻ˣ), within 3 ulp */
export function sigmoid(x: Expr): Expr {
  const e = expOfNegative(x);
  return div(select(less(x, 0), e, 1), add(e, 1));
}

/** log(1 + eˣ), within 2.8 ulp */
export function softplus(x: Expr): Expr {
  // log(1 + e) = 2 artanh(s) with s = e / (2 + e), at most ⅓
  const e = expOfNegative(x);
  const s = div(e, add(e, 2));
  const square = mul(s, s);
  const rest = polynomial(square, [0.666666389, 0.400075614, 0.282366186, 0.268514991]);
  return add(max(x, 0), mulAdd(mul(s, square), rest, add(s, s)));
}

/** erf x where |x| < 1 */
function erfNear(x: Expr): Expr {
  const rest = polynomial(mul(x, x), [
    0.128379166, -0.37612626, 0.112835944, -0.0268542115, 0.00518908724, -0.00080168643,
    0.0000787587487,
  ]);
  return mulAdd(x, rest, x);
}

/** log(1 − erf x) where 1 ≤ x ≤ 4 */
function logRest(x: Expr): Expr {
  return polynomial(x, [
    0.000321866246, -1.13024187, -0.631809533, -0.110097244, 0.0264316425, -0.00476350961,
    0.000597677252, -0.0000461647833, 0.00000164267897,
  ]);
}

/** The error function, 2/√π ∫₀ˣ e^(−t²) dt, within 2 ulp */
export function erf(x: Expr): Expr {
  const magnitude = min(abs(x), 4);
  const far = withSign(sub(1, exp(logRest(magnitude))), x);
  return select(less(magnitude, 1), erfNear(x), far);
}

/**
 * 1 − erf x, the complementary error function, within 8 + 3x² ulp: it falls as e^(−x²), and the
 * exponent is rounded. For x < 1 it is that difference; beyond, where the digits would be lost, we
 * take the exponential of its logarithm.
 */
export function erfc(x: Expr): Expr {
  const magnitude = abs(x);
  // How much the logarithm falls from 4 on.
  const beyond = min(max(sub(x, 4), 0), 7);
  const slope = polynomial(beyond, [
    -8.23637199, -0.973484933, -0.00371020148, 0.000508411438, -0.0000559016844, 0.00000394879498,
    -1.2670165e-7,
  ]);
  const rest = exp(mulAdd(beyond, slope, logRest(min(magnitude, 4))));
  const far = select(greater(x, 0), rest, add(sub(1, rest), 1));
  return select(less(magnitude, 1), sub(1, erfNear(x)), far);
}

/** 2/ln 2 as a number of 12 bits, and the rest. */
const TWO_LOG2E_HIGH = 2.884765625;
const TWO_LOG2E_LOW = 2 * Math.LOG2E - TWO_LOG2E_HIGH;

/** log₂ ¾ and log₂ 1¼: 12 binary digits after the point, and the rest. */
const LOG2_LOW_CENTER = [-1700 / 2 ** 12, Math.log2(0.75) + 1700 / 2 ** 12];
const LOG2_HIGH_CENTER = [1319 / 2 ** 12, Math.log2(1.25) - 1319 / 2 ** 12];

/** log₂ x as a sum of two numbers, to about 34 bits. */
function log2Sum(x: Expr): readonly [high: Expr, low: Expr] {
  const { n, f } = splitPower(x);
  // x = 2ⁿ·m, where m is near one of the centers c = ¾, 1 and 1¼.
  const choose = (low: number, middle: number, high: number): Expr =>
    select(less(f, Math.sqrt(0.75) - 1), low, select(
      greater(f, Math.sqrt(1.25) - 1), high, constant('f32', middle),
    ));
  const m = add(f, 1);
  const c = choose(0.75, 1, 1.25);
  // s = (m − c) / (m + c) as s₁ + s₂; then log(m/c) = 2·(s + s³/3 + s⁵/5 + …)
  const difference = sub(m, c);
  const divisor = add(m, c);
  const s = div(difference, divisor);
  const s1 = upper(s);
  const d1 = upper(divisor);
  const rest = sub(sub(difference, mul(s1, d1)), mul(s1, sub(divisor, d1)));
  const s2 = div(sub(rest, mul(s1, sub(m, sub(divisor, c)))), divisor);
  const square = mul(s, s);
  const series = polynomial(square, [0.333333343, 0.19999823, 0.143744811]);
  const small = add(mul(mul(s, square), series), s2);
  const main = mul(s1, TWO_LOG2E_HIGH);
  const more = add(mul(s1, TWO_LOG2E_LOW), mul(small, 2 * Math.LOG2E));
  const log2c = add(n, choose(LOG2_LOW_CENTER[0], 0, LOG2_HIGH_CENTER[0]));
  const sum = add(log2c, main);
  const error = sub(main, sub(sum, log2c));
  const low = add(add(error, choose(LOG2_LOW_CENTER[1], 0, LOG2_HIGH_CENTER[1])), more);
  const high = add(sum, low);
  return [orSpecial(x, high), sub(low, sub(high, sum))];
}

/** xʸ as in IEEE 754: 1 where y is 0 or x is 1, and (−1)^±∞ is 1. Within 2 ulp. */
export function pow(x: Expr, exponent: Operand): Expr {
  const y = typeof exponent === 'number' ? constant('f32', exponent) : exponent;
  const [high, low] = log2Sum(abs(x));
  const product = mul(y, high);
  // y·log₂ x again, as the exact product of the upper parts and a correction, minus the nearest
  // whole number.
  const [y1, high1] = [upper(y), upper(high)];
  const correction = add(mul(sub(y, y1), high), add(mul(y1, sub(high, high1)), mul(y, low)));
  const whole = nearest(product);
  const r = add(sub(mul(y1, high1), whole), correction);
  const power = polynomial(r, [
    1, 0.693147182, 0.240226507, 0.0555035621, 0.00961808208, 0.00133913232, 0.000154535621,
  ]);
  // Where the product is NaN: |x| = 1 and y = ±∞ give |x|, which is 1; else an operand is NaN.
  const ofNaN = select(equal(abs(y), Infinity), abs(x), product);
  const outOfRange = select(greater(product, 0), Infinity, select(less(product, 0), 0, ofNaN));
  const isInRange = less(abs(product), 160);
  const magnitude = select(isInRange, scale(power, toInteger(whole)), outOfRange);

  const isWhole = equal(nearest(y), y);
  const isOdd = and(less(abs(y), 2 ** 24), equal(and(toInteger(y), 1), 1));
  const isNegative = and(less(toBits(x), 0), and(isWhole, isOdd));
  const isUndefined = and(and(less(x, 0), greater(x, -Infinity)), not(isWhole));
  const result = select(isUndefined, NaN, select(isNegative, neg(magnitude), magnitude));
  return select(or(equal(y, 0), equal(x, 1)), 1, result);
}
