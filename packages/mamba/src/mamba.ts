/**
 * Mamba as an encoder of sequences of vectors: blocks on top of each other, after a projection to
 * the hidden size where the input has another. The last step has seen the whole sequence, so its
 * vector stands for it.
 */
import { Linear } from '@mambagrad/nn';
import { type Tensor, zeros } from '@mambagrad/tensor';
import type { SequenceFlags } from './sequence.ts';
import { ResidualBlock, Stack, type StackOptions } from './stack.ts';

export interface MambaOptions extends Omit<StackOptions, 'hiddenSize'> {
  /** The size of the input vectors. */
  readonly embedDim: number;
  /** The width of the model. Default 256. */
  readonly hiddenSize?: number;
  /** The length of sequence that `prepare` makes ready for. Default 60. */
  readonly windowSize?: number;
}

export class Mamba extends Stack {
  /** From embedDim to hiddenSize, where they differ */
  readonly inputProjection: Linear | undefined;
  readonly layers: readonly ResidualBlock[];
  /** [length, embedDim] of a usual input */
  readonly #window: readonly [number, number];

  constructor(options: MambaOptions) {
    super();
    const { embedDim, hiddenSize = 256, numLayers = 2, windowSize = 60, generator } = options;
    this.inputProjection =
      embedDim === hiddenSize ? undefined : new Linear(embedDim, hiddenSize, { generator });
    const layer = { ...options, hiddenSize };
    this.layers = Array.from({ length: numLayers }, () => new ResidualBlock(layer));
    this.#window = [windowSize, embedDim];
  }

  /** The size of the result: hiddenSize. */
  static outputSize({ hiddenSize = 256 }: Partial<MambaOptions>): number {
    return hiddenSize;
  }

  /** The number of values that a model of these options learns. */
  static paramCount(options: MambaOptions): number {
    const { embedDim, hiddenSize = 256 } = options;
    const projection = embedDim === hiddenSize ? 0 : (embedDim + 1) * hiddenSize;
    return projection + Stack.layersParamCount({ ...options, hiddenSize });
  }

  /** Options to start from; embedDim is up to the data. */
  static recommendedDefaults(): Omit<MambaOptions, 'embedDim'> {
    const sizes = { hiddenSize: 256, stateSize: 16, expandFactor: 2, convSize: 4, numLayers: 2 };
    return { ...sizes, dropout: 0.1, windowSize: 60 };
  }

  /** [batch, length, embedDim] to the vector of the last step (no padding), [batch, hiddenSize]. */
  override forward(x: Tensor, flags?: SequenceFlags): Tensor {
    return this.scan(x, flags, true).y;
  }

  /** [batch, length, embedDim] to every step's vector, [batch, length, hiddenSize]. */
  forwardSequence(x: Tensor, flags?: SequenceFlags): Tensor {
    return this.scan(x, flags).y;
  }

  /** `forward` for use: compiled for each shape of x, without gradients and dropout. */
  predict(x: Tensor, flags?: SequenceFlags): Tensor {
    return this.advance(x, flags).y;
  }

  /** Compiles `predict` for windows of windowSize, and `step`, ahead of the first call. */
  prepare(batch = 1): this {
    const window = zeros([batch, ...this.#window], { dtype: this.layers[0].norm.weight.dtype });
    this.predict(window);
    this.step(window.narrow(1, 0, 1).squeeze(1), this.initialState(batch));
    return this;
  }

  protected embed(x: Tensor): Tensor {
    return this.inputProjection?.forward(x) ?? x;
  }

  protected read(h: Tensor): Tensor {
    return h;
  }
}
