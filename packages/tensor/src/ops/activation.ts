/**
 * The nonlinearities between layers. Each is written so that no intermediate overflows: softplus,
 * for one, as max(x, 0) + log(1 + e^−|x|), whose exponential is never above 1.
 */
import * as k from '@mambagrad/kernel';
import { resolveAxis } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { requireFloat, requireNonEmpty, type Unary, unary } from './define.ts';

/** max(x, 0), with gradient 0 at 0; −0 and 0 both give 0, and NaN stays NaN. */
export const relu: Unary = unary(
  'relu', (x) => (x <= 0 ? 0 : x), (x) => k.select(k.lessEqual(x, 0), 0, x),
  (g, y) => y.greater(0).where(g, 0),
);

/** The logistic function σ(x) = 1 / (1 + e⁻ˣ) */
export const sigmoid: Unary = unary(
  'sigmoid', (x) => 1 / (1 + Math.exp(-x)), k.sigmoid, (g, y) => g.mul(y).mul(y.neg().add(1)),
);

/** log(1 + eˣ), the smooth relu that keeps step sizes positive */
export const softplus: Unary = unary(
  'softplus', (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), k.softplus,
  (g, _y, x) => g.mul(x.sigmoid()),
);

/** x·σ(x), also called swish */
export function silu(x: Tensor): Tensor {
  requireFloat('silu', 'x', x);
  return x.mul(x.sigmoid());
}

/**
 * x·Φ(x), with Φ the normal distribution function; or, with `approximate: 'tanh'`, the formula that
 * came before fast error functions. Hendrycks and Gimpel, "Gaussian error linear units" (2016).
 */
export function gelu(
  x: Tensor, { approximate = 'none' }: { readonly approximate?: 'none' | 'tanh' } = {},
): Tensor {
  requireFloat('gelu', 'x', x);
  if (approximate === 'none') return x.mul(x.mul(Math.SQRT1_2).erf().add(1)).mul(0.5);
  const inner = x.add(x.mul(x).mul(x).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
  return x.mul(inner.tanh().add(1)).mul(0.5);
}

/**
 * Exponentials along `axis`, divided by their sum: positive, adding up to 1. The largest entry is
 * subtracted first, so nothing overflows. Infinite logits give NaN as the limit is undefined.
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

/** The logarithm of softmax, without taking the logarithm of a number that became 0. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  const shifted = belowLargest('logSoftmax', x, axis);
  return shifted.sub(shifted.exp().sum(axis, true).log());
}
