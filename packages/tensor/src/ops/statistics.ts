/**
 * What describes a set of numbers: means, variances, norms, and the logarithm of a sum of
 * exponentials. Made of sums and maxima.
 */
import { type Axes, check, numelOf, resolveAxes } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { requireFloat, requireNonEmpty } from './define.ts';

/** The mean over the given axes, or over all. An empty axis is an error. */
export function mean(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  requireFloat('mean', 'x', x);
  const axes = resolveAxes('mean', axis, x.ndim);
  requireNonEmpty('mean', x, axes);
  return x.sum(axes, keepDims).div(countAlong(x, axes));
}

function countAlong(x: Tensor, axes: readonly number[]): number {
  return numelOf(axes.map((axis) => x.shape[axis]));
}

export interface VarianceOptions {
  /** What is subtracted from the count: 1 for a sample (default), 0 for the whole population. */
  readonly correction?: number;
  /** Default false. */
  readonly keepDims?: boolean;
}

/** The variance Σ(x − mean)² / (n − correction) over the given axes, or over all. */
function variance(
  x: Tensor, axis?: Axes, { correction = 1, keepDims = false }: VarianceOptions = {},
): Tensor {
  requireFloat('var', 'x', x);
  const axes = resolveAxes('var', axis, x.ndim);
  const count = countAlong(x, axes);
  const isEnough = count > correction;
  check(isEnough)`var: ${count} elements with a correction of ${correction} have no variance`;
  return x.sub(x.mean(axes, true)).square().sum(axes, keepDims).div(count - correction);
}

// A function cannot be named var, but it can be exported by that name.
export { variance as var };

/** The standard deviation, the square root of `var`. */
export function std(x: Tensor, axis?: Axes, options: VarianceOptions = {}): Tensor {
  return variance(x, axis, options).sqrt();
}

export interface NormOptions {
  /** Which norm: (Σ|x|ᵖ)^(1/p), or max |x| for Infinity. Default 2. */
  readonly p?: number;
  /** Default false. */
  readonly keepDims?: boolean;
}

/** The length of x as a vector, over the given axes or over all. Its gradient at 0 is 0. */
export function norm(
  x: Tensor, axis?: Axes, { p = 2, keepDims = false }: NormOptions = {},
): Tensor {
  requireFloat('norm', 'x', x);
  check(p > 0)`norm: p is ${p}, expected a number above 0`;
  if (p === Infinity) return x.abs().max(axis, keepDims);
  const sum = (p === 2 ? x.square() : x.abs().pow(p)).sum(axis, keepDims);
  if (p === 1) return sum;
  // The root has no slope at 0, so it is taken of 1 there and the result put back to 0.
  const isZero = sum.equal(0);
  const root = isZero.where(1, sum);
  return isZero.where(0, p === 2 ? root.sqrt() : root.pow(1 / p));
}

/** log Σ eˣ along the given axes, however large or small the x. */
export function logsumexp(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  requireFloat('logsumexp', 'x', x);
  const axes = resolveAxes('logsumexp', axis, x.ndim);
  requireNonEmpty('logsumexp', x, axes);
  // Where the largest is infinite there is nothing to shift by.
  const found = x.detach().max(axes, true);
  const largest = found.isFinite().where(found, 0);
  const sums = x.sub(largest).exp().sum(axes, true).log().add(largest);
  return keepDims ? sums : sums.squeeze(axes);
}
