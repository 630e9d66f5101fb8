/**
 * A language model: an embedding maps tokens to vectors, blocks mix the vectors along time, and a
 * head maps the normalised result to a logit for every token, the score of that token as the next
 * one. The weight of the head is that of the embedding (tied), or a separate one (untied).
 */
import { Embedding, Linear, linear, RMSNorm } from '@mambagrad/nn';
import { ones, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import {
  boolean, checkArgument, type FullTable, pickOptions, readOptions, whole,
} from '@mambagrad/tensor/options';
import { blockDefaults } from '../layers/block.ts';
import {
  clearPadding, type Scanned, type SequenceOptions, sequenceOptions,
} from '../sequence/sequence.ts';
import { RecurrentStack, type StackState } from './recurrentStack.ts';
import { type StackOptions, stackOptions, type WithoutDefault } from './stackOptions.ts';

/** Options of `MambaLM`: those of its blocks, of the vocabulary and of the head. */
export interface MambaLMOptions extends StackOptions {
  /** The number of different tokens. */
  readonly vocabSize: number;
  /** Whether the head shares the weight of the embedding. Default true. */
  readonly tieEmbeddings?: boolean | undefined;
}

export const mambaLMOptions: FullTable<MambaLMOptions, WithoutDefault> = {
  ...stackOptions, vocabSize: whole(1).required(), tieEmbeddings: boolean.orElse(true),
};

/** Options as they were given, without those that were left out. */
type Given<Options> = { readonly [Key in keyof Options]: Exclude<Options[Key], undefined> };

/** The options without those that are undefined. */
function given<Options extends object>(options: Options): Given<Options> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Given<Options>;
}

/** The initial standard deviation of embeddings, as in mamba_ssm. */
const EMBEDDING_STD = 0.02;

/** `prefill` reads this many steps at a time, so that two programs serve prompts of any length. */
const PIECE = 32;

const { state: stateOption, mask: maskOption } = sequenceOptions<StackState>();
const prefillOptions = { state: stateOption, mask: maskOption };

/** Maps tokens i32 [batch, length] to logits of the next token, [batch, length, vocabSize]. */
export class MambaLM extends RecurrentStack {
  /** `predict` may pad sequences. Derived classes must say so again: they might ignore masks. */
  static readonly takesPadding = true;

  /** The options that were given to the constructor. */
  readonly options: Given<MambaLMOptions>;
  declare readonly embedding: Embedding;
  /** The head, [vocabSize, hidden]; undefined if it is tied to the embedding */
  readonly lmHead: Linear | undefined;

  constructor(options: MambaLMOptions) {
    const { vocabSize, hiddenSize, normEps, tieEmbeddings, generator } =
      readOptions(new.target.name, options, mambaLMOptions);
    const embedding = new Embedding(vocabSize, hiddenSize, { std: EMBEDDING_STD, generator });
    const body = { ...pickOptions(options, stackOptions), pool: 'none' } as const;
    super(body, embedding, new RMSNorm(hiddenSize, { eps: normEps }));
    this.options = given(options);
    const head = { bias: false, generator };
    this.lmHead = tieEmbeddings ? undefined : new Linear(hiddenSize, vocabSize, head);
    // The results of L layers add up, so each is initially scaled by 1/√L, as in GPT-2.
    for (const { mixer: { outProj: { weight } } } of this.layers) {
      weight.assign(weight.detach().div(Math.sqrt(this.layers.length)));
    }
  }

  /** The size of the result: a logit for every token. */
  static override outputSize(options: MambaLMOptions): number {
    return readOptions('MambaLM.outputSize', options, mambaLMOptions).vocabSize;
  }

  /** Options to start from; with vocabSize 256, for bytes, this is a small model. */
  static recommendedDefaults(): MambaLMOptions {
    return { vocabSize: 256, hiddenSize: 128, numLayers: 4, ...blockDefaults, tieEmbeddings: true };
  }

  /**
   * Reads a prompt, i32 [batch, length], of any length from 1 and from any state: y
   * [batch, vocabSize] are the logits after its last token. Compiled, without gradients. Padding
   * (`mask`) must be at the beginning of rows, so that all end with their last token.
   */
  prefill(
    tokens: Tensor, options: Pick<SequenceOptions<StackState>, 'state' | 'mask'> = {},
  ): Scanned<StackState> {
    const op = `${this.constructor.name}.prefill`;
    const { state, mask } = readOptions(op, options, prefillOptions);
    this.requireInput(op, tokens, { mask });
    const [batch, length] = tokens.shape;
    if (length === 0) throw new TensorError(`${op}: there are no tokens, expected at least one`);
    if (state !== undefined) this.requireState(op, state, batch);
    // The first piece is padded at its beginning.
    const missing = PIECE * Math.ceil(length / PIECE) - length;
    const padded = (x: Tensor) => x.pad([0, missing], [0, 0]).split(PIECE, 1);
    const masks = padded(mask ?? ones([batch, length], { dtype: 'i32' }));
    let read: Scanned<StackState> = { y: tokens, state: state ?? this.initialState(batch) };
    for (const [i, piece] of padded(clearPadding(tokens, mask)).entries()) {
      const isWhole = !mask && (i > 0 || missing === 0);
      read = this.advance(piece, { state: read.state, mask: isWhole ? undefined : masks[i] });
    }
    return read;
  }

  /** Compiles `prefill` and `step` for `batch` rows, ahead of the first call. */
  override prepare(batch = 1): this {
    checkArgument(`${this.constructor.name}.prepare`, 'batch', batch, whole(1));
    const { state } = this.prefill(zeros([batch, PIECE + 1], { dtype: 'i32' }));
    this.step(zeros([batch], { dtype: 'i32' }), state);
    return this;
  }

  protected override head(h: Tensor): Tensor {
    return linear(super.head(h), (this.lmHead ?? this.embedding).weight);
  }
}
