/**
 * Sine and cosine. The argument is reduced to a quarter of a turn around 0, in which polynomials
 * approximate both (as in elementary.ts); n mod 4 tells which of them is needed, and its sign:
 *
 *     x = n·½π + r,  |r| ≤ ¼π          sin x = sin r, cos r, −sin r, −cos r
 *
 * Up to 2²⁰, n·½π is subtracted part by part, and the rounding error of each difference is kept
 * (Cody and Waite). Beyond, x has the form m·2ᵉ with a whole m of 24 bits. Of the product with
 *
 *     2/π = b₁·2⁻¹ + b₂·2⁻² + …        m·2ᵉ·2/π = Σ m·bᵢ·2ᵉ⁻ⁱ
 *
 * the terms with e − i ≥ 2 are multiples of 4, which are whole turns, and drop out; terms with a
 * large i are too small to matter. Between them are 96 bits of 2/π, whatever e is. So any argument
 * takes one product of whole numbers, of 24 bits with 96 (Payne and Hanek, 1983). It is computed
 * only if one of the lanes has such a large argument.
 */
import { constant, type Expr } from '../language/expression.ts';
import {
  abs, add, and, equal, greater, less, mul, mulAdd, nearest, neg, notEqual, select, selectRare,
  shiftRight, shiftRightUnsigned, sub, toBits, toFloat, toInteger, xor,
} from '../language/operations.ts';
import { polynomial, powerOfTwo } from './elementary.ts';
import { twoProductError } from './rounding.ts';

/** x as n·½π + r */
interface Reduced {
  readonly n: Expr;
  readonly r: Expr;
}

/** ½π as a sum: parts of 12 bits, so that products with 12 more are exact, and the rest. */
const HALF_PI = [3216 / 2 ** 11, 4058 / 2 ** 23, 2594 / 2 ** 35, 2886 / 2 ** 50];
const HALF_PI_REST = 6.123234e-17;

/** The reduction of |x| up to 2²⁰. */
function reduceSmall(x: Expr): Reduced {
  const whole = nearest(mul(x, 2 / Math.PI));
  const high = mul(nearest(mul(whole, 2 ** -11)), 2 ** 11);
  const low = sub(whole, high);
  // The rounding errors are collected, and added last.
  let r = x;
  let error: Expr = mul(whole, -HALF_PI_REST);
  for (const product of HALF_PI.flatMap((part) => [mul(high, part), mul(low, part)])) {
    const next = sub(r, product);
    error = add(error, sub(sub(r, next), product));
    r = next;
  }
  return { n: toInteger(whole), r: add(r, error) };
}

/** 2/π in digits of 16 bits, after one digit of zeros. */
const TWO_OVER_PI = [
  0, 0xa2f9, 0x836e, 0x4e44, 0x1529, 0xfc27, 0x57d1, 0xf534, 0xddc0, 0xdb62, 0x9599, 0x3c43, 0x9041,
  0xfe51,
];
/** The number of digits that are taken of 2/π, and that the product has. */
const DIGITS = 6;
const PIO2_HIGH = Math.fround(Math.PI / 2);
const PIO2_LOW = Math.PI / 2 - PIO2_HIGH;

/** The lower 16 bits. */
const lower = (x: Expr): Expr => and(x, 0xffff);
/** The bits above them. */
const above = (x: Expr): Expr => shiftRightUnsigned(x, 16);

/** The digits of 2/π from the bit bᵢ on, i = position − 15; the position is from 0 to 127. */
function digitsFrom(position: Expr): Expr[] {
  let digits: Expr[] = TWO_OVER_PI.map((digit) => constant('i32', digit));
  for (const count of [4, 2, 1]) {
    const isSkipped = notEqual(and(position, 16 * count), 0);
    const later = digits.slice(count);
    digits = later.map((digit, j) => select(isSkipped, digit, digits[j]));
  }
  // The remaining shift, by up to 15 bits, is a product with a power of two.
  const scaled = digits.map((digit) => mul(digit, toInteger(powerOfTwo(and(position, 15)))));
  return Array.from({ length: DIGITS }, (_, j) => lower(add(scaled[j], above(scaled[j + 1]))));
}

