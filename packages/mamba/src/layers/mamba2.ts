/**
 * The Mamba-2 block (Dao and Gu, "Transformers are SSMs" (2024), figure 6, right). One projection
 * of the input gives the gate, the signal, B, C and Δ; one causal convolution is applied to signal,
 * B and C; the channels of a head share a decay; and a gated norm precedes the last projection:
 *
 *     z, xBC, Δ = W_in u;     x, B, C = silu(conv(xBC));     y = W_out norm(ssd(x, Δ, B, C), z)
 *
 * I = expandFactor · hiddenSize is the inner width, P the channels of a head, H = I / P the number
 * of heads, G the number of groups, N the state size. Parameters have the layout of mamba_ssm and
 * transformers.
 */
import { Linear, type Parameter, RMSNorm, rmsNorm } from '@mambagrad/nn';
import { ones, type Tensor, TensorError, uniform, zeros } from '@mambagrad/tensor';
import {
  boolean, checkArgument, type FullTable, Kind, number, pickOptions, type Read, readOptions,
  type Table, tensors, whole,
} from '@mambagrad/tensor/options';
import { ssd } from '../ops/ssd/ssd.ts';
import { asRows, type Scanned, type SequenceOptions } from '../sequence/sequence.ts';
import {
  type BlockOptions, blockOptions, type BlockStateShapes, innerWidth, type MambaState, mambaStates,
  Mixer,
} from './block.ts';
import { DepthwiseConv1d } from './convolution.ts';
import { report } from './recurrence.ts';
import { deltaBias, forRows, undecayed } from './selectiveSSM.ts';

/** The sizes of a Mamba-2 block; stateSize is 128 by default. */
export interface Mamba2BlockOptions extends Omit<BlockOptions, 'dtRank' | 'algorithm'> {
  /** P, the channels of a head, a divisor of I. Default 64. */
  readonly headDim?: number | undefined;
  /** G, the number of groups of heads; the heads of a group share B and C. Default 1. */
  readonly numGroups?: number | undefined;
  /** The chunk size of `ssd`, which changes the speed but not the result. Default 64. */
  readonly chunkSize?: number | undefined;
  /** Whether D has a number for each channel of a head, or one for all of them. Default false. */
  readonly dHasHeadDim?: boolean | undefined;
  /** Whether the norm precedes the gate, norm(y) · silu(z), or follows it. Default false. */
  readonly normBeforeGate?: boolean | undefined;
  /** The number of parts of I that are normalised separately. Default G; in transformers 1. */
  readonly normGroups?: number | undefined;
  /** ε of the norm. Default 1e-5. */
  readonly normEps?: number | undefined;
  /** The range to which Δ is clamped. Default [0, Infinity]. */
  readonly dtLimit?: readonly [min: number, max: number] | undefined;
}

/** The two ends of a range. */
const ranges: Kind<readonly [number, number]> = new Kind(
  'an array of two numbers, from 0 and ascending',
  (x) => Array.isArray(x) && x.length === 2 && x.every((end) => typeof end === 'number') &&
    x[0] >= 0 && x[0] <= x[1],
);

const { dtRank: _dtRank, algorithm: _algorithm, ...sharedOptions } = blockOptions;

export const mamba2BlockOptions: FullTable<Mamba2BlockOptions, 'normGroups' | 'generator'> = {
  ...sharedOptions,
  stateSize: whole(1).orElse(128),
  headDim: whole(1).orElse(64),
  numGroups: whole(1).orElse(1),
  chunkSize: whole(1).orElse(64),
  dHasHeadDim: boolean.orElse(false),
  normBeforeGate: boolean.orElse(false),
  normGroups: whole(1).optional(),
  normEps: number({ from: 0 }).orElse(1e-5),
  dtLimit: ranges.orElse([0, Infinity]),
};

const {
  hiddenSize: _hiddenSize, normGroups: _normGroups, normEps: _normEps, dtLimit: _dtLimit,
  generator: _generator, ...defaults
} = readOptions('Mamba2Block', { hiddenSize: 1 }, mamba2BlockOptions);

/** The default sizes of a Mamba-2 block, and whether it has biases. */
export const mamba2Defaults: Omit<
  Read<typeof mamba2BlockOptions>,
  'hiddenSize' | 'normGroups' | 'normEps' | 'dtLimit' | 'generator'
> = defaults;

/** H, the number of heads. Throws in the name of `op` unless heads and groups come out even. */
export function headsOf(op: string, inner: number, headDim: number, numGroups: number): number {
  const heads = inner / headDim;
  if (heads % numGroups === 0) return heads;
  throw new TensorError(
    `${op}: ${inner} channels (expandFactor · hiddenSize) cannot be divided into heads of ` +
      `${headDim} in ${numGroups} groups of equally many; change headDim or numGroups`,
  );
}

function sizesOf(op: string, options: Mamba2BlockOptions) {
  const all = readOptions(op, options, mamba2BlockOptions);
  const { headDim, numGroups, normGroups = numGroups } = all;
  const inner = innerWidth(op, all);
  const heads = headsOf(op, inner, headDim, numGroups);
  if (inner % normGroups !== 0) {
    throw new TensorError(
      `${op}: normGroups is ${normGroups}, expected a divisor of the ${inner} channels`,
    );
  }
  const read = numGroups * all.stateSize;
  return { ...all, normGroups, inner, heads, read, channels: inner + 2 * read };
}

