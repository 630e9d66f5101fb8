/**
 * Mamba as an encoder of sequences of vectors: Mamba blocks on top of each other, each a residual
 * step, after a projection to the hidden size where the input has another. The last step has seen
 * the whole sequence, so its vector stands for it.
 */
import { Linear, Module } from '@mambagrad/nn';
import type { Tensor } from '@mambagrad/tensor';
import { type BlockOptions, ResidualBlock } from './block.ts';

export interface MambaOptions extends Omit<BlockOptions, 'hiddenSize'> {
  /** The size of the input vectors. */
  readonly embedDim: number;
  /** The width of the model. Default 256. */
  readonly hiddenSize?: number;
  /** Default 2. */
  readonly numLayers?: number;
}

export class Mamba extends Module {
  /** From embedDim to hiddenSize, where they differ */
  readonly inputProjection: Linear | undefined;
  readonly layers: readonly ResidualBlock[];

  constructor(options: MambaOptions) {
    super();
    const { embedDim, hiddenSize = 256, numLayers = 2, generator } = options;
    this.inputProjection =
      embedDim === hiddenSize ? undefined : new Linear(embedDim, hiddenSize, { generator });
    this.layers = Array.from(
      { length: numLayers },
      () => new ResidualBlock({ ...options, hiddenSize }),
    );
  }

  /** [batch, length, embedDim] to the last step's [batch, hiddenSize]. */
  forward(x: Tensor): Tensor {
    const h = this.forwardSequence(x);
    return h.narrow(1, h.shape[1] - 1, 1).squeeze(1);
  }

  /** [batch, length, embedDim] to every step's vector, [batch, length, hiddenSize]. */
  forwardSequence(x: Tensor): Tensor {
    const start = this.inputProjection?.forward(x) ?? x;
    return this.layers.reduce((h, layer) => layer.forward(h), start);
  }
}
