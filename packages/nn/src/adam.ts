/**
 * Adam: each parameter moves against the running mean of its gradient, measured in the running root
 * mean square. Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1;
 * with g the gradient at step t:
 *
 *     m ← β₁m + (1 − β₁)g          v ← β₂v + (1 − β₂)g²
 *     move = m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
 */
import type { Tensor } from '@mambagrad/tensor';
import { type Moments, Optimizer, type OptimizerOptions, type Trained } from './optimizer.ts';

export interface AdamOptions extends OptimizerOptions {
  /** β₁ and β₂, the memory of the two running means. Default 0.9 and 0.999. */
  readonly betas?: readonly [number, number];
  /** ε, which keeps the division finite. Default 1e-8. */
  readonly eps?: number;
}

/** Adam, with weight decay, if any, as part of the gradient. */
export class Adam extends Optimizer {
  readonly #options: AdamOptions;

  constructor(trained: Trained, options: AdamOptions = {}) {
    super(trained, options, ['mean', 'meanSquare']);
    this.#options = options;
  }

  protected override moveAt(step: Tensor): (g: Tensor, moments: Moments) => Tensor {
    const { betas: [beta1, beta2] = [0.9, 0.999], eps = 1e-8 } = this.#options;
    // 1 − βᵗ = −(eˡ − 1) with l = t·log β, which keeps its digits. No β is 0: log 0 is infinite.
    const scale = (beta: number): Tensor =>
      step.mul(Math.log(Math.max(beta, 1e-300))).expm1().neg();
    const [meanScale, squareScale] = [scale(beta1), scale(beta2)];
    return (g, { mean, meanSquare }) => {
      mean.assign(mean.mul(beta1).add(g.mul(1 - beta1)));
      meanSquare.assign(meanSquare.mul(beta2).add(g.square().mul(1 - beta2)));
      return mean.div(meanScale).div(meanSquare.div(squareScale).sqrt().add(eps));
    };
  }
}

/**
 * Adam with weight decay beside the gradient (default 0.01), so that it is the same for large and
 * small gradients. Loshchilov and Hutter, "Decoupled weight decay regularization" (2019),
 * algorithm 2.
 */
export class AdamW extends Adam {
  constructor(trained: Trained, options: AdamOptions = {}) {
    super(trained, { weightDecay: 0.01, ...options });
  }

  protected override get decoupled(): boolean {
    return true;
  }
}
