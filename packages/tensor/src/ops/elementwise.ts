/**
 * Arithmetic and elementary functions, element by element. A gradient rule gets `g`, the gradient
 * of the loss with respect to the result `y`, and applies the chain rule: g · ∂y/∂x. It is written
 * in the shape of the result; where an input was broadcast, the backward pass sums afterwards.
 */
import * as k from '@mambagrad/kernel';
import { number, readOptions, type Table } from '../core/options.ts';
import { check } from '../core/shape.ts';
import { erf as errorFunction } from '../core/special.ts';
import type { Tensor } from '../core/tensor.ts';
import {
  type Binary, binary, requireFloat, requireTensor, tensorOf, type Unary, unary,
} from './define.ts';

/** a + b */
export const add: Binary = binary('add', (a, b) => a + b, [k.addProduct, k.add], [
  (g) => g,
  (g) => g,
]);

/** a − b */
export const sub: Binary = binary('sub', (a, b) => a - b, [k.sub, k.sub], [
  (g) => g,
  (g) => g.neg(),
]);

/** a · b */
export const mul: Binary = binary('mul', [(a, b) => a * b, Math.imul], [k.mul, k.mul], [
  (g, _y, _a, b) => g.mul(b),
  (g, _y, a) => g.mul(a),
]);

/** a / b */
export const div: Binary = binary('div', (a, b) => a / b, k.div, [
  (g, _y, _a, b) => g.div(b),
  (g, y, _a, b) => {
    // −g·y/b, in an order in which no intermediate overflows unless the gradient does (nor is 0·∞).
    const isLarge = y.abs().greater(1);
    return isLarge.where(g, y).div(b).mul(isLarge.where(y, g)).neg();
  },
]);

/** JavaScript's power, except that 1ᵇ and (−1)^±∞ are 1 for every b, as in IEEE 754. */
function power(a: number, b: number): number {
  return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
}

/**
 * aᵇ, and 1 where b is 0 or a is 1, as IEEE 754 has it. Where b = 0 the gradient with respect to a
 * is 0; where a = 0 and b ≥ 0, that with respect to b.
 */
export const pow: Binary = binary('pow', power, k.pow, [
  // Where the other factor is 0, we take the power or logarithm of 1: 0·∞ would be NaN.
  (g, _y, a, b) => g.mul(b).mul(a.pow(b.equal(0).where(1, b).sub(1))),
  (g, y, a, b) => g.mul(y).mul(a.equal(0).mul(b.greaterEqual(0)).where(1, a).log()),
]);

/** The larger or smaller of two, whose gradient it gets; ties share it evenly, NaN gets all. */
function winner(
  name: string, f: (a: number, b: number) => number, lower: readonly [k.Binary, k.Binary],
  loses: (x: Tensor, other: Tensor) => Tensor,
): Binary {
  const share = (g: Tensor, x: Tensor, other: Tensor): Tensor =>
    loses(x, other).where(0, x.equal(other).where(g.mul(0.5), g));
  return binary(name, f, lower, [
    (g, _y, a, b) => share(g, a, b),
    (g, _y, a, b) => share(g, b, a),
  ]);
}

/**
 * The larger of a and b; NaN if either is NaN. Ties share the gradient evenly; where one is NaN,
 * both get all of it.
 */
export const maximum: Binary = winner(
  'maximum', (a, b) => Math.max(a, b), [k.maximum, k.max], (x, other) => x.less(other),
);

/**
 * The smaller of a and b; NaN if either is NaN. Ties share the gradient evenly; where one is NaN,
 * both get all of it.
 */
export const minimum: Binary = winner(
  'minimum', (a, b) => Math.min(a, b), [k.minimum, k.min], (x, other) => x.greater(other),
);

/** −x */
export const neg: Unary = unary('neg', (x) => -x, [k.neg, (x) => k.sub(0, x)], (g) => g.neg());

