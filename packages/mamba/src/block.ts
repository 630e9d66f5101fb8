/**
 * The Mamba block (Gu and Dao, "Mamba" (2023), figure 3): the input is widened and halved into a
 * signal and a gate; the signal passes a short causal convolution, from whose result Δ, B and C are
 * projected; the selective scan mixes along time; the gate lets through; and a projection leads
 * back. Around it a residual connection: x + block(norm(x)).
 *
 * I = expandFactor · hiddenSize is the inner width, R the rank of Δ, N the state size.
 */
import { CausalConv1d, Linear, linear, Module, Parameter, RMSNorm } from '@mambagrad/nn';
import { arange, type Generator, ones, type Tensor, uniform } from '@mambagrad/tensor';
import { selectiveScan, type SelectiveScanAlgorithm } from './selectiveScan.ts';

/** The sizes of a Mamba block. */
export interface BlockOptions {
  /** The width of the residual stream. */
  readonly hiddenSize: number;
  /** N, the numbers that each channel remembers. Default 16. */
  readonly stateSize?: number;
  /** The inner width in multiples of hiddenSize. Default 2. */
  readonly expandFactor?: number;
  /** The length of the convolution. Default 4. */
  readonly convSize?: number;
  /** R, the rank of the projection to Δ. Default ⌈hiddenSize / 16⌉. */
  readonly dtRank?: number;
  /** How the scan is computed; does not change what is learned. Default `fused`. */
  readonly algorithm?: SelectiveScanAlgorithm | undefined;
  /** The source of the initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/** The range of step sizes Δ at the start, spread evenly in their logarithm; the paper's values. */
const DELTA_MIN = 1e-3;
const DELTA_MAX = 1e-1;

export class MambaBlock extends Module {
  /** [I, hidden] twice over: the signal, then the gate */
  readonly inProj: Linear;
  readonly conv1d: CausalConv1d;
  /** From the signal to the low-rank Δ, B and C, in this order */
  readonly xProj: Linear;
  /** From rank R to a step size for each channel; its bias sets the scale of time */
  readonly dtProj: Linear;
  /** log(−A), [I, N]: A itself is always negative */
  readonly ALog: Parameter;
  /** The skip connection, [I] */
  readonly D: Parameter;
  readonly outProj: Linear;
  readonly #algorithm: SelectiveScanAlgorithm | undefined;

  constructor(options: BlockOptions) {
    super();
    const { hiddenSize, stateSize = 16, expandFactor = 2, convSize = 4, generator } = options;
    const inner = expandFactor * hiddenSize;
    const rank = options.dtRank ?? Math.ceil(hiddenSize / 16);
    this.inProj = new Linear(hiddenSize, 2 * inner, { bias: false, generator });
    this.conv1d = new CausalConv1d(inner, convSize, { generator });
    this.xProj = new Linear(inner, rank + 2 * stateSize, { bias: false, generator });
    this.dtProj = new DeltaProjection(rank, inner, generator);
    const A = arange(1, stateSize + 1).broadcastTo([inner, stateSize]);
    this.ALog = new Parameter(A.log(), { noWeightDecay: true });
    this.D = new Parameter(ones([inner]), { noWeightDecay: true });
    this.outProj = new Linear(inner, hiddenSize, { bias: false, generator });
    this.#algorithm = options.algorithm;
  }

  /** [batch, length, hidden] to the same shape */
  forward(x: Tensor): Tensor {
    const [inner, stateSize] = this.ALog.shape;
    const rank = this.dtProj.weight.shape[1];
    const [signal, z] = this.inProj.forward(x).split(inner, -1);
    const u = this.conv1d.forward(signal).silu();
    const [low, B, C] = this.xProj.forward(u).split([rank, stateSize, stateSize], -1);
    const { y } = selectiveScan(u, linear(low, this.dtProj.weight), this.ALog.exp().neg(), B, C, {
      D: this.D,
      z,
      deltaBias: this.dtProj.bias,
      deltaSoftplus: true,
      algorithm: this.#algorithm,
    });
    return this.outProj.forward(y);
  }
}

/**
 * A bias [size] such that softplus(bias) is log-uniform between DELTA_MIN and DELTA_MAX: the
 * channels begin with memories of different lengths. Softplus is inverted as Δ + log(1 − e^−Δ),
 * which is exact for small Δ.
 */
export function initialDeltaBias(size: number, generator: Generator | undefined): Tensor {
  const range = [Math.log(DELTA_MIN), Math.log(DELTA_MAX)] as const;
  const delta = uniform([size], ...range, { generator }).exp();
  return delta.add(delta.neg().expm1().neg().log());
}

/** The projection to Δ. */
export class DeltaProjection extends Linear {
  override readonly bias: Parameter;

  constructor(rank: number, inner: number, generator: Generator | undefined) {
    super(rank, inner, { bias: false, generator });
    this.bias = new Parameter(initialDeltaBias(inner, generator), { noWeightDecay: true });
  }
}

/** A Mamba block with its normalisation and residual connection: x + block(norm(x)). */
export class ResidualBlock extends Module {
  readonly norm: RMSNorm;
  readonly mixer: MambaBlock;

  constructor(options: BlockOptions) {
    super();
    this.norm = new RMSNorm(options.hiddenSize);
    this.mixer = new MambaBlock(options);
  }

  /** [batch, length, hidden] to the same shape */
  forward(x: Tensor): Tensor {
    return x.add(this.mixer.forward(this.norm.forward(x)));
  }
}
