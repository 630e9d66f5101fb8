/**
 * A Mamba that reads in both directions. In each layer one selective scan comes from the left and
 * another from the right, each with parameters of its own, so that every step sees all others:
 *
 *     h = scan_f(norm(x)) + reverse(scan_b(reverse(norm(x))))     or the two side by side
 *     x ← x + W h,     x ← x + feedForward(norm(x))
 *
 * The gated feed-forward part mixes the channels, which the scans leave apart.
 */
import { type Dropout, GatedFeedForward, Linear, Module, RMSNorm } from '@mambagrad/nn';
import { concat, type Tensor } from '@mambagrad/tensor';
import { SelectiveSSM } from './selectiveSSM.ts';
import { readFlags, type SequenceFlags } from './sequence.ts';
import { type EncoderOptions, inputProjection, Stack } from './stack.ts';

export interface BiMambaOptions extends EncoderOptions {
  /** N, the numbers that each channel remembers, in each direction. Default 16. */
  readonly stateSize?: number;
  /** Whether the two directions are added (the default) or projected side by side. */
  readonly combine?: 'add' | 'concat';
}

const defaults = {
  ...{ hiddenSize: 256, stateSize: 16, numLayers: 4, windowSize: 60, dropout: 0.1 },
  ...({ combine: 'add', pool: 'last' } as const),
};

export class BiMambaBlock extends Module {
  readonly norm: RMSNorm;
  readonly fromLeft: SelectiveSSM;
  readonly fromRight: SelectiveSSM;
  /** From the sum of the directions, or from both side by side */
  readonly outProj: Linear;
  readonly feedForwardNorm: RMSNorm;
  readonly feedForward: GatedFeedForward;
  readonly #dropout: Dropout;

  constructor(options: BiMambaOptions, dropout: Dropout) {
    super();
    const { hiddenSize: channels, stateSize, combine, generator } = { ...defaults, ...options };
    const parts = combine === 'add' ? 1 : 2;
    this.norm = new RMSNorm(channels);
    this.fromLeft = new SelectiveSSM({ channels, stateSize, generator });
    this.fromRight = new SelectiveSSM({ channels, stateSize, generator });
    this.outProj = new Linear(parts * channels, channels, { bias: false, generator });
    this.feedForwardNorm = new RMSNorm(channels);
    this.feedForward = new GatedFeedForward(channels, 4 * channels, { generator });
    this.#dropout = dropout;
  }

  /** [batch, length, hidden] to the same shape */
  forward(x: Tensor, flags: SequenceFlags = {}): Tensor {
    const { reset, mask } = readFlags('BiMamba', flags, x);
    // From the right a document begins one step before the one to its right does from the left.
    const reversed = { reset: reset?.flip(1).pad([0, 1], [0, -1]), mask: mask?.flip(1) };
    const u = this.norm.forward(x);
    const left = this.fromLeft.forward(u, { reset, mask });
    const right = this.fromRight.forward(u.flip(1), reversed).flip(1);
    const isSum = this.outProj.weight.shape[1] === x.shape[2];
    const h = isSum ? left.add(right) : concat([left, right], -1);
    const mixed = x.add(this.#dropout.forward(this.outProj.forward(h)));
    const more = this.feedForward.forward(this.feedForwardNorm.forward(mixed));
    return mixed.add(this.#dropout.forward(more));
  }
}

export class BiMamba extends Stack<BiMambaBlock> {
  readonly normF: RMSNorm;

  constructor(options: BiMambaOptions) {
    const all = { ...defaults, ...options };
    super(inputProjection(all), all, (dropout) => new BiMambaBlock(all, dropout));
    this.normF = new RMSNorm(all.hiddenSize);
  }

  protected override read(h: Tensor): Tensor {
    return this.normF.forward(h);
  }

  /** Options to start from; embedDim is up to the data. */
  static recommendedDefaults(): Omit<BiMambaOptions, 'embedDim'> {
    return defaults;
  }
}
