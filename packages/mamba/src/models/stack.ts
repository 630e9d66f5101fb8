/**
 * A stack of layers, the body that all models share: an embedding of the input, residual layers
 * x + mixer(norm(x)), and a final norm. Models differ in the mixers, in the embedding, and in the
 * head, which maps the last hidden vectors to results.
 */
import {
  compileInEval, Dropout, Embedding, type Linear, Module, type RMSNorm,
} from '@mambagrad/nn';
import { ones, type Tensor, withoutValues, zeros } from '@mambagrad/tensor';
import { valuesOf } from '@mambagrad/tensor/extend';
import { checkArgument, listOf, readOptions, whole } from '@mambagrad/tensor/options';
import { Residual, sequenceLayers } from '../layers/residual.ts';
import {
  flagOptions, clearPadding, type Pool, pooled, requireFlags, requireSteps, requireTokens,
  type SequenceFlags, type SequenceLayer,
} from '../sequence/sequence.ts';
import {
  type BodyOptions, bodyOptions, type EncoderOptions, outputOptions,
} from './stackOptions.ts';

/**
 * The length to which `predict` pads: a multiple of 8, and from 64 on one of the 8 lengths that
 * divide the way from a power of two to the next evenly. Then less than an eighth is added.
 */
function roundedLength(length: number): number {
  const step = 2 ** Math.max(3, 28 - Math.clz32(length));
  return Math.ceil(length / step) * step;
}

/** x [batch, length, ...] with `count` more steps, which are 0; no gradient goes through. */
function padSteps(x: Tensor, count: number): Tensor {
  const sizes = (steps: number): number[] => x.shape.map((_, axis) => (axis === 1 ? steps : 0));
  return x.detach().pad(sizes(0), sizes(count));
}

/** The body of a model: an optional embedding, residual layers of width hiddenSize, and a norm. */
export abstract class Stack<Inner extends SequenceLayer> extends Module {
  /** Maps the input to the hidden size; undefined if it has that size already */
  readonly embedding: Linear | Embedding | undefined;
  /** The layers x + dropout(mixer(norm(x))), in the order in which they are applied */
  readonly layers: readonly Residual<Inner>[];
  /** The norm after the last layer, if there is one */
  readonly normF: RMSNorm | undefined;
  /** The dropout of all layers */
  readonly dropout: Dropout;
  protected readonly pool: Pool;
  readonly #hiddenSize: number;
  readonly #windowSize: number;

  constructor(
    options: BodyOptions,
    layers: readonly Inner[],
    embedding?: Linear | Embedding,
    normF?: RMSNorm,
  ) {
    super();
    const op = new.target.name;
    checkArgument(op, 'layers', layers, listOf(sequenceLayers));
    const given = readOptions(op, options, bodyOptions);
    const { hiddenSize, dropout, normEps, pool, windowSize } = given;
    this.embedding = embedding;
    this.dropout = new Dropout(dropout);
    this.layers = layers.map((mixer) => new Residual(hiddenSize, mixer, this.dropout, normEps));
    this.normF = normF;
    this.pool = pool;
    this.#hiddenSize = hiddenSize;
    this.#windowSize = windowSize;
  }

  /** The size of the result's last axis: hiddenSize, or with `pool: 'ends'` twice that. */
  static outputSize(options: Partial<EncoderOptions>): number {
    const { hiddenSize, pool } = readOptions(`${this.name}.outputSize`, options, outputOptions);
    return hiddenSize * (pool === 'ends' ? 2 : 1);
  }

  /** The number of parameter values of a model with these options, which takes no memory. */
  static paramCount<Options>(this: new (options: Options) => Module, options: Options): number {
    return withoutValues(() => new this(options).parameterCount());
  }

  /** Maps the model's input to hidden vectors [batch, length, hidden]. */
  protected embed(x: Tensor): Tensor {
    return this.embedding?.forward(x) ?? x;
  }

  /** Maps hidden vectors [..., hidden] to the model's results. */
  protected head(h: Tensor): Tensor {
    return this.normF?.forward(h) ?? h;
  }

