/**
 * The Mamba block (Gu and Dao, "Mamba" (2023), figure 3): the input is widened and halved into a
 * signal and a gate; the signal passes a short causal convolution, and the selective state space
 * model mixes along time; the gate lets through; and a projection leads back.
 *
 *     (x, z) = W_in v,   u = silu(conv(x)),   y = W_out (ssm(u) ⊙ silu(z))
 *
 * I = expandFactor · hiddenSize is the inner width.
 */
import { Linear } from '@mambagrad/nn';
import type { Tensor } from '@mambagrad/tensor';
import { DepthwiseConv1d } from './convolution.ts';
import { SelectiveSSM, type SelectiveSSMOptions } from './selectiveSSM.ts';
import { Recurrent, type ScanOptions, type Scanned } from './sequence.ts';

/** The sizes of a Mamba block; stateSize, dtRank, algorithm and generator are those of its SSM. */
export interface BlockOptions extends Omit<SelectiveSSMOptions, 'channels'> {
  /** The width of the input and the result. */
  readonly hiddenSize: number;
  /** The inner width in multiples of hiddenSize. Default 2. */
  readonly expandFactor?: number;
  /** The length of the convolution. Default 4. */
  readonly convSize?: number;
  /** Whether the first and the last projection have a bias. Default false. */
  readonly bias?: boolean;
  /** Whether the convolution has one. Default true. */
  readonly convBias?: boolean;
}

/** What a block remembers: the last inputs of its convolution, and the state of its SSM. */
export interface BlockState {
  /** [batch, convSize − 1, the channels that are convolved] */
  readonly conv: Tensor;
  /** [batch, I, N]; of Mamba-2 [batch, heads, I / heads, N] */
  readonly ssm: Tensor;
}

/** A block that mixes along time, of whatever kind, and then projects each step by itself. */
export abstract class Mixer extends Recurrent<BlockState> {
  abstract readonly outProj: Linear;

  /** From x [batch, length, hidden] to what `outProj` takes, [batch, length, I]. */
  abstract mix(x: Tensor, options?: ScanOptions<BlockState>): Scanned<BlockState>;

  /** x and y [batch, length, hidden] */
  scan(x: Tensor, options?: ScanOptions<BlockState>): Scanned<BlockState> {
    const { y, state } = this.mix(x, options);
    return { y: this.outProj.forward(y), state };
  }
}

export const blockDefaults = {
  stateSize: 16, expandFactor: 2, convSize: 4, bias: false, convBias: true,
};

export class MambaBlock extends Mixer {
  /** [I, hidden] twice over: the signal, then the gate */
  readonly inProj: Linear;
  readonly conv1d: DepthwiseConv1d;
  readonly ssm: SelectiveSSM;
  readonly outProj: Linear;

  constructor(options: BlockOptions) {
    super();
    const dtRank = Math.ceil(options.hiddenSize / 16);
    const all = { ...blockDefaults, dtRank, ...options };
    const { hiddenSize, convSize, bias, convBias, generator } = all;
    const channels = all.expandFactor * hiddenSize;
    this.inProj = new Linear(hiddenSize, 2 * channels, { bias, generator });
    this.conv1d = new DepthwiseConv1d(channels, convSize, { bias: convBias, generator });
    this.ssm = new SelectiveSSM({ ...all, channels });
    this.outProj = new Linear(channels, hiddenSize, { bias, generator });
  }

  initialState(batch: number): BlockState {
    return { conv: this.conv1d.initialState(batch), ssm: this.ssm.initialState(batch) };
  }

  mix(x: Tensor, { state, ...flags }: ScanOptions<BlockState> = {}): Scanned<BlockState> {
    const [channels] = this.conv1d.weight.shape;
    const [signal, z] = this.inProj.forwardInParts(x, [channels, channels]);
    const conv = this.conv1d.scan(signal, { ...flags, state: state?.conv });
    const ssm = this.ssm.scan(conv.y.silu(), { ...flags, z, state: state?.ssm });
    return { y: ssm.y, state: { conv: conv.state, ssm: ssm.state } };
  }
}
