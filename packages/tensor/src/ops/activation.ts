/**
 * Activation functions: the nonlinearities between layers. Each is written so that no intermediate
 * overflows: softplus, for example, as max(x, 0) + log(1 + e^−|x|), whose exponential is at most 1.
 */
import * as k from '@mambagrad/kernel';
import { oneOf, readOptions, type Table } from '../core/options.ts';
import { resolveAxis } from '../core/shape.ts';
import { erfc } from '../core/special.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireFloat, requireNonEmpty, type Unary, unary } from './define.ts';

/** max(x, 0), with gradient 0 at 0; −0 and 0 both give 0, and NaN stays NaN. */
export const relu: Unary = unary(
  'relu', (x) => (x <= 0 ? 0 : x), (x) => k.select(k.lessEqual(x, 0), 0, x),
  (g, y) => y.equal(0).where(0, g),
);

/** The logistic function σ(x) = 1 / (1 + e⁻ˣ) */
export const sigmoid: Unary = unary(
  'sigmoid', (x) => 1 / (1 + Math.exp(-x)), k.sigmoid, (g, y) => g.mul(y).mul(y.neg().add(1)),
);

/** log(1 + eˣ), a smooth relu; Mamba uses it to keep step sizes positive */
export const softplus: Unary = unary(
  'softplus', (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), k.softplus,
  (g, _y, x) => g.mul(x.sigmoid()),
);

/**
 * x·σ(x), also called swish. Its derivative is written σ(x)·(1 + x − x·σ(x)): in the product rule's
 * form a factor may overflow where another is 0.
 */
export const silu: Unary = unary(
  'silu', (x) => x / (1 + Math.exp(-x)), (x) => k.mul(x, k.sigmoid(x)),
  (g, _y, x) => {
    const s = x.sigmoid();
    return g.mul(s).mul(x.sub(x.mul(s)).add(1));
  },
);

const ROOT_HALF = Math.SQRT1_2;

/**
 * x·Φ(x), whose derivative is Φ(x) + x·Φ′(x), with Φ′ the normal density. Φ(x) is ½ erfc(−x/√2):
 * ½ (1 + erf(x/√2)) would lose its digits where x is negative.
 */
const exactGelu: Unary = unary(
  'gelu', (x) => 0.5 * x * erfc(-x * ROOT_HALF),
  (x) => k.mul(k.mul(x, 0.5), k.erfc(k.mul(x, -ROOT_HALF))),
  (g, _y, x) => {
    const density = x.square().mul(-0.5).exp().mul(1 / Math.sqrt(2 * Math.PI));
    return g.mul(x.mul(ROOT_HALF).erf().add(1).mul(0.5).add(x.mul(density)));
  },
);

/** Options of `gelu`: which of its two formulas. */
export interface GeluOptions {
  /** The exact formula, with the error function, or the one with tanh. Default 'none'. */
  readonly approximate?: 'none' | 'tanh' | undefined;
}

const geluOptions = {
  approximate: oneOf('none', 'tanh').orElse('none'),
} satisfies Table<GeluOptions>;

/**
 * x·Φ(x), with Φ the normal distribution function; with `approximate: 'tanh'` the approximation
 * that older models use. Hendrycks and Gimpel, "Gaussian error linear units" (2016).
 */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  requireFloat('gelu', 'x', x);
  if (readOptions('gelu', options, geluOptions).approximate === 'none') return exactGelu(x);
  const inner = x.add(x.mul(x).mul(x).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
  return x.mul(0.5).mul(inner.tanh().add(1));
}

/**
 * Exponentials along `axis` divided by their sum, so that they add up to 1. The largest element is
 * subtracted first, so none overflows. If it is infinite, the result is NaN: the limit is
 * undefined.
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  const exps = belowLargest('softmax', x, axis).exp();
  return exps.div(exps.sum(axis, true));
}

function belowLargest(op: string, x: Tensor, axis: number): Tensor {
  requireFloat(op, 'x', x);
  const at = resolveAxis(op, axis, x.ndim);
  requireNonEmpty(op, x, [at]);
  return x.sub(x.detach().max(at, true));
}

/** The logarithm of softmax, accurate even where softmax underflows to 0. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  const shifted = belowLargest('logSoftmax', x, axis);
  return shifted.sub(shifted.exp().sum(axis, true).log());
}
