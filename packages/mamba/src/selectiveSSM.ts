/**
 * The selective scan as a layer: Δ, B and C come from its own input.
 *
 *     Δ = softplus(W_Δ W_x u + b),     B = W_B u,     C = W_C u,     A = −exp(ALog)
 *
 * D channels, N the state size, R the rank of the projection to Δ.
 */
import { Linear, linear, Module, Parameter } from '@mambagrad/nn';
import { arange, type Generator, ones, type Tensor } from '@mambagrad/tensor';
import { DeltaProjection } from './block.ts';
import { selectiveScan } from './selectiveScan.ts';

export interface SelectiveSSMOptions {
  /** D, of the input and the output. */
  readonly channels: number;
  /** N, the numbers that each channel remembers. Default 16. */
  readonly stateSize?: number;
  /** R. Default ⌈channels / 16⌉. */
  readonly dtRank?: number;
  /** The source of the initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

function sizesOf(options: SelectiveSSMOptions) {
  return { stateSize: 16, dtRank: Math.ceil(options.channels / 16), ...options };
}

export class SelectiveSSM extends Module {
  /** To the low-rank Δ, B and C, in this order */
  readonly xProj: Linear;
  readonly dtProj: DeltaProjection;
  /** log(−A), [D, N], at the start of 1, …, N */
  readonly ALog: Parameter;
  /** The skip connection, [D] */
  readonly D: Parameter;

  constructor(options: SelectiveSSMOptions) {
    super();
    const { channels, stateSize, dtRank, generator } = sizesOf(options);
    this.xProj = new Linear(channels, dtRank + 2 * stateSize, { bias: false, generator });
    this.dtProj = new DeltaProjection(dtRank, channels, generator);
    const A = arange(1, stateSize + 1).broadcastTo([channels, stateSize]);
    this.ALog = new Parameter(A.log(), { noWeightDecay: true });
    this.D = new Parameter(ones([channels]), { noWeightDecay: true });
  }

  /** The number of values to learn of a layer with these options, which is not built. */
  static paramCount(options: SelectiveSSMOptions): number {
    const { channels, stateSize, dtRank } = sizesOf(options);
    return channels * (2 * dtRank + 3 * stateSize + 2);
  }

  /** [batch, length, channels] to the same shape */
  forward(u: Tensor): Tensor {
    const [stateSize, dtRank] = [this.ALog.shape[1], this.dtProj.weight.shape[1]];
    const [low, B, C] = this.xProj.forward(u).split([dtRank, stateSize, stateSize], -1);
    const delta = linear(low, this.dtProj.weight);
    return selectiveScan(u, delta, this.ALog.exp().neg(), B, C, {
      D: this.D,
      deltaBias: this.dtProj.bias,
      deltaSoftplus: true,
    }).y;
  }
}
