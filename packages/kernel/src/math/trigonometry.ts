/**
 * Sine and cosine. The argument is taken to a quarter of a turn around 0, where polynomials do the
 * rest (as in elementary.ts); n mod 4 says which of them, and its sign:
 *
 *     x = n·½π + r,  |r| ≤ ¼π          sin x = sin r, cos r, −sin r, −cos r
 *
 * Up to 2²⁰, n·½π is subtracted part by part, and what each difference rounds off is kept. Beyond,
 * x has the form m·2ᵉ with a whole m of 24 bits. Of the product with
 *
 *     2/π = b₁·2⁻¹ + b₂·2⁻² + …        m·2ᵉ·2/π = Σ m·bᵢ·2ᵉ⁻ⁱ
 *
 * the terms with e − i ≥ 2 are multiples of 4, which is whole turns, and drop out; those far behind
 * are too small to matter. Between them lie 96 bits of 2/π, whatever e is. So any argument takes
 * one product of whole numbers, of 24 bits with 96 (Payne and Hanek, 1983). It is computed only if
 * there is such a large one among the lanes.
 */
import { constant, type Expr } from '../language/expression.ts';
import {
  abs, add, and, equal, greater, less, mul, mulAdd, nearest, neg, notEqual, select, selectRare,
  shiftRight, shiftRightUnsigned, sub, toBits, toFloat, toInteger, xor,
} from '../language/operations.ts';
import { polynomial, powerOfTwo } from './elementary.ts';
import { twoProductError } from './rounding.ts';

/** x as n·½π + r */
interface Turned {
  readonly n: Expr;
  readonly r: Expr;
}

/** ½π as a sum: parts of 12 bits, so that products with 12 more are exact, and the rest. */
const HALF_PI = [3216 / 2 ** 11, 4058 / 2 ** 23, 2594 / 2 ** 35, 2886 / 2 ** 50];
const HALF_PI_REST = 6.123234e-17;

/** For |x| of up to 2²⁰. */
function turnedFromNear(x: Expr): Turned {
  const whole = nearest(mul(x, 2 / Math.PI));
  const high = mul(nearest(mul(whole, 2 ** -11)), 2 ** 11);
  const low = sub(whole, high);
  // What each difference loses is collected, and added last.
  let r = x;
  let lost: Expr = mul(whole, -HALF_PI_REST);
  for (const product of HALF_PI.flatMap((part) => [mul(high, part), mul(low, part)])) {
    const next = sub(r, product);
    lost = add(lost, sub(sub(r, next), product));
    r = next;
  }
  return { n: toInteger(whole), r: add(r, lost) };
}

/** 2/π in 16 bits each, behind 16 zeros. */
const TWO_OVER_PI = [
  0, 0xa2f9, 0x836e, 0x4e44, 0x1529, 0xfc27, 0x57d1, 0xf534, 0xddc0, 0xdb62, 0x9599, 0x3c43, 0x9041,
  0xfe51,
];
/** The product, and what is taken of 2/π, has so many digits of 16 bits. */
const DIGITS = 6;
const PIO2_HIGH = Math.fround(Math.PI / 2);
const PIO2_LOW = Math.PI / 2 - PIO2_HIGH;

/** The lower 16 bits, and those above them. */
const lower = (x: Expr): Expr => and(x, 0xffff);
const above = (x: Expr): Expr => shiftRightUnsigned(x, 16);

/** The bits of 2/π from bᵢ on, i = place − 15, in digits of 16: `place` is from 0 to 127. */
function digitsFrom(place: Expr): Expr[] {
  let digits: Expr[] = TWO_OVER_PI.map((digit) => constant('i32', digit));
  for (const by of [4, 2, 1]) {
    const isFurther = notEqual(and(place, 16 * by), 0);
    const moved = digits.slice(by);
    digits = moved.map((digit, j) => select(isFurther, digit, digits[j]));
  }
  // The remaining shift, by up to 15 places, is a product with a power of two.
  const scaled = digits.map((digit) => mul(digit, toInteger(powerOfTwo(and(place, 15)))));
  return Array.from({ length: DIGITS }, (_, j) => lower(add(scaled[j], above(scaled[j + 1]))));
}

