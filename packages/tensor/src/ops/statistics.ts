/**
 * Statistics: means, variances, norms, and the logarithm of a sum of exponentials, composed of sums
 * and maxima. `std` and `logsumexp` are scaled so that no intermediate overflows; `var`, whose
 * squares are in its result, and `norm` are not.
 */
import { boolean, checkArgument, number, oneOf, readOptions, type Table } from '../core/options.ts';
import { type Axes, check, numelOf, resolveAxes } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireFloat, requireNonEmpty } from './define.ts';

/** The mean over the given axes, or over all. Throws if one of them is empty. */
export function mean(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  requireFloat('mean', 'x', x);
  checkArgument('mean', 'keepDims', keepDims, boolean);
  const axes = resolveAxes('mean', axis, x.ndim);
  requireNonEmpty('mean', x, axes);
  return x.sum(axes, keepDims).div(countAlong(x, axes));
}

function countAlong(x: Tensor, axes: readonly number[]): number {
  return numelOf(axes.map((axis) => x.shape[axis]));
}

/** Options of `var` and `std`, besides the axes. */
export interface VarianceOptions {
  /** Subtracted from the count: 1 for a sample, 0 for the whole population. Default 1. */
  readonly correction?: number | undefined;
  /** Default false. */
  readonly keepDims?: boolean | undefined;
}

const varianceOptions = {
  correction: number().orElse(1),
  keepDims: boolean.orElse(false),
} satisfies Table<VarianceOptions>;

/** The variance Σ(x − mean)² / (n − correction) over the given axes, or over all. */
function variance(x: Tensor, axis?: Axes, options: VarianceOptions = {}): Tensor {
  const { deviations, axes, divisor, keepDims } = spreadOf('var', x, axis, options);
  return deviations.square().sum(axes, keepDims).div(divisor);
}

/** The deviations from the mean, and the divisor for the sum of their squares. */
function spreadOf(op: string, x: Tensor, axis: Axes, options: VarianceOptions) {
  requireFloat(op, 'x', x);
  const { correction, keepDims } = readOptions(op, options, varianceOptions);
  const axes = resolveAxes(op, axis, x.ndim);
  const count = countAlong(x, axes);
  const isEnough = count > correction;
  check(isEnough)`${op}: correction is ${correction} and there are ${count} elements; expected
    a correction below that`;
  requireNonEmpty(op, x, axes);
  const deviations = x.sub(x.mean(axes, true));
  return { deviations, axes, divisor: count - correction, keepDims };
}

// A function cannot be named var, but it can be exported by that name.
export { variance as var };

/** The standard deviation, the square root of `var`. Where it is 0, so is its gradient. */
export function std(x: Tensor, axis?: Axes, options: VarianceOptions = {}): Tensor {
  const { deviations, axes, divisor, keepDims } = spreadOf('std', x, axis, options);
  // Divided by the largest deviation, no square overflows, nor do all of them underflow.
  const largest = deviations.detach().abs().max(axes, true);
  const unit = largest.greater(0).mul(largest.less(Infinity)).where(largest, 1);
  const variances = deviations.div(unit).square().sum(axes, true).div(divisor);
  const result = rootOf(variances, (each) => each.sqrt()).mul(unit);
  return keepDims ? result : result.squeeze(axes);
}

/** A root whose gradient at 0 is 0: there we take the root of 1, and select 0 instead. */
function rootOf(x: Tensor, take: (x: Tensor) => Tensor): Tensor {
  const isZero = x.equal(0);
  return isZero.where(0, take(isZero.where(1, x)));
}

/** Options of `norm`, besides the axes. */
export interface NormOptions {
  /** Which norm: (Σ|x|ᵖ)^(1/p), or max |x| for Infinity. Default 2. */
  readonly p?: number | undefined;
  /** Default false. */
  readonly keepDims?: boolean | undefined;
}

const normOptions = {
  p: number({ above: 0 }).or(oneOf(Infinity)).orElse(2),
  keepDims: boolean.orElse(false),
} satisfies Table<NormOptions>;

/**
 * The length of x as a vector, over the given axes or over all. Where the norm or an element is 0,
 * the gradient is 0.
 */
export function norm(x: Tensor, axis?: Axes, options: NormOptions = {}): Tensor {
  requireFloat('norm', 'x', x);
  const { p, keepDims } = readOptions('norm', options, normOptions);
  const axes = resolveAxes('norm', axis, x.ndim);
  if (p === Infinity) {
    requireNonEmpty('norm', x, axes);
    return x.abs().max(axes, keepDims);
  }
  if (p === 1) return x.abs().sum(axes, keepDims);
  if (p === 2) return rootOf(x.square().sum(axes, keepDims), (sum) => sum.sqrt());
  const sum = rootOf(x.abs(), (size) => size.pow(p)).sum(axes, keepDims);
  return rootOf(sum, (total) => total.pow(1 / p));
}

const LARGEST_FLOAT32 = 2 ** 128 - 2 ** 104;

/** log Σ eˣ along the given axes, or over all; no exponential overflows. */
export function logsumexp(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  requireFloat('logsumexp', 'x', x);
  checkArgument('logsumexp', 'keepDims', keepDims, boolean);
  const axes = resolveAxes('logsumexp', axis, x.ndim);
  requireNonEmpty('logsumexp', x, axes);
  // Clamped to be finite: ∞ − ∞ would be NaN.
  const most = x.dtype === 'f32' ? LARGEST_FLOAT32 : Number.MAX_VALUE;
  const largest = x.detach().max(axes, true).clamp({ min: -most, max: most });
  const sums = x.sub(largest).exp().sum(axes, true).log().add(largest);
  return keepDims ? sums : sums.squeeze(axes);
}
