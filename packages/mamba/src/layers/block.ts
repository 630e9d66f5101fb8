/**
 * The Mamba block (Gu and Dao, "Mamba" (2023), figure 3). A projection expands the input to a
 * signal x and a gate z. The signal passes through a short causal convolution, a SiLU nonlinearity
 * and the selective state space model, which mixes along time; the result is multiplied by the gate
 * and projected back to the width of the input:
 *
 *     (x, z) = W_in v,   u = silu(conv(x)),   y = W_out (ssm(u) ⊙ silu(z))
 *
 * I = expandFactor · hiddenSize is the inner width.
 */
import { Linear } from '@mambagrad/nn';
import { type Shape, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import {
  boolean, checkArgument, type FullTable, type Kind, number, objectWith, type Read, readOptions,
  tensors, whole,
} from '@mambagrad/tensor/options';
import { requireStatesAt } from '../sequence/documents.ts';
import {
  clearPadding, Recurrent, requireFlags, requireShape, requireSteps, type Scanned,
  type SequenceFlags, type SequenceOptions, sequenceOptions,
} from '../sequence/sequence.ts';
import { DepthwiseConv1d } from './convolution.ts';
import {
  defaultDtRank, SelectiveSSM, type SelectiveSSMOptions, selectiveSSMOptions,
} from './selectiveSSM.ts';

/** The sizes of a Mamba block; those from `SelectiveSSMOptions` are passed to its SSM. */
export interface BlockOptions extends Omit<SelectiveSSMOptions, 'channels'> {
  /** The width of the input and the result. */
  readonly hiddenSize: number;
  /** I / hiddenSize, such that I is a whole number. Default 2. */
  readonly expandFactor?: number | undefined;
  /** K, the kernel size of the convolution. Default 4. */
  readonly convSize?: number | undefined;
  /** Whether the first and the last projection have a bias. Default false. */
  readonly bias?: boolean | undefined;
  /** Whether the convolution has one. Default true. */
  readonly convBias?: boolean | undefined;
}

const { channels: _channels, ...ssmOptions } = selectiveSSMOptions;

export const blockOptions: FullTable<BlockOptions, 'dtRank' | 'generator'> = {
  hiddenSize: whole(1).required(),
  ...ssmOptions,
  expandFactor: number({ above: 0 }).orElse(2),
  convSize: whole(1).orElse(4),
  bias: boolean.orElse(false),
  convBias: boolean.orElse(true),
};

/** I, the inner width of a block. Throws in the name of `op` unless it is whole. */
export function innerWidth(
  op: string, sizes: { readonly hiddenSize: number; readonly expandFactor: number },
): number {
  const { hiddenSize, expandFactor } = sizes;
  const inner = expandFactor * hiddenSize;
  if (Number.isInteger(inner)) return inner;
  throw new TensorError(
    `${op}: expandFactor is ${expandFactor} and hiddenSize ${hiddenSize}, their product is ` +
      `${inner}; expected a whole number`,
  );
}

/** The state of a block, tensors by name; `stateShapes` says which, and of which shapes. */
export type BlockState = Readonly<Record<string, Tensor>>;

/** The shapes of the tensors of a block's state. */
export type BlockStateShapes<State extends BlockState = BlockState> = {
  readonly [Name in keyof State]: Shape;
};

/** The base of all blocks: mixes along time, then projects each step separately. */
export abstract class Mixer<State extends BlockState = BlockState> extends Recurrent<State> {
  /** From the inner width I back to the width of the block; weight [hidden, I] */
  abstract readonly outProj: Linear;
  #states: Kind<State> | undefined;

  /** Maps x [batch, length, hidden] to the input of `outProj`, [batch, length, I]. */
  abstract mix(x: Tensor, options?: SequenceOptions<State>): Scanned<State>;

  /** The shapes of the state for a number of rows. */
  abstract stateShapes(batch: number): BlockStateShapes<State>;

  /** The structure of a state without its shapes, in errors: `{ conv, ssm }`. */
  get states(): Kind<State> {
    // It is made once, as the state is checked at every step of a text.
    this.#states ??= objectWith(`{ ${Object.keys(this.stateShapes(0)).join(', ')} }`);
    return this.#states;
  }

  /** Zeros of the shapes of `stateShapes`. */
  initialState(batch: number): State {
    const { dtype } = this.outProj.weight;
    const shapes = Object.entries<Shape>(this.stateShapes(batch));
    const zerosByName = shapes.map(([name, shape]) => [name, zeros(shape, { dtype })] as const);
    return Object.fromEntries(zerosByName) as State;
  }

  /** x and y [batch, length, hidden] */
  scan(x: Tensor, options: SequenceOptions<State> = {}): Scanned<State> {
    const { y, ...states } = this.mix(x, options);
    return { y: this.outProj.forward(y), ...states };
  }

  /** Throws in the name of `op` unless its argument `name` is a state of `batch` rows. */
  requireState(op: string, name: string, state: unknown, batch: number): void {
    checkArgument(op, name, state, this.states);
    const { dtype } = this.outProj.weight;
    for (const [key, shape] of Object.entries<Shape>(this.stateShapes(batch))) {
      const given = (state as BlockState)[key];
      checkArgument(op, `${name}.${key}`, given, tensors);
      requireShape(op, `${name}.${key}`, given, { dtype, shape });
    }
  }

  /** Checks the arguments of `mix`, and sets steps that are padding to 0. */
  protected readSteps(
    x: Tensor, options: SequenceOptions<State>,
  ): {
    x: Tensor; state: State | undefined; statesAt: Tensor | undefined; flags: SequenceFlags;
  } {
    const op = this.constructor.name;
    const { state, statesAt, ...flags } = readOptions(op, options, sequenceOptions<State>());
    const { shape: [hidden], dtype } = this.outProj.weight;
    requireSteps(op, x, dtype, ['batch', 'length', hidden]);
    requireFlags(op, flags, x.shape);
    if (state !== undefined) this.requireState(op, 'state', state, x.shape[0]);
    requireStatesAt(op, statesAt, x.shape);
    return { x: clearPadding(x, flags.mask), state, statesAt, flags };
  }
}

/** The states of a block, of those of its convolution and of its SSM. */
export function mambaStates(
  conv: Scanned<Tensor>, ssm: Scanned<Tensor>,
): Omit<Scanned<MambaState>, 'y'> {
  return {
    state: { conv: conv.state, ssm: ssm.state },
    ...(conv.statesAt && ssm.statesAt && {
      statesAt: { conv: conv.statesAt, ssm: ssm.statesAt },
    }),
  };
}

/** The state of a block of Mamba or Mamba-2. */
export type MambaState = {
  /** The last inputs of the convolution, [batch, convSize − 1, its channels] */
  readonly conv: Tensor;
  /** The state of the SSM, [batch, I, N]; of Mamba-2 [batch, heads, I / heads, N] */
  readonly ssm: Tensor;
};

const {
  hiddenSize: _hiddenSize, dtRank: _dtRank, algorithm: _algorithm, generator: _generator,
  ...defaults
} = readOptions('MambaBlock', { hiddenSize: 1 }, blockOptions);

/** The default sizes of a Mamba block, and whether it has biases. */
export const blockDefaults: Omit<
  Read<typeof blockOptions>, 'hiddenSize' | 'dtRank' | 'algorithm' | 'generator'
> = defaults;

/**
 * The Mamba block: x [batch, length, hidden] to the same shape, without norm or residual
 * connection.
 */
export class MambaBlock extends Mixer<MambaState> {
  /** To the signal and the gate, in this order; weight [2I, hidden] */
  readonly inProj: Linear;
  /** Over the last `convSize` steps of each channel of the signal; weight [I, 1, convSize] */
  readonly conv1d: DepthwiseConv1d;
  /** The state space model of the I channels; it also applies the gate */
  readonly ssm: SelectiveSSM;
  readonly outProj: Linear;

  constructor(options: BlockOptions) {
    super();
    const op = new.target.name;
    const all = readOptions(op, options, blockOptions);
    const { hiddenSize, bias, generator, stateSize, algorithm, learnableInitStates } = all;
    const { dtRank = defaultDtRank(hiddenSize) } = all;
    const channels = innerWidth(op, all);
    this.inProj = new Linear(hiddenSize, 2 * channels, { bias, generator });
    this.conv1d = new DepthwiseConv1d(channels, all.convSize, { bias: all.convBias, generator });
    this.ssm = new SelectiveSSM({
      channels, stateSize, dtRank, algorithm, learnableInitStates, generator,
    });
    this.outProj = new Linear(channels, hiddenSize, { bias, generator });
  }

  stateShapes(batch: number): BlockStateShapes<MambaState> {
    const [channels, , kernel] = this.conv1d.weight.shape;
    return { conv: [batch, kernel - 1, channels], ssm: [batch, ...this.ssm.ALog.shape] };
  }

  override initialState(batch: number): MambaState {
    return { conv: this.conv1d.initialState(batch), ssm: this.ssm.initialState(batch) };
  }

  mix(input: Tensor, options: SequenceOptions<MambaState> = {}): Scanned<MambaState> {
    const { x, state, statesAt, flags } = this.readSteps(input, options);
    const [channels] = this.conv1d.weight.shape;
    const [signal, z] = this.inProj.forwardInParts(x, [channels, channels]);
    const conv = this.conv1d.scan(signal, { ...flags, statesAt, state: state?.conv });
    const ssm = this.ssm.scan(conv.y.silu(), { ...flags, statesAt, z, state: state?.ssm });
    return { y: ssm.y, ...mambaStates(conv, ssm) };
  }
}
