/**
 * A bidirectional Mamba. Each layer has one selective scan from the left and another from the
 * right, with separate parameters, so that every step depends on all others:
 *
 *     h = scan_f(norm(x)) + reverse(scan_b(reverse(norm(x))))     or the two concatenated
 *     x ← x + W h,     x ← x + feedForward(norm(x))
 *
 * The gated feed-forward layer mixes the channels, which the scans process separately.
 */
import { GatedFeedForward, Linear, Module, RMSNorm } from '@mambagrad/nn';
import { concat, type Tensor } from '@mambagrad/tensor';
import {
  number, oneOf, pickOptions, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';
import { SelectiveSSM, selectiveSSMOptions } from '../layers/selectiveSSM.ts';
import {
  flagOptions, clearPadding, readFlags, requireSteps, type SequenceFlags,
} from '../sequence/sequence.ts';
import { Stack } from './stack.ts';
import {
  bodyOptions, type EncoderOptions, encoderOptions, inputProjection,
} from './stackOptions.ts';

/** Options of `BiMamba`, whose defaults for `numLayers` and `dropout` differ from other models. */
export interface BiMambaOptions extends EncoderOptions {
  /** N, the numbers of state in each channel, in each direction. Default 16. */
  readonly stateSize?: number | undefined;
  /** Whether the results of the two directions are added or concatenated. Default 'add'. */
  readonly combine?: 'add' | 'concat' | undefined;
}

/** The options of one `BiMambaBlock`. */
export type BiMambaBlockOptions =
  Pick<BiMambaOptions, 'hiddenSize' | 'stateSize' | 'combine' | 'generator'>;

const biMambaBlockOptions = {
  hiddenSize: encoderOptions.hiddenSize,
  stateSize: selectiveSSMOptions.stateSize,
  combine: oneOf('add', 'concat').orElse('add'),
  generator: encoderOptions.generator,
} satisfies Table<BiMambaBlockOptions>;

const biMambaOptions = {
  ...encoderOptions,
  ...biMambaBlockOptions,
  numLayers: whole().orElse(4),
  dropout: number({ from: 0, to: 1 }).orElse(0.1),
} satisfies Table<BiMambaOptions>;

/** The scans in both directions and the projection, without the residual connection. */
export class BiMambaBlock extends Module {
  /** Scans from the first step to the last. */
  readonly fromLeft: SelectiveSSM;
  /** Scans from the last step to the first; shares no parameters with the other. */
  readonly fromRight: SelectiveSSM;
  /** From the sum of the two directions, or from their concatenation */
  readonly outProj: Linear;

  constructor(options: BiMambaBlockOptions = {}) {
    super();
    const given = readOptions(new.target.name, options, biMambaBlockOptions);
    const { hiddenSize: channels, stateSize, combine, generator } = given;
    const parts = combine === 'add' ? 1 : 2;
    this.fromLeft = new SelectiveSSM({ channels, stateSize, generator });
    this.fromRight = new SelectiveSSM({ channels, stateSize, generator });
    this.outProj = new Linear(parts * channels, channels, { bias: false, generator });
  }

  /** Maps x [batch, length, hidden] to the same shape. */
  forward(input: Tensor, flags: SequenceFlags = {}): Tensor {
    const op = 'BiMambaBlock';
    const given = readOptions(op, flags, flagOptions);
    const { shape: [hidden], dtype } = this.outProj.weight;
    requireSteps(op, input, dtype, ['batch', 'length', hidden]);
    const { reset, mask } = readFlags(op, given, input.shape);
    const x = clearPadding(input, mask);
    // Read from the right, a document begins one step before the next one to its right.
    const reversed = { reset: reset?.flip(1).pad([0, 1], [0, -1]), mask: mask?.flip(1) };
    const left = this.fromLeft.forward(x, { reset, mask });
    const right = this.fromRight.forward(x.flip(1), reversed).flip(1);
    const isSum = this.outProj.weight.shape[1] === x.shape[2];
    return this.outProj.forward(isSum ? left.add(right) : concat([left, right], -1));
  }
}

/**
 * An encoder of sequences of vectors, [batch, length, embedDim]. It needs whole sequences: each
 * step depends on later ones, so there is no state to continue from. In `layers`, a `BiMambaBlock`
 * and a `GatedFeedForward` alternate.
 */
export class BiMamba extends Stack<BiMambaBlock | GatedFeedForward> {
  constructor(options: BiMambaOptions) {
    const all = readOptions(new.target.name, options, biMambaOptions);
    const { hiddenSize, numLayers, generator } = all;
    const block = pickOptions(all, biMambaBlockOptions);
    const createPair = () => [
      new BiMambaBlock(block), new GatedFeedForward(hiddenSize, 4 * hiddenSize, { generator }),
    ];
    const layers = Array.from({ length: numLayers }, createPair).flat();
    super(pickOptions(all, bodyOptions), layers, inputProjection(all), new RMSNorm(hiddenSize));
  }

  /** Options to start from; embedDim depends on the data. */
  static recommendedDefaults(): Omit<BiMambaOptions, 'embedDim'> {
    const { embedDim: _embedDim, generator: _generator, ...defaults } =
      readOptions('BiMamba', { embedDim: 1 }, biMambaOptions);
    return defaults;
  }
}
