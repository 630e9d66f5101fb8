/**
 * A Mamba that reads in both directions. In each layer one selective scan comes from the left and
 * another from the right, each with parameters of its own, so that every step sees all others:
 *
 *     h = scan_f(norm(x)) + reverse(scan_b(reverse(norm(x))))     or the two side by side
 *     x ← x + W h,     x ← x + feedForward(norm(x))
 *
 * The gated feed-forward part mixes the channels, which the scans leave apart.
 */
import { GatedFeedForward, Linear, Module, RMSNorm } from '@mambagrad/nn';
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
  hiddenSize: 256, stateSize: 16, numLayers: 4, windowSize: 60, dropout: 0.1,
  combine: 'add', pool: 'last',
} as const;

/** Both directions and the projection, without the residual connection. */
export class BiMambaBlock extends Module {
  readonly fromLeft: SelectiveSSM;
  readonly fromRight: SelectiveSSM;
  /** From the sum of the directions, or from both side by side */
  readonly outProj: Linear;

  constructor(options: Omit<BiMambaOptions, 'embedDim'>) {
    super();
    const { hiddenSize: channels, stateSize, combine, generator } = { ...defaults, ...options };
    const parts = combine === 'add' ? 1 : 2;
    this.fromLeft = new SelectiveSSM({ channels, stateSize, generator });
    this.fromRight = new SelectiveSSM({ channels, stateSize, generator });
    this.outProj = new Linear(parts * channels, channels, { bias: false, generator });
  }

  /** [batch, length, hidden] to the same shape */
  forward(x: Tensor, flags: SequenceFlags = {}): Tensor {
    const { reset, mask } = readFlags('BiMamba', flags, x.shape);
    // From the right a document begins one step before the one to its right does from the left.
    const reversed = { reset: reset?.flip(1).pad([0, 1], [0, -1]), mask: mask?.flip(1) };
    const left = this.fromLeft.forward(x, { reset, mask });
    const right = this.fromRight.forward(x.flip(1), reversed).flip(1);
    const isSum = this.outProj.weight.shape[1] === x.shape[2];
    return this.outProj.forward(isSum ? left.add(right) : concat([left, right], -1));
  }
}

export class BiMamba extends Stack<BiMambaBlock | GatedFeedForward> {
  constructor(options: BiMambaOptions) {
    const all = { ...defaults, ...options };
    const { hiddenSize, numLayers, generator } = all;
    const pair = () => [
      new BiMambaBlock(all), new GatedFeedForward(hiddenSize, 4 * hiddenSize, { generator }),
    ];
    const layers = Array.from({ length: numLayers }, pair).flat();
    super(all, layers, inputProjection(all), new RMSNorm(hiddenSize));
  }

  /** Options to start from; embedDim is up to the data. */
  static recommendedDefaults(): Omit<BiMambaOptions, 'embedDim'> {
    return defaults;
  }
}
