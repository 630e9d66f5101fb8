/**
 * The Mamba-2 block and model (Dao and Gu, "Transformers are SSMs" (2024), figure 6, right). Gate,
 * signal, B, C and Δ all come from one projection of the input; signal, B and C pass one causal
 * convolution; heads of channels share a decay; a norm stands before the projection back:
 *
 *     z, xBC, Δ = W_in u;     x, B, C = silu(conv(xBC));     y = W_out norm(ssd(x, Δ, B, C), z)
 *
 * I = expandFactor · hiddenSize is the inner width, P the width of a head, H = I / P the heads, G
 * the groups, N the state size. Parameters have the layout of the authors' and transformers' code.
 */
import { CausalConv1d, Linear, Module, Parameter, RMSNorm, rmsNorm } from '@mambagrad/nn';
import {
  concat, type Generator, ones, type Tensor, TensorError, uniform, zeros,
} from '@mambagrad/tensor';
import { initialDeltaBias } from './block.ts';
import {
  RecurrentModel, Residual, type SequenceBlock, type SequenceModelOptions,
} from './sequenceModel.ts';
import { ssd } from './ssd.ts';

/** The sizes of a Mamba-2 block. */
export interface Mamba2BlockOptions {
  /** The width of the residual stream. */
  readonly hiddenSize: number;
  /** N, the numbers that each channel remembers. Default 128. */
  readonly stateSize?: number;
  /** P, the channels of a head, a divisor of I. Default 64. */
  readonly headDim?: number;
  /** G, so many groups of heads, each with B and C of its own. Default 1. */
  readonly numGroups?: number;
  /** The inner width in multiples of hiddenSize. Default 2. */
  readonly expandFactor?: number;
  /** The length of the convolution. Default 4. */
  readonly convSize?: number;
  /** The steps that the scan takes as one matrix; does not change what is learned. Default 64. */
  readonly chunkSize?: number;
  /** Whether the norm comes before the gate, norm(y) · silu(z), or after. Default false. */
  readonly normBeforeGate?: boolean;
  /** How many parts of I are normalised each by itself. Default G; in transformers' models 1. */
  readonly normGroups?: number;
  /** The source of the initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/** What a Mamba-2 block remembers. */
export interface Mamba2State {
  /** The inputs of the convolution that later steps still meet, [batch, convSize − 1, I + 2GN] */
  readonly conv: Tensor;
  /** [batch, H, P, N] */
  readonly ssm: Tensor;
}

const blockDefaults = {
  ...{ stateSize: 128, headDim: 64, numGroups: 1, expandFactor: 2, convSize: 4, chunkSize: 64 },
  normBeforeGate: false,
};

function sizesOf(options: Mamba2BlockOptions) {
  const all = { ...blockDefaults, ...options };
  const { headDim, numGroups } = all;
  const inner = all.expandFactor * all.hiddenSize;
  const heads = inner / headDim;
  if (heads % numGroups !== 0) {
    throw new TensorError(
      `Mamba2: ${inner} channels (expandFactor · hiddenSize) do not make heads of ${headDim} in ` +
        `${numGroups} groups of as many each; change headDim or numGroups`,
    );
  }
  const read = numGroups * all.stateSize;
  return { normGroups: numGroups, ...all, inner, heads, read, channels: inner + 2 * read };
}

export class Mamba2Block extends Module implements SequenceBlock<Mamba2State> {
  /** To the gate [I], the convolved channels [I + 2GN] and a step size for each head [H] */
  readonly inProj: Linear;
  /** Over the signal, B and C, in this order */
  readonly conv1d: CausalConv1d;
  /** Δ is softplus of its projection plus this, [H]; it sets the scale of time */
  readonly dtBias: Parameter;
  /** log(−A), [H]: A itself is always negative, from −1 to −16 at the start */
  readonly ALog: Parameter;
  /** The skip connection, [H] */
  readonly D: Parameter;
  readonly norm: RMSNorm;
  readonly outProj: Linear;
  readonly #sizes: ReturnType<typeof sizesOf>;

  constructor(options: Mamba2BlockOptions) {
    super();
    this.#sizes = sizesOf(options);
    const { hiddenSize, inner, heads, channels, convSize, generator } = this.#sizes;
    const asIs = (value: Tensor) => new Parameter(value, { noWeightDecay: true });
    this.inProj = new Linear(hiddenSize, inner + channels + heads, { bias: false, generator });
    this.conv1d = new CausalConv1d(channels, convSize, { generator });
    this.dtBias = asIs(initialDeltaBias(heads, generator));
    this.ALog = asIs(uniform([heads], 1, 16, { generator }).log());
    this.D = asIs(ones([heads]));
    this.norm = new RMSNorm(inner);
    this.outProj = new Linear(inner, hiddenSize, { bias: false, generator });
  }

