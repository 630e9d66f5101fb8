/**
 * A Mamba that reads in both directions. In each layer one selective scan comes from the left and
 * another from the right, each with parameters of its own, so that every step sees all others:
 *
 *     h = scan_f(norm(x)) + reverse(scan_b(reverse(norm(x))))     or the two side by side
 *     x ← x + W h,     x ← x + W_down(silu(g) ⊙ u),   g, u = W_up norm(x)
 *
 * The gated feed-forward part (Shazeer, "GLU variants improve transformer" (2020)) mixes the
 * channels, which the scans leave apart.
 */
import { type Dropout, Linear, Module, RMSNorm } from '@mambagrad/nn';
import { concat, type Tensor } from '@mambagrad/tensor';
import { SelectiveSSM } from './selectiveSSM.ts';
import { SequenceModel, type SequenceModelOptions } from './sequenceModel.ts';

export interface BiMambaOptions extends SequenceModelOptions {
  /** N, the numbers that each channel remembers, in each direction. Default 16. */
  readonly stateSize?: number;
  /** Whether the two directions are added (the default) or projected side by side. */
  readonly combine?: 'add' | 'concat';
  /**
   * What `forward` gives: the last step (the default), where the scan from the right has seen but
   * one; the mean of all; the first and the last side by side; or every step.
   */
  readonly pool?: 'last' | 'mean' | 'ends' | 'none';
}

function withDefaults(options: BiMambaOptions) {
  return { ...defaults, ...options };
}
const defaults = {
  ...{ hiddenSize: 256, stateSize: 16, numLayers: 4, windowSize: 60, dropout: 0.1 },
  ...({ combine: 'add', pool: 'last' } as const),
};

/** The inner width of the feed-forward part, in multiples of the outer. */
const WIDENING = 4;

export class BiMambaBlock extends Module {
  readonly norm: RMSNorm;
  readonly fromLeft: SelectiveSSM;
  readonly fromRight: SelectiveSSM;
  /** From the sum of the directions, or from both side by side */
  readonly outProj: Linear;
  readonly feedForwardNorm: RMSNorm;
  /** To the gate and what it lets through */
  readonly upProj: Linear;
  readonly downProj: Linear;
  readonly #dropout: Dropout;

  constructor(options: BiMambaOptions, dropout: Dropout) {
    super();
    const { hiddenSize: width, stateSize, combine, generator } = withDefaults(options);
    const project = (from: number, to: number) =>
      new Linear(from * width, to * width, { bias: false, generator });
    this.norm = new RMSNorm(width);
    this.fromLeft = new SelectiveSSM({ channels: width, stateSize, generator });
    this.fromRight = new SelectiveSSM({ channels: width, stateSize, generator });
    this.outProj = project(combine === 'add' ? 1 : 2, 1);
    this.feedForwardNorm = new RMSNorm(width);
    this.upProj = project(1, 2 * WIDENING);
    this.downProj = project(WIDENING, 1);
    this.#dropout = dropout;
  }

  /** [batch, length, hidden] to the same shape */
  forward(x: Tensor): Tensor {
    const u = this.norm.forward(x);
    const left = this.fromLeft.forward(u);
    const right = this.fromRight.forward(u.flip(1)).flip(1);
    const isSum = this.outProj.weight.shape[1] === x.shape[2];
    const h = isSum ? left.add(right) : concat([left, right], -1);
    const mixed = x.add(this.#dropout.forward(this.outProj.forward(h)));
    const [gate, up] = this.upProj.forward(this.feedForwardNorm.forward(mixed)).chunk(2, -1);
    return mixed.add(this.#dropout.forward(this.downProj.forward(gate.silu().mul(up))));
  }
}

export class BiMamba extends SequenceModel<BiMambaBlock> {
  readonly normF: RMSNorm;
  readonly #pool: BiMambaOptions['pool'];

  constructor(options: BiMambaOptions) {
    const all = withDefaults(options);
    super(all, (dropout) => new BiMambaBlock(all, dropout));
    this.normF = new RMSNorm(all.hiddenSize);
    this.#pool = all.pool;
  }

  /** [batch, length, embedDim] to what `pool` says: [batch, outputSize], or of every step. */
  override forward(x: Tensor): Tensor {
    const h = this.forwardSequence(x);
    if (this.#pool === 'none') return h;
    if (this.#pool === 'mean') return h.mean(1);
    const [first, last] = [0, h.shape[1] - 1].map((t) => h.narrow(1, t, 1).squeeze(1));
    return this.#pool === 'ends' ? concat([first, last], -1) : last;
  }

  override forwardSequence(x: Tensor): Tensor {
    return this.normF.forward(super.forwardSequence(x));
  }

  /** The size of what `forward` gives for each sequence, or for each step. */
  static outputSize(options: BiMambaOptions): number {
    return withDefaults(options).hiddenSize * (options.pool === 'ends' ? 2 : 1);
  }

  /** The number of values to learn of a model with these options, which is not built. */
  static paramCount(options: BiMambaOptions): number {
    const all = withDefaults(options);
    const { hiddenSize: channels, stateSize, combine } = all;
    const matrices = (combine === 'add' ? 1 : 2) + 3 * WIDENING;
    const scans = 2 * SelectiveSSM.paramCount({ channels, stateSize });
    return this.count(all, scans + matrices * channels ** 2 + 2 * channels) + channels;
  }

  /** What to start from. */
  static recommendedDefaults(): Omit<BiMambaOptions, 'embedDim'> {
    return defaults;
  }
}