  /**
   * Throws in the name of `op` unless x is an input of `embed`, a sequence of vectors or of tokens,
   * and the flags fit it.
   */
  protected requireInput(op: string, x: Tensor, flags: SequenceFlags): void {
    const { embedding } = this;
    if (embedding instanceof Embedding) {
      requireSteps(op, x, 'i32', ['batch', 'length']);
    } else if (embedding) {
      const { dtype, shape } = embedding.weight;
      requireSteps(op, x, dtype, ['batch', 'length', shape[1]]);
    }
    requireFlags(op, flags, x.shape);
    if (embedding instanceof Embedding) requireTokens(op, x, embedding.weight.shape[0], flags.mask);
  }

  /** Checks the input, sets steps that are padding to 0, and embeds it. */
  protected readInput(op: string, x: Tensor, flags: SequenceFlags): Tensor {
    this.requireInput(op, x, flags);
    const h = this.embed(clearPadding(x, flags.mask));
    this.#requireHidden(op, h);
    return h;
  }

  /** Throws in the name of `op` unless h is an input of the layers. */
  #requireHidden(op: string, h: Tensor): void {
    const { dtype } = (this.embedding ?? this.layers.at(0)?.norm)?.weight ?? h;
    requireSteps(op, h, dtype, ['batch', 'length', this.#hiddenSize]);
  }

  /** Maps the model's input to a result for the whole sequence; see `pool`. */
  forward(x: Tensor, flags: SequenceFlags = {}): Tensor {
    const y = this.forwardSequence(x, flags);
    return pooled(this.constructor.name, y, this.pool, flags.mask);
  }

  /** Maps the model's input to the results of all steps, [batch, length, ...]. */
  forwardSequence(x: Tensor, flags: SequenceFlags = {}): Tensor {
    const op = this.constructor.name;
    const given = readOptions(op, flags, flagOptions);
    const h = this.readInput(op, x, given);
    return this.head(this.layers.reduce((hidden, layer) => layer.forward(hidden, given), h));
  }

  /**
   * `forward` of rows that were padded at their end, where `mask` is 0, for models that have a
   * faster way than to read the mask in each layer. If the flags have a mask, it is this one.
   */
  protected forwardPadded?(x: Tensor, flags: SequenceFlags, mask: Tensor): Tensor;

  /**
   * `forward` for inference: compiled, without gradients and dropout. Sequences of windowSize steps
   * have a program for that length. Others are padded to one of few lengths, so that they share a
   * program; results are those of the steps that were given.
   */
  readonly predict: (x: Tensor, flags?: SequenceFlags) => Tensor = (x, flags = {}) => {
    const op = `${this.constructor.name}.predict`;
    const given = readOptions(op, flags, flagOptions);
    this.requireInput(op, x, given);
    if (!Object.hasOwn(this.constructor, 'takesPadding')) return this.#predict(x, given);
    if (!this.embedding) this.#requireHidden(op, x);
    const [batch, length] = x.shape;
    const missing = roundedLength(length) - length;
    // In a trace x has no values, and the program is made for its length anyway.
    const isExact = length === this.#windowSize || !valuesOf(x) ||
      (missing === 0 && !this.forwardPadded);
    if (isExact) return this.#predict(x, given);
    const { reset, segmentIds, mask } = given;
    const ofAll = padSteps(mask ?? ones([batch, length], { dtype: 'i32' }), missing);
    const y = this.#predictPadded(padSteps(x, missing), {
      reset: reset && padSteps(reset, missing),
      segmentIds: segmentIds && padSteps(segmentIds, missing),
      mask: mask && ofAll,
    }, ofAll);
    return this.pool === 'none' ? y.narrow(1, 0, length) : y;
  };

  readonly #predict: (x: Tensor, flags: SequenceFlags) => Tensor =
    compileInEval(this, (x, flags) => this.forward(x, flags));

  readonly #predictPadded: (x: Tensor, flags: SequenceFlags, mask: Tensor) => Tensor =
    compileInEval(this, (x, flags, mask) =>
      this.forwardPadded?.(x, flags, mask) ?? this.forward(x, { ...flags, mask }));

  /** Compiles `predict` for `batch` rows of windowSize steps, ahead of the first call. */
  prepare(batch = 1): this {
    checkArgument(`${this.constructor.name}.prepare`, 'batch', batch, whole(1));
    const weight = (this.embedding ?? this.layers.at(0)?.norm)?.weight;
    const width = weight?.shape.at(-1) ?? this.#hiddenSize;
    this.predict(zeros([batch, this.#windowSize, width], { dtype: weight?.dtype }));
    return this;
  }
}
