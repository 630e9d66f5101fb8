/**
 * Arithmetic and elementary functions, element by element. A gradient rule gets `g`, the gradient
 * of the loss with respect to the result `y`, and applies the chain rule: g · ∂y/∂x. It is written
 * in the shape of the result; where an input was broadcast, the backward pass sums afterwards.
 */
import * as k from '@mambagrad/kernel';
import { TensorError } from '../shape.ts';
import { erf as errorFunction } from '../special.ts';
import type { Tensor } from '../tensor.ts';
import { binary, type Operand, requireFloat, scalar, unary } from './define.ts';

const isInteger = (x: k.Value): boolean => x.type.startsWith('i32');

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Tensor, b: Operand) => Tensor;

/** a + b */
export const add: Binary = binary('add', {
  compute: (a, b) => a + b,
  lower: k.add,
  gradients: [(g) => g, (g) => g],
  integers: true,
});

/** a − b */
export const sub: Binary = binary('sub', {
  compute: (a, b) => a - b,
  lower: k.sub,
  gradients: [(g) => g, (g) => g.neg()],
  integers: true,
});

/** a · b */
export const mul: Binary = binary('mul', {
  compute: (a, b) => a * b,
  lower: k.mul,
  gradients: [(g, _y, _a, b) => g.mul(b), (g, _y, a) => g.mul(a)],
  integers: Math.imul,
});

/** a / b */
export const div: Binary = binary('div', {
  compute: (a, b) => a / b,
  lower: k.div,
  gradients: [(g, _y, _a, b) => g.div(b), (g, y, _a, b) => g.mul(y).div(b).neg()],
});

/** aᵇ. At a = 0 the gradient with respect to b is 0, and so is that to a where b = 0. */
export const pow: Binary = binary('pow', {
  compute: (a, b) => a ** b,
  lower: k.pow,
  gradients: [
    // Where the factor beside it is 0, a power or logarithm that would be infinite is taken of 1.
    (g, _y, a, b) => g.mul(b).mul(a.pow(b.equal(0).where(1, b).sub(1))),
    (g, y, a) => g.mul(y).mul(a.equal(0).where(1, a).log()),
  ],
});

/** The larger of a and b; NaN if either is. At a tie each gets half of the gradient. */
export const maximum: Binary = binary('maximum', {
  compute: (a, b) => Math.max(a, b),
  lower: (a, b) => (isInteger(a) ? k.max(a, b) : k.maximum(a, b)),
  gradients: [
    (g, _y, a, b) => g.mul(winnerShare(a.greater(b), a.equal(b), g)),
    (g, _y, a, b) => g.mul(winnerShare(a.less(b), a.equal(b), g)),
  ],
  integers: true,
});

/** The smaller of a and b; NaN if either is. At a tie each gets half of the gradient. */
export const minimum: Binary = binary('minimum', {
  compute: (a, b) => Math.min(a, b),
  lower: (a, b) => (isInteger(a) ? k.min(a, b) : k.minimum(a, b)),
  gradients: [
    (g, _y, a, b) => g.mul(winnerShare(a.less(b), a.equal(b), g)),
    (g, _y, a, b) => g.mul(winnerShare(a.greater(b), a.equal(b), g)),
  ],
  integers: true,
});

/** 1 where this side wins, ½ at a tie, 0 where it loses. */
function winnerShare(wins: Tensor, ties: Tensor, like: Tensor): Tensor {
  return wins.cast(like.dtype).add(ties.cast(like.dtype).mul(0.5));
}

/** −x */
export const neg: Unary = unary('neg', {
  compute: (x) => -x,
  lower: (x) => (isInteger(x) ? k.sub(0, x) : k.neg(x)),
  gradient: (g) => g.neg(),
  integers: true,
});

/** |x|, with gradient 0 at 0 */
export const abs: Unary = unary('abs', {
  compute: Math.abs,
  lower: (x) => (isInteger(x) ? k.max(x, k.sub(0, x)) : k.abs(x)),
  gradient: (g, _y, x) => g.mul(x.sign()),
  integers: true,
});

