/**
 * Stochastic gradient descent, with optional momentum μ and dampening δ. The velocity v accumulates
 * gradients, as a ball rolling downhill gathers speed; Nesterov's variant looks one step ahead. As
 * in PyTorch, the first gradient is not dampened:
 *
 *     v ← μv + (1 − δ)g          u = v, or g + μv in Nesterov's variant
 *
 * Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013).
 */
import { type Tensor, TensorError } from '@mambagrad/tensor';
import { boolean, number, readOptions, type Table } from '@mambagrad/tensor/options';
import { Optimizer, type UpdateRule } from './optimizer.ts';
import { type OptimizerOptions, optimizerOptions, type Trained } from './optimizerOptions.ts';

/** Options of `SGD`, besides those of every optimizer. */
export interface SGDOptions extends OptimizerOptions {
  /** μ, from 0. Default 0. */
  readonly momentum?: number | undefined;
  /** δ, from 0 to 1. Default 0. */
  readonly dampening?: number | undefined;
  /** Whether to use Nesterov's variant, which needs momentum without dampening. Default false. */
  readonly nesterov?: boolean | undefined;
}

const sgdOptions = {
  ...optimizerOptions,
  momentum: number({ from: 0 }).orElse(0),
  dampening: number({ from: 0, to: 1 }).orElse(0),
  nesterov: boolean.orElse(false),
} satisfies Table<SGDOptions>;

/**
 * Stochastic gradient descent by the formulas above. Without momentum it keeps no state for a
 * parameter.
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

  protected override updateRule(steps: Tensor): UpdateRule {
    const [momentum, dampening] = [this.#momentum, this.#dampening];
    if (momentum === 0) return (g) => g;
    const isFirst = steps.equal(1);
    return (g, { velocity }, entryOf) => {
      const dampened =
        dampening === 0 ? g : entryOf(isFirst).where(g, g.mul(1 - dampening));
      velocity.assign(velocity.mul(momentum).add(dampened));
      return this.#nesterov ? g.add(velocity.mul(momentum)) : velocity;
    };
  }
}
