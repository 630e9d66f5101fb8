/**
 * Layers on top of each other: the body that all models share. What differs is the layers, how
 * their input is made, and how the last result is read. Where the layers are recurrent blocks, each
 * a residual step x + block(norm(x)), the whole is recurrent, too.
 */
import { Dropout, Embedding, type Linear, Module, type RMSNorm } from '@mambagrad/nn';
import {
  compile, guard, noGrad, type Tensor, withoutValues, zeros,
} from '@mambagrad/tensor';
import { checkArgument, listOf, readOptions, whole } from '@mambagrad/tensor/options';
import { Residual, sequenceLayers } from '../layers/residual.ts';
import {
  flagOptions, keepSteps, type Pool, pooled, requireFlags, requireSteps, requireTokens,
  type SequenceFlags, type SequenceLayer,
} from '../sequence/sequence.ts';
import {
  type BodyOptions, bodyOptions, type EncoderOptions, outputOptions,
} from './stackOptions.ts';

/**
 * The body of a model: an embedding if there is one, residual layers of width hiddenSize, and a
 * norm.
 */
export abstract class Stack<Inner extends SequenceLayer> extends Module {
  /** What makes the input of the first layer, where that is not the model's own */
  readonly embedding: Linear | Embedding | undefined;
  /** Each x + dropout(mixer(norm(x))), the first one nearest to the input */
  readonly layers: readonly Residual<Inner>[];
  /** The norm of the last result, if there is one */
  readonly normF: RMSNorm | undefined;
  /** The one that all layers use */
  readonly dropout: Dropout;
  protected readonly pool: Pool;
  readonly #hiddenSize: number;
  readonly #windowSize: number;

  /** Every module of the stack, once a program has been made of it. */
  #modules: readonly Module[] | undefined;

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

  /** The number of values that a model of these options learns; it is not built for that. */
  static paramCount<Options>(this: new (options: Options) => Module, options: Options): number {
    return withoutValues(() => new this(options).parameterCount());
  }

  /** The model's input to [batch, length, hidden]. */
  protected embed(x: Tensor): Tensor {
    return this.embedding?.forward(x) ?? x;
  }

  /** From [..., hidden] to the model's results. */
  protected read(h: Tensor): Tensor {
    return this.normF?.forward(h) ?? h;
  }

  /**
   * Throws in the name of `op` unless x is what `embed` takes, steps of vectors or of tokens, and
   * the flags fit it.
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

  /** Checks the input, clears the steps that are padding, and embeds it. */
  protected readInput(op: string, x: Tensor, flags: SequenceFlags): Tensor {
    this.requireInput(op, x, flags);
    const h = this.embed(keepSteps(x, flags.mask));
    const { dtype } = (this.embedding ?? this.layers.at(0)?.norm)?.weight ?? h;
    requireSteps(op, h, dtype, ['batch', 'length', this.#hiddenSize]);
    return h;
  }

  /** The model's input to what stands for the whole sequence: see `pool`. */
  forward(x: Tensor, flags: SequenceFlags = {}): Tensor {
    const y = this.forwardSequence(x, flags);
    return pooled(this.constructor.name, y, this.pool, flags.mask);
  }

  /** The model's input to the results of all steps, [batch, length, ...]. */
  forwardSequence(x: Tensor, flags: SequenceFlags = {}): Tensor {
    const op = this.constructor.name;
    const given = readOptions(op, flags, flagOptions);
    const h = this.readInput(op, x, given);
    return this.read(this.layers.reduce((now, layer) => layer.forward(now, given), h));
  }

  /** `forward` for use: compiled for each shape of x, without gradients and dropout. */
  readonly predict: (x: Tensor, flags?: SequenceFlags) => Tensor = (x, flags = {}) => {
    const op = `${this.constructor.name}.predict`;
    const given = readOptions(op, flags, flagOptions);
    this.requireInput(op, x, given);
    return this.#predict(x, given);
  };

  readonly #predict: (x: Tensor, flags: SequenceFlags) => Tensor =
    this.forUse((x, flags) => this.forward(x, flags));

  /** Compiles `predict` for so many rows of windowSize steps, ahead of the first call. */
  prepare(batch = 1): this {
    checkArgument(`${this.constructor.name}.prepare`, 'batch', batch, whole(1));
    const { dtype, shape } = (this.embedding ?? this.layers[0].norm).weight;
    this.predict(zeros([batch, this.#windowSize, ...shape.slice(-1)], { dtype }));
    return this;
  }

  /** The same function for use: compiled, without gradients and dropout. */
  protected forUse<Args extends unknown[], Result>(
    f: (...args: Args) => Result,
  ): (...args: Args) => Result {
    const program = compile((...args: Args) => {
      // A program holds on to its parameters, and `to` replaces them.
      guard(() => (this.embedding ?? this.layers.at(0)?.norm)?.weight);
      return noGrad(() => f(...args));
    });
    // Not within the function: a program is one of a mode, and would be traced again in this.
    return (...args) => {
      // Any layer may have a mode. The list is kept, as calls are many, and programs keep layers.
      this.#modules ??= this.namedModules().map(([, module]) => module);
      return this.inEval(() => program(...args), this.#modules);
    };
  }
}
