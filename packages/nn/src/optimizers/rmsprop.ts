/**
 * RMSprop: each gradient is divided by the running root mean square of the parameter's gradients,
 * so that steps have about the size of the learning rate. With g the gradient:
 *
 *     v ← αv + (1 − α)g²          u = g / (√v + ε)
 *
 * Centered, the square of the running mean m ← αm + (1 − α)g is subtracted, √(v − m²), so that the
 * divisor is the standard deviation of the gradient. With momentum μ the parameter moves by a
 * velocity, b ← μb + u. Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5
 * (2012); centered by Graves, "Generating sequences with recurrent neural networks" (2013),
 * section 4.2.
 */
import type { Tensor } from '@mambagrad/tensor';
import { boolean, number, readOptions, type Table } from '@mambagrad/tensor/options';
import { Optimizer, type UpdateRule } from './optimizer.ts';
import {
  type OptimizerOptions, optimizerOptions, rates, type Trained,
} from './optimizerOptions.ts';

/** Options of `RMSprop`, besides those of every optimizer. */
export interface RMSpropOptions extends OptimizerOptions {
  /** α, the decay rate of the running means, from 0 to below 1. Default 0.99. */
  readonly alpha?: number | undefined;
  /** ε, which keeps the division finite; from 0. Default 1e-8. */
  readonly eps?: number | undefined;
  /** μ, from 0. Default 0. */
  readonly momentum?: number | undefined;
  /** Whether gradients are divided by their standard deviation. Default false. */
  readonly centered?: boolean | undefined;
}

const rmspropOptions = {
  ...optimizerOptions,
  lr: rates.orElse(0.01),
  alpha: number({ from: 0, below: 1 }).orElse(0.99),
  eps: number({ from: 0 }).orElse(1e-8),
  momentum: number({ from: 0 }).orElse(0),
  centered: boolean.orElse(false),
} satisfies Table<RMSpropOptions>;

/**
 * RMSprop by the formulas above, as PyTorch has it: ε is added to the root, and weight decay is
 * part of the gradient. The default learning rate is 0.01.
 */
export class RMSprop extends Optimizer {
  readonly #alpha: number;
  readonly #eps: number;
  readonly #momentum: number;
  readonly #centered: boolean;

  /** Throws if there is nothing to train, or if an option is out of its range. */
  constructor(trained: Trained, options: RMSpropOptions = {}) {
    const { alpha, eps, momentum, centered, ...rest } =
      readOptions(new.target.name, options, rmspropOptions);
    const more = [...(centered ? ['mean'] : []), ...(momentum > 0 ? ['velocity'] : [])];
    super(trained, rest, ['meanSquare', ...more]);
    this.#alpha = alpha;
    this.#eps = eps;
    this.#momentum = momentum;
    this.#centered = centered;
  }

  protected override updateRule(): UpdateRule {
    const alpha = this.#alpha;
    return (g, { meanSquare, mean, velocity }) => {
      // Scaled before it is squared: a large gradient stays finite as long as v does.
      meanSquare.assign(meanSquare.mul(alpha).add(g.mul(1 - alpha).mul(g)));
      if (this.#centered) mean.assign(mean.mul(alpha).add(g.mul(1 - alpha)));
      const root = this.#spread(meanSquare, mean).sqrt().add(this.#eps);
      const update = g.div(root);
      if (this.#momentum === 0) return update;
      return velocity.assign(velocity.mul(this.#momentum).add(update));
    };
  }

  /** v, or the variance v − m², which rounding could make negative. */
  #spread(meanSquare: Tensor, mean: Tensor): Tensor {
    return this.#centered ? meanSquare.sub(mean.square()).maximum(0) : meanSquare;
  }
}