/** |x|, with gradient 0 at 0 and where x is NaN */
export const abs: Unary = unary(
  'abs', Math.abs, [k.abs, (x) => k.max(x, k.sub(0, x))],
  (g, _y, x) => x.greater(0).where(g, x.less(0).where(g.neg(), 0)),
);

const signOf: k.Unary = (x) => k.select(k.greater(x, 0), 1, k.select(k.less(x, 0), -1, x));

/** −1, 0 or 1; no gradient flows through it */
export const sign: Unary = unary('sign', Math.sign, [signOf, signOf], null);

/** eˣ */
export const exp: Unary = unary('exp', Math.exp, k.exp, (g, y) => g.mul(y));

/** eˣ − 1, exact near 0 */
export const expm1: Unary = unary('expm1', Math.expm1, k.expm1, (g, y) => g.mul(y.add(1)));

/** The natural logarithm; NaN below 0 */
export const log: Unary = unary('log', Math.log, k.log, (g, _y, x) => g.div(x));

/** log(1 + x), exact near 0 */
export const log1p: Unary = unary('log1p', Math.log1p, k.log1p, (g, _y, x) => g.div(x.add(1)));

/** √x */
export const sqrt: Unary = unary('sqrt', Math.sqrt, k.sqrt, (g, y) => g.div(y).mul(0.5));

/** 1/√x */
export const rsqrt: Unary = unary(
  'rsqrt', (x) => 1 / Math.sqrt(x), (x) => k.div(1, k.sqrt(x)),
  (g, y) => g.mul(y).mul(y).mul(y).mul(-0.5),
);

/** 1/x */
export function reciprocal(x: Tensor): Tensor {
  requireFloat('reciprocal', 'x', x);
  return tensorOf('reciprocal', 1, x.dtype).div(x);
}

/** x² */
export function square(x: Tensor): Tensor {
  requireTensor('square', 'x', x);
  return x.mul(x);
}

/** The sine of x, in radians */
export const sin: Unary = unary('sin', Math.sin, k.sin, (g, _y, x) => g.mul(x.cos()));

/** The cosine of x, in radians */
export const cos: Unary = unary('cos', Math.cos, k.cos, (g, _y, x) => g.mul(x.sin()).neg());

/** The largest whole number not above x; no gradient flows through it */
export const floor: Unary = unary('floor', Math.floor, k.floor, null);

/** The smallest whole number not below x; no gradient flows through it */
export const ceil: Unary = unary('ceil', Math.ceil, k.ceil, null);

/** The nearest whole number, the even one of two; no gradient flows through it */
export const round: Unary = unary(
  'round',
  (x) => (x - Math.floor(x) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
  k.nearest,
  null,
);

/** The error function, 2/√π ∫₀ˣ e^(−t²) dt */
export const erf: Unary = unary('erf', errorFunction, k.erf, (g, _y, x) =>
  g.mul(x.square().neg().exp()).mul(2 / Math.sqrt(Math.PI)),
);

/** The hyperbolic tangent */
export const tanh: Unary = unary('tanh', Math.tanh, k.tanh, (g, y) =>
  g.mul(y.square().neg().add(1)),
);

/** The bounds of `clamp`, each optional. Throws if `min` is above `max`. */
export interface ClampOptions {
  /** Default −Infinity. */
  readonly min?: number | undefined;
  /** Default Infinity. */
  readonly max?: number | undefined;
}

const bounds = number({ from: -Infinity, to: Infinity });

const clampOptions = {
  min: bounds.orElse(-Infinity),
  max: bounds.orElse(Infinity),
} satisfies Table<ClampOptions>;

/**
 * x limited to a range; its gradient passes within the range, bounds included, and is 0 outside.
 */
export function clamp(x: Tensor, options: ClampOptions): Tensor {
  requireFloat('clamp', 'x', x);
  const { min, max } = readOptions('clamp', options, clampOptions);
  check(min <= max)`clamp: min ${min} is above max ${max}`;
  const above = min === -Infinity ? x : x.less(min).where(min, x);
  return max === Infinity ? above : above.greater(max).where(max, above);
}
