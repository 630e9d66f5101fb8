/**
 * Stochastic gradient descent, with momentum μ and dampening δ if asked for: velocity gathers
 * gradients, as a ball gathers speed, and Nesterov's variant looks a step ahead. As PyTorch has it,
 * which dampens all gradients but the first:
 *
 *     v ← μv + (1 − δ)g          move = v, or g + μv in Nesterov's variant
 *
 * Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013).
 */
import { type Tensor, TensorError } from '@mambagrad/tensor';
import { type Moments, Optimizer, type OptimizerOptions, type Trained } from './optimizer.ts';

export interface SGDOptions extends OptimizerOptions {
  /** μ. Default 0. */
  readonly momentum?: number;
  /** δ. Default 0. */
  readonly dampening?: number;
  /** Takes momentum and no dampening. Default false. */
  readonly nesterov?: boolean;
}

export class SGD extends Optimizer {
  readonly #options: Required<Omit<SGDOptions, keyof OptimizerOptions>>;

  constructor(trained: Trained, options: SGDOptions = {}) {
    const { momentum = 0, dampening = 0, nesterov = false } = options;
    super(trained, options, momentum === 0 ? [] : ['velocity']);
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      throw new TensorError('SGD: nesterov takes a momentum above 0 and no dampening');
    }
    this.#options = { momentum, dampening, nesterov };
  }

  protected override moveAt(step: Tensor): (g: Tensor, moments: Moments) => Tensor {
    const { momentum, dampening, nesterov } = this.#options;
    if (momentum === 0) return (g) => g;
    const isFirst = step.equal(1);
    return (g, { velocity }) => {
      const share = dampening === 0 ? g : isFirst.where(g, g.mul(1 - dampening));
      velocity.assign(velocity.mul(momentum).add(share));
      return nesterov ? g.add(velocity.mul(momentum)) : velocity;
    };
  }
}
