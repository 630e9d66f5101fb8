/**
 * Mamba and Mamba-2 as encoders of sequences of vectors: blocks on top of each other, after a
 * projection to the hidden size where the input has another. The last step has seen the whole
 * sequence, so its vector stands for it.
 */
import { blockDefaults } from './block.ts';
import { mamba2Defaults } from './mamba2.ts';
import {
  type EncoderOptions, inputProjection, RecurrentStack, type StackOptions,
} from './stack.ts';

export type MambaOptions = EncoderOptions & Omit<StackOptions, keyof EncoderOptions>;

const defaults = { hiddenSize: 256, numLayers: 2, windowSize: 60, dropout: 0.1 } as const;

export class Mamba extends RecurrentStack {
  constructor(options: MambaOptions) {
    const { hiddenSize = 256 } = options;
    super({ ...options, hiddenSize }, inputProjection(options));
  }

  /** Options to start from; embedDim is up to the data. */
  static recommendedDefaults(): Omit<MambaOptions, 'embedDim'> {
    return { ...defaults, ...blockDefaults };
  }
}

/** The same, of Mamba-2 blocks. */
export class Mamba2 extends Mamba {
  constructor(options: MambaOptions) {
    super({ ...options, layer: 'mamba2' });
  }

  /** Options to start from; embedDim is up to the data. */
  static override recommendedDefaults(): Omit<MambaOptions, 'embedDim'> {
    return { ...defaults, ...mamba2Defaults };
  }
}
