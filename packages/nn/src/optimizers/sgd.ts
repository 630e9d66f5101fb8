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
import { boolean, number, readOptions, type Table } from '@mambagrad/tensor/options';
import {
  type Move, Optimizer, type OptimizerOptions, optimizerOptions, type Trained,
} from './optimizer.ts';

/** Options of `SGD`, besides those of every optimizer. */
export interface SGDOptions extends OptimizerOptions {
  /** μ, from 0. Default 0. */
  readonly momentum?: number | undefined;
  /** δ, from 0 to 1. Default 0. */
  readonly dampening?: number | undefined;
  /** Takes momentum and no dampening. Default false. */
  readonly nesterov?: boolean | undefined;
}

const sgdOptions = {
  ...optimizerOptions,
  momentum: number({ from: 0 }).orElse(0),
  dampening: number({ from: 0, to: 1 }).orElse(0),
  nesterov: boolean.orElse(false),
} satisfies Table<SGDOptions>;

/**
 * Stochastic gradient descent by the formulas above. With a momentum of 0 it keeps no state but the
 * step.
 */
export class SGD extends Optimizer {
  readonly #momentum: number;
  readonly #dampening: number;
  readonly #nesterov: boolean;

  /** Throws if there is nothing to train, or if options are out of range or do not go together. */
  constructor(trained: Trained, options: SGDOptions = {}) {
    const { momentum, dampening, nesterov, ...rest } =
      readOptions(new.target.name, options, sgdOptions);
    if (nesterov && (momentum === 0 || dampening !== 0)) {
      throw new TensorError('SGD: nesterov takes a momentum above 0 and no dampening');
    }
    super(trained, rest, momentum === 0 ? [] : ['velocity']);
    this.#momentum = momentum;
    this.#dampening = dampening;
    this.#nesterov = nesterov;
  }

  protected override moveAt(steps: Tensor): Move {
    const [momentum, dampening] = [this.#momentum, this.#dampening];
    if (momentum === 0) return (g) => g;
    const isFirst = steps.equal(1);
    return (g, { velocity }, own) => {
      const share = dampening === 0 ? g : own(isFirst).where(g, g.mul(1 - dampening));
      velocity.assign(velocity.mul(momentum).add(share));
      return this.#nesterov ? g.add(velocity.mul(momentum)) : velocity;
    };
  }
}