/** For |x| from 2⁹ on; NaN of infinities. */
function turnedFromFar(x: Expr): Turned {
  const size = and(toBits(x), 0x7fffffff);
  const exponent = sub(shiftRight(size, 23), 150);
  const digits = digitsFrom(add(exponent, 14));
  const [left, right] = [add(shiftRight(and(size, 0x7fffff), 16), 0x80), lower(size)];
  // The product, from its last digit on, each with what is carried from the one before.
  const product: Expr[] = [];
  let carried: Expr = constant('i32', 0);
  for (let j = DIGITS - 1; j >= 0; j--) {
    const digit = add(lower(mul(right, digits[j])), carried);
    product.unshift(lower(digit));
    carried = add(above(digit), add(above(mul(right, digits[j])), mul(left, digits[j])));
  }
  // In front are two bits of whole quarters; the next says whether it is ½ or more beyond them, so
  // that the next quarter is nearer.
  const quarters = shiftRight(add(product[0], 0x2000), 14);
  const isAbove = notEqual(and(product[0], 0x2000), 0);
  const flip = select(isAbove, constant('i32', 0xffff), 0);
  const fractions = product.map((digit, j) => (
    mul(toFloat(and(xor(digit, flip), j === 0 ? 0x1fff : 0xffff)), 2 ** (-14 - 16 * j))
  ));
  // Their sum as two numbers: the digits in front may all be 0.
  let [high, low]: Expr[] = [fractions[0], constant(x.type, 0)];
  for (const fraction of fractions.slice(1)) {
    const [before, more] = [high, add(low, fraction)];
    high = add(before, more);
    low = sub(more, sub(high, before));
  }
  const main = mul(high, PIO2_HIGH);
  const rest = add(mul(high, PIO2_LOW), mul(low, PIO2_HIGH));
  const r = add(main, add(twoProductError(high, constant(x.type, PIO2_HIGH), main), rest));
  // As x is −|x|, or as it is nearer to the next quarter, or neither, or both.
  const isBelow = less(toBits(x), 0);
  const isFinite = less(size, 0x7f800000);
  return {
    n: select(isBelow, sub(0, quarters), quarters),
    r: select(isFinite, select(xor(isBelow, isAbove), neg(r), r), NaN),
  };
}

/** sin x or cos x, from the polynomials of sin r and cos r. */
function valueOf({ n, r }: Turned, isCosine: boolean): Expr {
  const square = mul(r, r);
  const ofSine = polynomial(square, [
    -0.166666672, 0.00833332725, -0.000198381749, 0.00000270606688,
  ]);
  const ofCosine = polynomial(square, [
    0.0416666679, -0.00138888834, 0.0000247990029, -2.71429229e-7,
  ]);
  const sine = mulAdd(mul(r, square), ofSine, r);
  const cosine = add(mulAdd(square, -0.5, mul(mul(square, square), ofCosine)), 1);
  // The cosine is a quarter ahead.
  const quarter = isCosine ? add(n, 1) : n;
  const size = select(equal(and(quarter, 1), 0), sine, cosine);
  return select(equal(and(quarter, 2), 0), size, neg(size));
}

function sineOrCosine(x: Expr, isCosine: boolean): Expr {
  const [near, far] = [turnedFromNear(x), turnedFromFar(x)].map((one) => valueOf(one, isCosine));
  return selectRare(greater(abs(x), 2 ** 20), far, near);
}

/** The sine of x in radians, within 2 ulp; NaN of infinities */
export function sin(x: Expr): Expr {
  return select(equal(x, 0), x, sineOrCosine(x, false));
}

/** The cosine of x in radians, within 2 ulp; NaN of infinities */
export function cos(x: Expr): Expr {
  return sineOrCosine(x, true);
}