/** The reduction of |x| from 2⁹ on; NaN of infinities. */
function reduceLarge(x: Expr): Reduced {
  const magnitude = and(toBits(x), 0x7fffffff);
  const exponent = sub(shiftRight(magnitude, 23), 150);
  const digits = digitsFrom(add(exponent, 14));
  const left = add(shiftRight(and(magnitude, 0x7fffff), 16), 0x80);
  const right = lower(magnitude);
  // The product, as long multiplication: from its last digit on, with carries.
  const product: Expr[] = [];
  let carry: Expr = constant('i32', 0);
  for (let j = DIGITS - 1; j >= 0; j--) {
    const digit = add(lower(mul(right, digits[j])), carry);
    product.unshift(lower(digit));
    carry = add(above(digit), add(above(mul(right, digits[j])), mul(left, digits[j])));
  }
  // The first two bits are whole quarters. If the bit after them is set, the next one is nearer.
  const quarters = shiftRight(add(product[0], 0x2000), 14);
  const isPastHalf = notEqual(and(product[0], 0x2000), 0);
  const flip = select(isPastHalf, constant('i32', 0xffff), 0);
  const fractions = product.map((digit, j) => (
    mul(toFloat(and(xor(digit, flip), j === 0 ? 0x1fff : 0xffff)), 2 ** (-14 - 16 * j))
  ));
  // Their sum as two numbers, as the first digits may all be 0.
  let [high, low]: Expr[] = [fractions[0], constant(x.type, 0)];
  for (const fraction of fractions.slice(1)) {
    const [before, more] = [high, add(low, fraction)];
    high = add(before, more);
    low = sub(more, sub(high, before));
  }
  const main = mul(high, PIO2_HIGH);
  const rest = add(mul(high, PIO2_LOW), mul(low, PIO2_HIGH));
  const r = add(main, add(twoProductError(high, constant(x.type, PIO2_HIGH), main), rest));
  // r changes its sign if x is negative, and if the next quarter is nearer.
  const isNegative = less(toBits(x), 0);
  const isFinite = less(magnitude, 0x7f800000);
  return {
    n: select(isNegative, sub(0, quarters), quarters),
    r: select(isFinite, select(xor(isNegative, isPastHalf), neg(r), r), NaN),
  };
}

/** sin x or cos x, from the polynomials of sin r and cos r. */
function valueOf({ n, r }: Reduced, isCosine: boolean): Expr {
  const square = mul(r, r);
  const sineTerms = polynomial(square, [
    -0.166666672, 0.00833332725, -0.000198381749, 0.00000270606688,
  ]);
  const cosineTerms = polynomial(square, [
    0.0416666679, -0.00138888834, 0.0000247990029, -2.71429229e-7,
  ]);
  const sine = mulAdd(mul(r, square), sineTerms, r);
  const cosine = add(mulAdd(square, -0.5, mul(mul(square, square), cosineTerms)), 1);
  // The cosine is a quarter ahead.
  const quarter = isCosine ? add(n, 1) : n;
  const value = select(equal(and(quarter, 1), 0), sine, cosine);
  return select(equal(and(quarter, 2), 0), value, neg(value));
}

function sineOrCosine(x: Expr, isCosine: boolean): Expr {
  const [small, large] = [reduceSmall(x), reduceLarge(x)].map((one) => valueOf(one, isCosine));
  return selectRare(greater(abs(x), 2 ** 20), large, small);
}

/** The sine of x in radians, within 2 ulp; NaN of infinities */
export function sin(x: Expr): Expr {
  return select(equal(x, 0), x, sineOrCosine(x, false));
}

/** The cosine of x in radians, within 2 ulp; NaN of infinities */
export function cos(x: Expr): Expr {
  return sineOrCosine(x, true);
}
