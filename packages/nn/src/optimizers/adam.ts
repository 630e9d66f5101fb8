/**
 * Adam: each parameter moves against the running mean of its gradient, measured in the running root
 * mean square. Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1;
 * with g the gradient at step t:
 *
 *     m ← β₁m + (1 − β₁)g          v ← β₂v + (1 − β₂)g²
 *     move = m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
 */
import type { Tensor } from '@mambagrad/tensor';
import { type Kind, listOf, number, readOptions, type Table } from '@mambagrad/tensor/options';
import {
  type Move, Optimizer, type OptimizerOptions, optimizerOptions, type Trained,
} from './optimizer.ts';

/** Options of `Adam` and `AdamW`, besides those of every optimizer. */
export interface AdamOptions extends OptimizerOptions {
  /**
   * β₁ and β₂, the memory of the two running means, each from 0 to below 1. Default [0.9, 0.999].
   */
  readonly betas?: readonly [number, number] | undefined;
  /** ε, which keeps the division finite; from 0. Default 1e-8. */
  readonly eps?: number | undefined;
}

const pairOfBetas = listOf(number({ from: 0, below: 1 }), 2) as Kind<readonly [number, number]>;

const adamOptions = {
  ...optimizerOptions,
  betas: pairOfBetas.orElse([0.9, 0.999]),
  eps: number({ from: 0 }).orElse(1e-8),
} satisfies Table<AdamOptions>;

/** The same, with the weight decay that `AdamW` has by default. */
const adamWOptions = {
  ...adamOptions,
  weightDecay: number({ from: 0 }).orElse(0.01),
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

  protected override moveAt(steps: Tensor): Move {
    const [beta1, beta2] = this.#betas;
    // 1 − βᵗ = −(eˡ − 1) with l = t·log β, which keeps its digits. No β is 0: log 0 is infinite.
    const scale = (beta: number): Tensor =>
      steps.mul(Math.log(Math.max(beta, 1e-300))).expm1().neg();
    const [meanScale, rootScale] = [scale(beta1), scale(beta2).sqrt()];
    return (g, { mean, meanSquare }, own) => {
      mean.assign(mean.mul(beta1).add(g.mul(1 - beta1)));
      // Multiplied before it is squared, and the root taken before it is divided: large gradients
      // stay finite as long as v does.
      meanSquare.assign(meanSquare.mul(beta2).add(g.mul(1 - beta2).mul(g)));
      const root = meanSquare.sqrt().div(own(rootScale));
      return mean.div(own(meanScale)).div(root.add(this.#eps));
    };
  }
}

/**
 * Adam with weight decay beside the gradient, 0.01 unless told otherwise, so that it is the same
 * for large and small gradients. Loshchilov and Hutter, "Decoupled weight decay regularization"
 * (2019), algorithm 2.
 */
export class AdamW extends Adam {
  constructor(trained: Trained, options: AdamOptions = {}) {
    super(trained, readOptions(new.target.name, options, adamWOptions));
  }

  protected override get decoupled(): boolean {
    return true;
  }
}
