/**
 * The Mamba-2 block (Dao and Gu, "Transformers are SSMs" (2024), figure 6, right). Gate, signal, B,
 * C and Δ all come from one projection of the input; signal, B and C pass one causal convolution;
 * heads of channels share a decay; a norm stands before the projection back:
 *
 *     z, xBC, Δ = W_in u;     x, B, C = silu(conv(xBC));     y = W_out norm(ssd(x, Δ, B, C), z)
 *
 * I = expandFactor · hiddenSize is the inner width, P the width of a head, H = I / P the heads, G
 * the groups, N the state size. Parameters have the layout of the authors' and transformers' code.
 */
import { Linear, type Parameter, RMSNorm, rmsNorm } from '@mambagrad/nn';
import { ones, type Tensor, TensorError, uniform, zeros } from '@mambagrad/tensor';
import { type BlockOptions, type BlockState, Mixer } from './block.ts';
import { DepthwiseConv1d } from './convolution.ts';
import { deltaBias, undecayed } from './selectiveSSM.ts';
import type { ScanOptions, Scanned } from './sequence.ts';
import { ssd } from './ssd.ts';

/** The sizes of a Mamba-2 block; the default of stateSize is 128. */
export interface Mamba2BlockOptions extends Omit<BlockOptions, 'dtRank' | 'algorithm'> {
  /** P, the channels of a head, a divisor of I. Default 64. */
  readonly headDim?: number;
  /** G, so many groups of heads, each with B and C of its own. Default 1. */
  readonly numGroups?: number;
  /** The steps that `ssd` takes at most as one matrix; changes no result. Default 64. */
  readonly chunkSize?: number;
  /** Whether the norm comes before the gate, norm(y) · silu(z), or after. Default false. */
  readonly normBeforeGate?: boolean;
  /** How many parts of I are normalised each by itself. Default G; in transformers' models 1. */
  readonly normGroups?: number;
  /** ε of the norm. Default 1e-5. */
  readonly normEps?: number;
  /** The least and the largest Δ; those beyond are brought to it. Default 0 and Infinity. */
  readonly dtLimit?: readonly [min: number, max: number];
}

export const mamba2Defaults = {
  stateSize: 128, headDim: 64, numGroups: 1, expandFactor: 2, convSize: 4, chunkSize: 64,
  bias: false, convBias: true, normBeforeGate: false,
};

function sizesOf(options: Mamba2BlockOptions) {
  const all = { ...mamba2Defaults, dtLimit: [0, Infinity] as const, normEps: 1e-5, ...options };
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

export class Mamba2Block extends Mixer {
  /** To the gate [I], the convolved channels [I + 2GN] and a step size for each head [H] */
  readonly inProj: Linear;
  /** Over the signal, B and C, in this order */
  readonly conv1d: DepthwiseConv1d;
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
    const { hiddenSize, inner, heads, channels, convSize, normEps, generator } = this.#sizes;
    const { bias, convBias } = this.#sizes;
    this.inProj = new Linear(hiddenSize, inner + channels + heads, { bias, generator });
    this.conv1d = new DepthwiseConv1d(channels, convSize, { bias: convBias, generator });
    this.dtBias = deltaBias(heads, generator);
    this.ALog = undecayed(uniform([heads], 1, 16, { generator }).log());
    this.D = undecayed(ones([heads]));
    this.norm = new RMSNorm(inner, { eps: normEps });
    this.outProj = new Linear(inner, hiddenSize, { bias, generator });
  }

  initialState(batch: number): BlockState {
    const { heads, headDim, stateSize } = this.#sizes;
    const ssm = zeros([batch, heads, headDim, stateSize], { dtype: this.D.dtype });
    return { conv: this.conv1d.initialState(batch), ssm };
  }

  mix(x: Tensor, { state, ...flags }: ScanOptions<BlockState> = {}): Scanned<BlockState> {
    const { inner, channels, heads, headDim, numGroups, stateSize, read } = this.#sizes;
    const { chunkSize, dtLimit: [min, max] } = this.#sizes;
    const groups = [...x.shape.slice(0, 2), numGroups, stateSize];
    const [z, xBC, dt] = this.inProj.forwardInParts(x, [inner, channels, heads]);
    const conv = this.conv1d.scan(xBC, { ...flags, state: state?.conv });
    const [signal, B, C] = conv.y.silu().split([inner, read, read], -1);
    const { y, lastState } = ssd(
      signal.reshape([...x.shape.slice(0, 2), heads, headDim]),
      dt.add(this.dtBias).softplus().clamp({ min, max }),
      this.ALog.exp().neg(),
      B.reshape(groups),
      C.reshape(groups),
      { ...flags, D: this.D, initialState: state?.ssm, chunkSize },
    );
    const normed = gatedRmsNorm(y.reshape(z.shape), z, this.norm.weight, this.#sizes);
    return { y: normed, state: { conv: conv.state, ssm: lastState } };
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
  const { normGroups = 1, normBeforeGate = false, normEps } = options;
  const parts = [normGroups, weight.numel / normGroups];
  const whole = [...x.shape.slice(0, -1), ...parts];
  const norm = (y: Tensor) =>
    rmsNorm(y.reshape(whole), weight.reshape(parts), normEps).reshape(x.shape);
  return normBeforeGate ? norm(x).mul(z.silu()) : norm(x.mul(z.silu()));
}
