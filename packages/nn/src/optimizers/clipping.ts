/**
 * Gradient clipping: if the norm of all gradients together is too large, all are scaled down by one
 * factor, which keeps their direction. With ‖g‖ the norm over all parameters,
 *
 *     g ← g · min(1, maxNorm / ‖g‖),   ‖g‖ = √Σ g²
 *
 * The squares leave the range of float32 long before g does: they overflow for g above 1.8e19, and
 * lose their digits for g below 1e-19. In these cases g is first scaled by a power of two, which
 * rounds nothing: √Σ(2ᵏg)² = 2ᵏ‖g‖.
 */
import { full, noGrad, type Tensor, zeros } from '@mambagrad/tensor';
import { checkArgument, type Kind, listOf, number, tensors } from '@mambagrad/tensor/options';

/** A norm to clip to; with Infinity nothing is clipped. */
export const norms: Kind<number> = number({ above: 0, to: Infinity });

/** By dtype: a factor that brings large squares into range, and the smallest exact sum. */
const ranges = {
  f32: { factor: 2 ** -96, least: 2 ** -100 },
  f64: { factor: 2 ** -640, least: 2 ** -800 },
};

/**
 * The norm of all elements of some tensors, √Σx² (0-d; 0 if there are no tensors). It does not
 * overflow unless the norm itself does; it is infinite or NaN if an element is.
 */
export function globalNorm(all: readonly Tensor[]): Tensor {
  checkArgument('globalNorm', 'tensors', all, listOf(tensors));
  if (all.length === 0) return zeros([]);
  const { factor, least } = ranges[all[0].dtype === 'f64' ? 'f64' : 'f32'];
  const sumOfSquares = (tensors: readonly Tensor[]): Tensor =>
    tensors.map((x) => x.square().sum()).reduce((total, square) => total.add(square));
  // The scale is a constant: the norm has its gradient, x/‖x‖, whatever the scale is.
  const scale = noGrad(() => {
    const sum = sumOfSquares(all);
    const ifFinite = sum.greater(least).where(full([], 1, { dtype: sum.dtype }), 1 / factor);
    return sum.less(Infinity).where(ifFinite, factor);
  });
  return sumOfSquares(all.map((x) => x.mul(scale))).sqrt().div(scale);
}

/**
 * Scales gradients by one factor so that their global norm is at most `maxNorm`, as PyTorch's
 * `clip_grad_norm_` does. `norm` is the norm before (0-d).
 */
export function clipNorm(
  gradients: readonly Tensor[], maxNorm: number,
): { clipped: Tensor[]; norm: Tensor } {
  checkArgument('clipNorm', 'maxNorm', maxNorm, norms);
  return noGrad(() => {
    const norm = globalNorm(gradients);
    const factor = norm.add(1e-6).reciprocal().mul(maxNorm).minimum(1);
    return { clipped: gradients.map((g) => g.mul(factor)), norm };
  });
}