  /** The number of values to learn of a block with these options, which is not built. */
  static paramCount(options: Mamba2BlockOptions): number {
    const { hiddenSize, inner, heads, channels, convSize } = sizesOf(options);
    const projections = (inner + channels + heads + inner) * hiddenSize;
    return projections + channels * (convSize + 1) + 3 * heads + inner;
  }

  /** [batch, length, hidden] to the same shape */
  forward(x: Tensor): Tensor {
    return this.prefill(x, this.initialState(x.shape[0])).y;
  }

  /** `forward` from a state, over any number of steps, to the state after them. */
  prefill(x: Tensor, { conv, ssm }: Mamba2State): { y: Tensor; state: Mamba2State } {
    const { inner, channels, heads, headDim, numGroups, stateSize, read, convSize } = this.#sizes;
    const [batch, length] = x.shape;
    const [z, xBC, dt] = this.inProj.forward(x).split([inner, channels, heads], -1);
    const seen = concat([conv, xBC], 1);
    const convolved = this.conv1d.forward(seen).narrow(1, convSize - 1, length).silu();
    const [signal, B, C] = convolved.split([inner, read, read], -1);
    const { y, lastState } = ssd(
      signal.reshape([batch, length, heads, headDim]),
      dt.add(this.dtBias).softplus(),
      this.ALog.exp().neg(),
      B.reshape([batch, length, numGroups, stateSize]),
      C.reshape([batch, length, numGroups, stateSize]),
      { D: this.D, initialState: ssm, chunkSize: this.#sizes.chunkSize },
    );
    const normed = gatedRmsNorm(y.reshape(z.shape), z, this.norm.weight, this.#sizes);
    const state = { conv: seen.narrow(1, length, convSize - 1), ssm: lastState };
    return { y: this.outProj.forward(normed), state };
  }

  step(x: Tensor, before: Mamba2State): { y: Tensor; state: Mamba2State } {
    const { y, state } = this.prefill(x.unsqueeze(1), before);
    return { y: y.squeeze(1), state };
  }

  initialState(batch: number): Mamba2State {
    const { channels, heads, headDim, stateSize, convSize } = this.#sizes;
    const { dtype } = this.D;
    const conv = zeros([batch, convSize - 1, channels], { dtype });
    return { conv, ssm: zeros([batch, heads, headDim, stateSize], { dtype }) };
  }
}

/**
 * A root mean square norm with a gate: norm(x · silu(z)), or norm(x) · silu(z) with
 * `normBeforeGate`; x and z [..., features], weight [features]. Each of `normGroups` (1) parts of
 * the features is normalised by itself.
 */
export function gatedRmsNorm(
  x: Tensor, z: Tensor, weight: Tensor, options: Partial<Mamba2BlockOptions> = {},
): Tensor {
  const { normGroups = 1, normBeforeGate = false } = options;
  const parts = [normGroups, weight.numel / normGroups];
  const whole = [...x.shape.slice(0, -1), ...parts];
  const norm = (y: Tensor) => rmsNorm(y.reshape(whole), weight.reshape(parts)).reshape(x.shape);
  return normBeforeGate ? norm(x).mul(z.silu()) : norm(x.mul(z.silu()));
}

export type Mamba2Options = SequenceModelOptions & Omit<Mamba2BlockOptions, 'hiddenSize'>;

const defaults = { hiddenSize: 256, numLayers: 2, dropout: 0, windowSize: 60 };

/** An encoder of sequences of vectors, made of Mamba-2 blocks. */
export class Mamba2 extends RecurrentModel<Mamba2State> {
  constructor(options: Mamba2Options) {
    const all = { ...defaults, ...options };
    super(all, (dropout) => new Residual(all.hiddenSize, new Mamba2Block(all), dropout));
  }

  /** The size of what `forward` gives for each sequence. */
  static outputSize({ hiddenSize = defaults.hiddenSize }: Mamba2Options): number {
    return hiddenSize;
  }

  /** The number of values to learn of a model with these options, which is not built. */
  static paramCount(options: Mamba2Options): number {
    const all = { ...defaults, ...options };
    return this.count(all, all.hiddenSize + Mamba2Block.paramCount(all));
  }

  /** What to start from. */
  static recommendedDefaults(): Omit<Mamba2Options, 'embedDim'> {
    return { ...defaults, ...blockDefaults, dropout: 0.1 };
  }
}
