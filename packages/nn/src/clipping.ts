/**
 * Clipping: gradients that are too long together are scaled down by one factor, which keeps their
 * direction. With ‖g‖ the norm over all parameters,
 *
 *     g ← g · min(1, maxNorm / ‖g‖),   ‖g‖ = √Σ g²
 *
 * The squares leave the range of float32 long before g does: above 1.8e19 they are infinite, below
 * 1e-19 they lose their digits. Powers of two scale without rounding, so Σ(2ᵏg)² = 4ᵏ Σg².
 */
import { noGrad, type Tensor, zeros } from '@mambagrad/tensor';
import { checkArgument, type Kind, listOf, number, tensors } from '@mambagrad/tensor/options';

/** A norm to clip to; Infinity clips nothing. */
export const norms: Kind<number> = number({ above: 0, to: Infinity });

/** By dtype, a factor that brings large squares into range, and the least sum that is exact. */
const ranges = {
  f32: { factor: 2 ** -96, least: 2 ** -100 },
  f64: { factor: 2 ** -640, least: 2 ** -800 },
};

/**
 * The common norm of some tensors, √Σx² (0-d; 0 if there are none). Finite wherever the norm itself
 * is; infinite or NaN if an element is.
 */
export function globalNorm(all: readonly Tensor[]): Tensor {
  checkArgument('globalNorm', 'tensors', all, listOf(tensors));
  if (all.length === 0) return zeros([]);
  const { factor, least } = ranges[all[0].dtype === 'f64' ? 'f64' : 'f32'];
  // Compiled, the three sums share one loop: each number is read once.
  const sumOfSquares = (scale: number): Tensor =>
    all.map((x) => x.mul(scale).square().sum()).reduce((total, square) => total.add(square));
  const [plain, shrunk, grown] = [1, factor, 1 / factor].map(sumOfSquares);
  const small = plain.greater(least).where(plain.sqrt(), grown.sqrt().mul(factor));
  return plain.less(Infinity).where(small, shrunk.sqrt().div(factor));
}

/**
 * Gradients scaled by one factor so that their common norm is at most `maxNorm`, as PyTorch's
 * `clip_grad_norm_` does; and the norm that they had (0-d).
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
