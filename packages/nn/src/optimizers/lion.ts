/**
 * Lion moves every element of every parameter by the learning rate, up or down: it takes the sign
 * of a running mean of the gradient. One mean is kept, half the state of Adam. With g the gradient:
 *
 *     u = sign(β₁m + (1 − β₁)g)          m ← β₂m + (1 − β₂)g
 *
 * As all elements move equally far, the rate should be 3 to 10 times smaller than AdamW's, and the
 * weight decay as many times larger. Chen et al., "Symbolic discovery of optimization algorithms"
 * (2023), https://arxiv.org/abs/2302.06675, algorithm 2.
 */
import { readOptions, type Table } from '@mambagrad/tensor/options';
import { Optimizer, type UpdateRule } from './optimizer.ts';
import {
  type OptimizerOptions, optimizerOptions, pairOfBetas, rates, type Trained,
} from './optimizerOptions.ts';

/** Options of `Lion`, besides those of every optimizer. */
export interface LionOptions extends OptimizerOptions {
  /**
   * β₁, the part of the running mean in the update, and β₂, its decay rate, each from 0 to below 1.
   * Default [0.9, 0.99].
   */
  readonly betas?: readonly [number, number] | undefined;
}

const lionOptions = {
  ...optimizerOptions,
  lr: rates.orElse(1e-4),
  betas: pairOfBetas.orElse([0.9, 0.99]),
} satisfies Table<LionOptions>;

/** Lion by the formulas above, with decoupled weight decay. The default learning rate is 1e-4. */
export class Lion extends Optimizer {
  readonly #betas: readonly [number, number];

  /** Throws if there is nothing to train, or if an option is out of its range. */
  constructor(trained: Trained, options: LionOptions = {}) {
    const { betas, ...rest } = readOptions(new.target.name, options, lionOptions);
    super(trained, rest, ['mean']);
    this.#betas = betas;
  }

  protected override updateRule(): UpdateRule {
    const [beta1, beta2] = this.#betas;
    return (g, { mean }) => {
      const update = mean.mul(beta1).add(g.mul(1 - beta1)).sign();
      mean.assign(mean.mul(beta2).add(g.mul(1 - beta2)));
      return update;
    };
  }

  protected override get decoupled(): boolean {
    return true;
  }
}
