/**
 * Adam: each parameter moves against the running mean of its gradient, divided by the running root
 * mean square, so that steps have about the size of the learning rate whatever the gradients are.
 * With g the gradient at step t:
 *
 *     m ← β₁m + (1 − β₁)g          v ← β₂v + (1 − β₂)g²
 *     u = m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
 *
 * The divisors correct the bias of m and v, which start at 0. Kingma and Ba, "Adam: a method for
 * stochastic optimization" (2015), algorithm 1.
 */
import type { Tensor } from '@mambagrad/tensor';
import { number, readOptions, type Table } from '@mambagrad/tensor/options';
import { Optimizer, type UpdateRule } from './optimizer.ts';
import {
  type OptimizerOptions, optimizerOptions, pairOfBetas, rates, type Trained,
} from './optimizerOptions.ts';

/** Options of `Adam` and `AdamW`, besides those of every optimizer. */
export interface AdamOptions extends OptimizerOptions {
  /**
   * β₁ and β₂, the decay rates of the two running means, each from 0 to below 1. Default
   * [0.9, 0.999].
   */
  readonly betas?: readonly [number, number] | undefined;
  /** ε, which keeps the division finite; from 0. Default 1e-8. */
  readonly eps?: number | undefined;
}

const adamOptions = {
  ...optimizerOptions,
  betas: pairOfBetas.orElse([0.9, 0.999]),
  eps: number({ from: 0 }).orElse(1e-8),
} satisfies Table<AdamOptions>;

/** The options of `Adam`, with the weight decay that `AdamW` has by default. */
const adamWOptions = {
  ...adamOptions,
  weightDecay: rates.orElse(0.01),
} satisfies Table<AdamOptions>;

/** Adam, with weight decay, if any, as part of the gradient. */
export class Adam extends Optimizer {
  readonly #betas: readonly [number, number];
  readonly #eps: number;

  /** Throws if there is nothing to train, or if an option is out of its range. */
  constructor(trained: Trained, options: AdamOptions = {}) {
    const { betas, eps, ...rest } = readOptions(new.target.name, options, adamOptions);
    super(trained, rest, ['mean', 'meanSquare']);
    this.#betas = betas;
    this.#eps = eps;
  }

  protected override updateRule(steps: Tensor): UpdateRule {
    const [beta1, beta2] = this.#betas;
    // 1 − βᵗ = −expm1(t·log β) keeps its digits where βᵗ is near 1. The logarithm of 0 is infinite.
    const biasCorrection = (beta: number): Tensor =>
      steps.mul(Math.log(Math.max(beta, 1e-300))).expm1().neg();
    const [meanScale, rootScale] = [biasCorrection(beta1), biasCorrection(beta2).sqrt()];
    return (g, { mean, meanSquare }, entryOf) => {
      mean.assign(mean.mul(beta1).add(g.mul(1 - beta1)));
      // Scaled before it is squared, and the root taken before the division: large gradients stay
      // finite as long as v does.
      meanSquare.assign(meanSquare.mul(beta2).add(g.mul(1 - beta2).mul(g)));
      const root = meanSquare.sqrt().div(entryOf(rootScale));
      return mean.div(entryOf(meanScale)).div(root.add(this.#eps));
    };
  }
}

/**
 * Adam with decoupled weight decay, 0.01 by default, which is the same for large and small
 * gradients. Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), algorithm 2.
 */
export class AdamW extends Adam {
  constructor(trained: Trained, options: AdamOptions = {}) {
    super(trained, readOptions(new.target.name, options, adamWOptions));
  }

  protected override get decoupled(): boolean {
    return true;
  }
}
