/**
 * The selective state space model as a layer. A state space model in continuous time,
 * h′ = A h + B u, y = C h + D u, is discretised with the step size Δ. It is selective because Δ, B
 * and C are projected from the input (Gu and Dao, "Mamba" (2023), algorithm 2):
 *
 *     (r, B, C) = W_x u,   Δ = softplus(W_Δ r + b_Δ),   A = −exp(A_log)
 *
 * There are D channels with N numbers of state each; R is the rank of the projection to Δ.
 */
import { layerOptions, Linear, linear, Parameter } from '@mambagrad/nn';
import { arange, type Generator, ones, type Tensor, uniform, zeros } from '@mambagrad/tensor';
import {
  boolean, type FullTable, readOptions, type Table, tensors, whole,
} from '@mambagrad/tensor/options';
import {
  scanAlgorithms, selectiveScan, type SelectiveScanAlgorithm, type SelectiveScanOptions,
} from '../ops/selectiveScan/selectiveScan.ts';
import {
  asRows, clearPadding, Recurrent, requireFlags, requireShapes, requireSteps, type Scanned,
  type SequenceOptions, sequenceOptions,
} from '../sequence/sequence.ts';
import { report } from './recurrence.ts';

/** Options of `SelectiveSSM`. */
export interface SelectiveSSMOptions {
  /** D, the width of the input. */
  readonly channels: number;
  /**
   * N, the numbers of state in each channel. Default 16; of Mamba2, Mamba2Block, Mamba3 and
   * Mamba3Block 128.
   */
  readonly stateSize?: number | undefined;
  /** R, the rank of the projection to Δ. Default ⌈channels / 16⌉; of blocks ⌈hiddenSize / 16⌉. */
  readonly dtRank?: number | undefined;
  /** The algorithm of the scan, which does not change what is learned. Default 'fused'. */
  readonly algorithm?: SelectiveScanAlgorithm | undefined;
  /** Whether the state in which every document begins is learned; else it is 0. Default false. */
  readonly learnableInitStates?: boolean | undefined;
  /** The source of random initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

export const selectiveSSMOptions: FullTable<SelectiveSSMOptions, 'dtRank' | 'generator'> = {
  channels: whole(1).required(),
  stateSize: whole(1).orElse(16),
  dtRank: whole(1).optional(),
  algorithm: scanAlgorithms.orElse('fused'),
  learnableInitStates: boolean.orElse(false),
  generator: layerOptions.generator,
};

/** The options of `scan` are those of any scan and two of `selectiveScan`. */
const ssmScanOptions = {
  ...sequenceOptions<Tensor>(), z: tensors.optional(), returnStates: boolean.orElse(false),
} satisfies Table<SSMScanOptions>;

type SSMScanOptions = SequenceOptions<Tensor> & Pick<SelectiveScanOptions, 'z' | 'returnStates'>;

/** The rank of the projection to Δ for an input of some width. */
export function defaultDtRank(width: number): number {
  return Math.ceil(width / 16);
}

/** The range of the initial step sizes Δ, which are log-uniform; the values of the paper. */
export const DELTA_RANGE: readonly [min: number, max: number] = [1e-3, 1e-1];

/**
 * The layer: u [batch, length, D] to the same shape, with a state of N numbers for each channel.
 */
export class SelectiveSSM extends Recurrent<Tensor> {
  /** From the input to r, B and C, in this order; weight [R + 2N, D] */
  readonly xProj: Linear;
  /** From r to Δ, weight [D, R]; its bias sets the time scale */
  readonly dtProj: Linear & { readonly bias: Parameter };
  /** log(−A), [D, N], so that A is always negative; initially −1, …, −N in each channel */
  readonly ALog: Parameter;
  /** The skip connection, [D] */
  readonly D: Parameter;
  /** The state in which every document begins, [D, N], if it is learned; initially 0 */
  readonly initStates: Parameter | undefined;
  readonly #algorithm: SelectiveScanAlgorithm;

  constructor(options: SelectiveSSMOptions) {
    super();
    const given = readOptions(new.target.name, options, selectiveSSMOptions);
    const { channels, stateSize, generator } = given;
    const { dtRank = defaultDtRank(channels) } = given;
    const withoutBias = { bias: false, generator };
    this.xProj = new Linear(channels, dtRank + 2 * stateSize, withoutBias);
    const projection = new Linear(dtRank, channels, withoutBias);
    this.dtProj = Object.assign(projection, { bias: deltaBias(channels, generator) });
    this.ALog = undecayed(arange(1, stateSize + 1).broadcastTo([channels, stateSize]).log());
    this.D = undecayed(ones([channels]));
    this.initStates = given.learnableInitStates
      ? undecayed(zeros([channels, stateSize]))
      : undefined;
    this.#algorithm = given.algorithm;
  }

  /** The state before the first step, [batch, D, N]: zeros, or what is learned. */
  initialState(batch: number): Tensor {
    const { shape, dtype } = this.ALog;
    return forRows(this.initStates, batch) ?? zeros([batch, ...shape], { dtype });
  }

  /** u and y [batch, length, D], state [batch, D, N]; with a gate z, y is multiplied by silu(z). */
  scan(
    u: Tensor, options: SSMScanOptions = {},
  ): Scanned<Tensor> & { readonly states?: Tensor } {
    const op = this.constructor.name;
    const { state, z, returnStates, statesAt, ...flags } =
      readOptions(op, options, ssmScanOptions);
    const { shape: [channels, stateSize], dtype } = this.ALog;
    requireSteps(op, u, dtype, ['batch', 'length', channels]);
    requireFlags(op, flags, u.shape);
    requireShapes(op, dtype, { state: [state, [u.shape[0], channels, stateSize]] });
    const input = clearPadding(u, flags.mask);
    const rank = this.dtProj.weight.shape[1];
    const [low, B, C] = this.xProj.forward(input).split([rank, stateSize, stateSize], -1);
    const delta = linear(low, this.dtProj.weight).add(this.dtProj.bias).softplus();
    const A = this.ALog.exp().neg();
    const { D } = this;
    const initialState = state ?? forRows(this.initStates, u.shape[0]);
    report(this, () => ({ u: input, delta, A, B, C, D, initialState, flags }));
    const { y, lastState, states, statesAt: chosen } = selectiveScan(input, delta, A, B, C, {
      ...flags, D, z, returnStates, statesAt, initialState, resetState: this.initStates,
      algorithm: this.#algorithm,
    });
    return {
      y, state: lastState, ...(states && { states }), ...(chosen && { statesAt: asRows(chosen) }),
    };
  }
}

/** A learned state, if there is one, for each of a number of rows. */
export function forRows(state: Tensor | undefined, batch: number): Tensor | undefined {
  return state?.broadcastTo([batch, ...state.shape]);
}

/** A parameter without weight decay, which would distort rates and scales. */
export function undecayed(value: Tensor): Parameter {
  return new Parameter(value, { noWeightDecay: true });
}

/**
 * The initial bias of Δ, which is added before softplus. Its softplus is log-uniform in a range,
 * DELTA_RANGE by default, so that channels begin with memories of different lengths. The inverse
 * of softplus is Δ + log(1 − e^−Δ), computed with expm1, which is accurate for small Δ.
 */
export function deltaBias(
  size: number, generator: Generator | undefined,
  [min, max]: readonly [min: number, max: number] = DELTA_RANGE,
): Parameter {
  const delta = uniform([size], Math.log(min), Math.log(max), { generator }).exp();
  return undecayed(delta.add(delta.neg().expm1().neg().log()));
}
