/**
 * A language model: tokens become vectors, Mamba blocks mix them along time, and the normalised
 * result is compared with every token's vector. The head is the embedding again (tied), so that a
 * token is written and read by the same vector.
 */
import { Embedding, linear, Module, RMSNorm } from '@mambagrad/nn';
import type { Tensor } from '@mambagrad/tensor';
import { type BlockOptions, ResidualBlock } from './block.ts';
import type { Mamba2BlockOptions } from './mamba2.ts';
import { Residual, type SequenceBlock } from './sequenceModel.ts';

export interface MambaLMOptions extends BlockOptions, Mamba2BlockOptions {
  /** The number of different tokens. */
  readonly vocabSize: number;
  /** Default 2. */
  readonly numLayers?: number;
  /** What mixes along time: MambaBlock (the default), or Mamba2Block. */
  readonly block?: new (options: MambaLMOptions) => SequenceBlock<unknown>;
}

/** The standard deviation of embeddings at the start, as in the paper's code. */
const EMBEDDING_STD = 0.02;

export class MambaLM extends Module {
  readonly embedding: Embedding;
  readonly layers: readonly (ResidualBlock | Residual<unknown>)[];
  readonly normF: RMSNorm;

  constructor(options: MambaLMOptions) {
    super();
    const { vocabSize, hiddenSize, numLayers = 2, block: Block, generator } = options;
    this.embedding = new Embedding(vocabSize, hiddenSize, { std: EMBEDDING_STD, generator });
    this.layers = Array.from({ length: numLayers }, () =>
      Block ? new Residual(hiddenSize, new Block(options)) : new ResidualBlock(options),
    );
    this.normF = new RMSNorm(hiddenSize);
    // What each layer adds starts smaller the more of them add up (GPT-2's rule).
    for (const { mixer } of this.layers) {
      const { weight } = mixer.outProj;
      weight.assign(weight.detach().div(Math.sqrt(numLayers)));
    }
  }

  /** Tokens i32 [batch, length] to logits [batch, length, vocabSize] for the token after each. */
  forward(tokens: Tensor): Tensor {
    const start = this.embedding.forward(tokens);
    const h = this.layers.reduce((x, layer) => layer.forward(x), start);
    return linear(this.normF.forward(h), this.embedding.weight);
  }
}
