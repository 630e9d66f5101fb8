/**
 * Mamba, Mamba-2 and Mamba-3 as encoders of sequences of vectors: a stack of blocks, after a
 * projection to the hidden size if the input has another size. The result of the last step depends
 * on the whole sequence, so by default it represents the sequence.
 */
import { type FullTable, pickOptions, readOptions } from '@mambagrad/tensor/options';
import { blockDefaults } from '../layers/block.ts';
import { mamba2Defaults } from '../layers/mamba2.ts';
import { mamba3Defaults } from '../layers/mamba3Options.ts';
import { RecurrentStack, recurrentStackOptions } from './recurrentStack.ts';
import {
  type EncoderOptions, encoderOptions, inputProjection, type StackOptions, type WithoutDefault,
} from './stackOptions.ts';

/** Options of `Mamba`: those of an encoder, and those of its blocks. */
export type MambaOptions = EncoderOptions & Omit<StackOptions, keyof EncoderOptions>;

const mambaOptions: FullTable<MambaOptions, WithoutDefault> = {
  ...recurrentStackOptions, ...encoderOptions,
};

/** The options of encoders whose kind of block is fixed. */
const { layer: _layer, ...fixedOptions } = mambaOptions;

const { hiddenSize, numLayers, windowSize } =
  readOptions('Mamba', { embedDim: 1 }, encoderOptions);

/** A start for the options that do not depend on the kind of block. */
const encoderDefaults = { hiddenSize, numLayers, windowSize, dropout: 0.1 };

/** An encoder from [batch, length, embedDim] to one vector for each sequence, or see `pool`. */
export class Mamba extends RecurrentStack {
  /** `predict` may pad sequences. Derived classes must say so again: they might ignore masks. */
  static readonly takesPadding = true;

  constructor(options: MambaOptions) {
    const { embedDim, hiddenSize, generator } =
      readOptions(new.target.name, options, mambaOptions);
    const embedding = inputProjection({ embedDim, hiddenSize, generator });
    super({ ...pickOptions(options, recurrentStackOptions), hiddenSize }, embedding);
  }

  /** Options to start from; embedDim depends on the data. */
  static recommendedDefaults(): Omit<MambaOptions, 'embedDim'> {
    return { ...encoderDefaults, ...blockDefaults };
  }
}

/** An encoder like `Mamba`, of Mamba-2 blocks. */
export class Mamba2 extends Mamba {
  /** `predict` may pad sequences. Derived classes must say so again: they might ignore masks. */
  static override readonly takesPadding = true;

  constructor(options: Omit<MambaOptions, 'layer'>) {
    readOptions(new.target.name, options, fixedOptions);
    super({ ...options, layer: 'mamba2' });
  }

  /** Options to start from; embedDim depends on the data. */
  static override recommendedDefaults(): Omit<MambaOptions, 'embedDim'> {
    return { ...encoderDefaults, ...mamba2Defaults };
  }
}

/** An encoder like `Mamba`, of Mamba-3 blocks. */
export class Mamba3 extends Mamba {
  /** `predict` may pad sequences. Derived classes must say so again: they might ignore masks. */
  static override readonly takesPadding = true;

  constructor(options: Omit<MambaOptions, 'layer'>) {
    readOptions(new.target.name, options, fixedOptions);
    super({ ...options, layer: 'mamba3' });
  }

  /** Options to start from; embedDim depends on the data. */
  static override recommendedDefaults(): Omit<MambaOptions, 'embedDim'> {
    return { ...encoderDefaults, ...mamba3Defaults };
  }
}
