/**
 * A bidirectional Mamba. Each layer has one scan from the left and another from the right, with
 * separate parameters, so that every step depends on all others:
 *
 *     h = scan_f(norm(x)) + reverse(scan_b(reverse(norm(x))))     or the two concatenated
 *     x ← x + W h,     x ← x + feedForward(norm(x))
 *
 * The gated feed-forward layer mixes the channels, which the scans process separately.
 */
import { GatedFeedForward, Linear, Module, RMSNorm } from '@mambagrad/nn';
import { concat, type Tensor } from '@mambagrad/tensor';
import {
  type FullTable, number, oneOf, pickOptions, readOptions, whole,
} from '@mambagrad/tensor/options';
import type { Mixer } from '../layers/block.ts';
import { SelectiveSSM, selectiveSSMOptions } from '../layers/selectiveSSM.ts';
import {
  flagOptions, clearPadding, readFlags, requireSteps, type SequenceFlags,
} from '../sequence/sequence.ts';
import { Stack } from './stack.ts';
import {
  bodyOptions, createMixers, type EncoderOptions, encoderOptions, inputProjection, type LayerKind,
  requireOptionsOf, type StackOptions, stackOptions, type WithoutDefault,
} from './stackOptions.ts';

/**
 * Options of `BiMamba`: those of an encoder, whose defaults for `numLayers` and `dropout` differ
 * from other models, and those of its scans.
 */
export interface BiMambaOptions
  extends EncoderOptions, Omit<StackOptions, keyof EncoderOptions | 'layer'> {
  /**
   * The kind of the scans in each direction: 'ssm' is `SelectiveSSM` alone; the others are blocks,
   * MambaBlock, Mamba2Block or Mamba3Block, with projections and a gate around their scan.
   * Default 'ssm'.
   */
  readonly layer?: 'ssm' | LayerKind | undefined;
  /** Whether the results of the two directions are added or concatenated. Default 'add'. */
  readonly combine?: 'add' | 'concat' | undefined;
}

/** The options of one `BiMambaBlock`. */
export type BiMambaBlockOptions =
  Omit<BiMambaOptions, Exclude<keyof EncoderOptions, 'hiddenSize' | 'generator'>>;

const { numLayers: _numLayers, dropout: _dropout, ...scanOptions } = stackOptions;

const biMambaBlockOptions: FullTable<BiMambaBlockOptions, WithoutDefault> = {
  ...scanOptions,
  hiddenSize: encoderOptions.hiddenSize,
  layer: oneOf('ssm', 'mamba', 'mamba2', 'mamba3').orElse('ssm'),
  combine: oneOf('add', 'concat').orElse('add'),
};

const biMambaOptions: FullTable<BiMambaOptions, WithoutDefault> = {
  ...encoderOptions,
  ...biMambaBlockOptions,
  numLayers: whole().orElse(4),
  dropout: number({ from: 0, to: 1 }).orElse(0.1),
};

/** A scan in one direction: of a block, or alone. */
type DirectedScan = SelectiveSSM | Mixer;

/** The scans in both directions; throws in the name of `op` if options are of other kinds. */
function createScans(op: string, options: BiMambaBlockOptions): readonly DirectedScan[] {
  const { layer, hiddenSize } = readOptions(op, options, biMambaBlockOptions);
  const { layer: _layer, ...given } = pickOptions(options, scanOptions);
  requireOptionsOf(op, layer, given);
  const ofScan = { ...given, hiddenSize };
  if (layer !== 'ssm') return createMixers(op, { ...ofScan, layer, numLayers: 2 });
  const ofSSM = { ...pickOptions(ofScan, selectiveSSMOptions), channels: hiddenSize };
  return [new SelectiveSSM(ofSSM), new SelectiveSSM(ofSSM)];
}

/** The scans in both directions and the projection, without the residual connection. */
export class BiMambaBlock extends Module {
  /** Scans from the first step to the last. */
  readonly fromLeft: DirectedScan;
  /** Scans from the last step to the first; shares no parameters with the other. */
  readonly fromRight: DirectedScan;
  /** From the sum of the two directions, or from their concatenation */
  readonly outProj: Linear;

  /**
   * Throws if an option is given that only other kinds of scans have, in the name of the class, or
   * of the model that is made.
   */
  constructor(options: BiMambaBlockOptions = {}, op: string = new.target.name) {
    super();
    const { hiddenSize, combine, generator } = readOptions(op, options, biMambaBlockOptions);
    const parts = combine === 'add' ? 1 : 2;
    [this.fromLeft, this.fromRight] = createScans(op, options);
    this.outProj = new Linear(parts * hiddenSize, hiddenSize, { bias: false, generator });
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
  /** `predict` may pad sequences. Derived classes must say so again: they might ignore masks. */
  static readonly takesPadding = true;

  constructor(options: BiMambaOptions) {
    const op = new.target.name;
    const all = readOptions(op, options, biMambaOptions);
    const { hiddenSize, numLayers, normEps, generator } = all;
    const block = pickOptions(options, biMambaBlockOptions);
    const createPair = () => [
      new BiMambaBlock(block, op), new GatedFeedForward(hiddenSize, 4 * hiddenSize, { generator }),
    ];
    const layers = Array.from({ length: numLayers }, createPair).flat();
    const norm = new RMSNorm(hiddenSize, { eps: normEps });
    super(pickOptions(all, bodyOptions), layers, inputProjection(all), norm);
  }

  /** Options to start from; embedDim depends on the data. */
  static recommendedDefaults(): Omit<BiMambaOptions, 'embedDim'> {
    const { hiddenSize, numLayers, dropout, pool, windowSize, combine } =
      readOptions('BiMamba', { embedDim: 1 }, biMambaOptions);
    const { stateSize } = readOptions('SelectiveSSM', { channels: 1 }, selectiveSSMOptions);
    return { hiddenSize, numLayers, dropout, pool, windowSize, stateSize, combine };
  }
}