/** The Mamba-2 block: x [batch, length, hidden] to the same shape, without residual connection. */
export class Mamba2Block extends Mixer<MambaState> {
  /** To the gate [I], the channels of the convolution [I + 2GN] and Δ [H], in this order */
  readonly inProj: Linear;
  /** Over the signal [I], B [GN] and C [GN], in this order */
  readonly conv1d: DepthwiseConv1d;
  /** [H], added to the projection of Δ before softplus; it sets the time scale */
  readonly dtBias: Parameter;
  /** log(−A), [H], so that A is always negative; initially A is between −1 and −16 */
  readonly ALog: Parameter;
  /** The skip connection, [H], or [I] if it has a number for each channel */
  readonly D: Parameter;
  /** The state in which every document begins, [H, P, N], if it is learned; initially 0 */
  readonly initStates: Parameter | undefined;
  /** The gated norm of the result of the scan; weight [I] */
  readonly norm: RMSNorm;
  readonly outProj: Linear;
  readonly #sizes: ReturnType<typeof sizesOf>;

  constructor(options: Mamba2BlockOptions) {
    super();
    this.#sizes = sizesOf(new.target.name, options);
    const { hiddenSize, inner, heads, channels, convSize, normEps, generator } = this.#sizes;
    const { bias, convBias, headDim, stateSize, dHasHeadDim, learnableInitStates } = this.#sizes;
    this.inProj = new Linear(hiddenSize, inner + channels + heads, { bias, generator });
    this.conv1d = new DepthwiseConv1d(channels, convSize, { bias: convBias, generator });
    this.dtBias = deltaBias(heads, generator);
    this.ALog = undecayed(uniform([heads], 1, 16, { generator }).log());
    this.D = undecayed(ones([dHasHeadDim ? inner : heads]));
    this.initStates = learnableInitStates
      ? undecayed(zeros([heads, headDim, stateSize]))
      : undefined;
    this.norm = new RMSNorm(inner, { eps: normEps });
    this.outProj = new Linear(inner, hiddenSize, { bias, generator });
  }

  stateShapes(batch: number): BlockStateShapes<MambaState> {
    const { heads, headDim, stateSize, convSize, channels } = this.#sizes;
    return { conv: [batch, convSize - 1, channels], ssm: [batch, heads, headDim, stateSize] };
  }

  override initialState(batch: number): MambaState {
    const zeroState = super.initialState(batch);
    return { ...zeroState, ssm: forRows(this.initStates, batch) ?? zeroState.ssm };
  }

  mix(input: Tensor, options: SequenceOptions<MambaState> = {}): Scanned<MambaState> {
    const { x, state, statesAt, flags } = this.readSteps(input, options);
    const { inner, channels, heads, headDim, numGroups, stateSize, read } = this.#sizes;
    const { chunkSize, dtLimit: [min, max] } = this.#sizes;
    const groups = [...x.shape.slice(0, 2), numGroups, stateSize];
    const [z, xBC, dt] = this.inProj.forwardInParts(x, [inner, channels, heads]);
    const conv = this.conv1d.scan(xBC, { ...flags, statesAt, state: state?.conv });
    const [signal, ...matrices] = conv.y.silu().split([inner, read, read], -1);
    const [B, C] = matrices.map((matrix) => matrix.reshape(groups));
    const u = signal.reshape([...x.shape.slice(0, 2), heads, headDim]);
    const delta = dt.add(this.dtBias).softplus().clamp({ min, max });
    const A = this.ALog.exp().neg();
    const D = this.#sizes.dHasHeadDim ? this.D.reshape([heads, headDim]) : this.D;
    const initialState = state?.ssm ?? forRows(this.initStates, x.shape[0]);
    report(this, () => ({ u, delta, A, B, C, D, initialState, flags }));
    const { y, lastState, statesAt: chosen } = ssd(u, delta, A, B, C, {
      ...flags, statesAt, D, initialState, resetState: this.initStates, chunkSize,
    });
    const normed = gatedRmsNorm(
      y.reshape(z.shape), z, this.norm.weight, pickOptions(this.#sizes, gatedNormOptions),
    );
    const ssm = { y, state: lastState, ...(chosen && { statesAt: asRows(chosen) }) };
    return { y: normed, ...mambaStates(conv, ssm) };
  }
}

/** Options of `gatedRmsNorm`: the parts of the features, and the order of norm and gate. */
export interface GatedNormOptions {
  /** The number of parts of the features that are normalised separately. Default 1. */
  readonly normGroups?: number | undefined;
  /** Whether the norm precedes the gate. Default false. */
  readonly normBeforeGate?: boolean | undefined;
  /** ε of the norm. Default 1e-5. */
  readonly normEps?: number | undefined;
}

const gatedNormOptions = {
  normGroups: whole(1).orElse(1),
  normBeforeGate: mamba2BlockOptions.normBeforeGate,
  normEps: mamba2BlockOptions.normEps,
} satisfies Table<GatedNormOptions>;

/**
 * A root mean square norm with a gate: norm(x · silu(z)), or norm(x) · silu(z) with
 * `normBeforeGate`; x and z [..., features], weight [features].
 */
export function gatedRmsNorm(
  x: Tensor, z: Tensor, weight: Tensor, options: GatedNormOptions = {},
): Tensor {
  const given = readOptions('gatedRmsNorm', options, gatedNormOptions);
  for (const [name, value] of Object.entries({ x, z, weight })) {
    checkArgument('gatedRmsNorm', name, value, tensors);
  }
  const { normGroups, normBeforeGate, normEps } = given;
  if (weight.numel % normGroups !== 0) {
    throw new TensorError(
      `gatedRmsNorm: normGroups is ${normGroups}, expected a divisor of ${weight.numel} features`,
    );
  }
  const parts = [normGroups, weight.numel / normGroups];
  const whole = [...x.shape.slice(0, -1), ...parts];
  const norm = (y: Tensor) =>
    rmsNorm(y.reshape(whole), weight.reshape(parts), normEps).reshape(x.shape);
  return normBeforeGate ? norm(x).mul(z.silu()) : norm(x.mul(z.silu()));
}