/** −1, 0 or 1; a constant to the backward pass */
export const sign: Unary = unary('sign', {
  compute: Math.sign,
  lower: (x) => k.select(k.greater(x, 0), 1, k.select(k.less(x, 0), -1, x)),
  integers: true,
});

/** eˣ */
export const exp: Unary = unary('exp', {
  compute: Math.exp,
  lower: k.exp,
  gradient: (g, y) => g.mul(y),
});

/** eˣ − 1, exact near 0 */
export const expm1: Unary = unary('expm1', {
  compute: Math.expm1,
  lower: k.expm1,
  gradient: (g, y) => g.mul(y.add(1)),
});

/** The natural logarithm; NaN below 0 */
export const log: Unary = unary('log', {
  compute: Math.log,
  lower: k.log,
  gradient: (g, _y, x) => g.div(x),
});

/** log(1 + x), exact near 0 */
export const log1p: Unary = unary('log1p', {
  compute: Math.log1p,
  lower: k.log1p,
  gradient: (g, _y, x) => g.div(x.add(1)),
});

/** √x */
export const sqrt: Unary = unary('sqrt', {
  compute: Math.sqrt,
  lower: k.sqrt,
  gradient: (g, y) => g.div(y).mul(0.5),
});

/** 1/√x */
export const rsqrt: Unary = unary('rsqrt', {
  compute: (x) => 1 / Math.sqrt(x),
  lower: (x) => k.div(1, k.sqrt(x)),
  gradient: (g, y) => g.mul(y).mul(y).mul(y).mul(-0.5),
});

/** 1/x */
export function reciprocal(x: Tensor): Tensor {
  requireFloat('reciprocal', 'x', x);
  return scalar('reciprocal', 1, x.dtype).div(x);
}

/** x² */
export function square(x: Tensor): Tensor {
  return x.mul(x);
}

/** The sine of x, in radians */
export const sin: Unary = unary('sin', {
  compute: Math.sin,
  lower: k.sin,
  gradient: (g, _y, x) => g.mul(x.cos()),
});

/** The cosine of x, in radians */
export const cos: Unary = unary('cos', {
  compute: Math.cos,
  lower: k.cos,
  gradient: (g, _y, x) => g.mul(x.sin()).neg(),
});

/** The largest whole number not above x; a constant to the backward pass */
export const floor: Unary = unary('floor', {
  compute: Math.floor,
  lower: k.floor,
});

/** The smallest whole number not below x; a constant to the backward pass */
export const ceil: Unary = unary('ceil', {
  compute: Math.ceil,
  lower: k.ceil,
});

/** The nearest whole number, the even one if there are two; a constant to the backward pass */
export const round: Unary = unary('round', {
  compute: (x) => (x - Math.floor(x) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
  lower: k.nearest,
});

/** The error function, 2/√π ∫₀ˣ e^(−t²) dt */
export const erf: Unary = unary('erf', {
  compute: errorFunction,
  lower: k.erf,
  gradient: (g, _y, x) => g.mul(x.square().neg().exp()).mul(2 / Math.sqrt(Math.PI)),
});

/** The hyperbolic tangent */
export const tanh: Unary = unary('tanh', {
  compute: Math.tanh,
  lower: k.tanh,
  gradient: (g, y) => g.mul(y.square().neg().add(1)),
});

export interface ClampOptions {
  /** Default −Infinity. */
  readonly min?: number;
  /** Default Infinity. */
  readonly max?: number;
}

/** x held between two bounds; the gradient is 1 from bound to bound, and 0 outside. */
export function clamp(x: Tensor, { min = -Infinity, max = Infinity }: ClampOptions): Tensor {
  requireFloat('clamp', 'x', x);
  if (!(min <= max)) throw new TensorError(`clamp: min ${min} is above max ${max}`);
  const above = min === -Infinity ? x : x.less(min).where(min, x);
  return max === Infinity ? above : above.greater(max).where(max, above);
}
