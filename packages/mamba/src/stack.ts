/**
 * Layers on top of each other: the body that all models share. What differs is the layers, how
 * their input is made, and how the last result is read. Where the layers are recurrent blocks, each
 * a residual step x + block(norm(x)), the whole is recurrent, too.
 */
import { Dropout, type Embedding, Linear, Module, RMSNorm } from '@mambagrad/nn';
import {
  compile, type Generator, guard, noGrad, type Tensor, withoutValues, zeros,
} from '@mambagrad/tensor';
import { type BlockOptions, type BlockState, MambaBlock, type Mixer } from './block.ts';
import { Mamba2Block, type Mamba2BlockOptions } from './mamba2.ts';
import {
  type Pool, pooled, Recurrent, type ScanOptions, type Scanned, type SequenceFlags,
  type SequenceLayer,
} from './sequence.ts';

/** What encoders have in common, the models that read vectors. */
export interface EncoderOptions {
  /** The size of the input vectors. */
  readonly embedDim: number;
  /** The width of the model. Default 256. */
  readonly hiddenSize?: number;
  /** The number of layers. Default 2; of BiMamba 4. */
  readonly numLayers?: number;
  /** The share of what a layer adds that is left out in training. Default 0; of BiMamba 0.1. */
  readonly dropout?: number;
  /** What `forward` gives of the results of all steps. Default `last`. */
  readonly pool?: Pool;
  /** The length of sequence that `prepare` makes ready for. Default 60. */
  readonly windowSize?: number;
  /** The source of the initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/** The projection from embedDim to hiddenSize, where they differ. */
export function inputProjection(options: EncoderOptions): Linear | undefined {
  const { embedDim, hiddenSize = 256, generator } = options;
  return embedDim === hiddenSize ? undefined : new Linear(embedDim, hiddenSize, { generator });
}

/** The sizes of a stack of recurrent blocks; normEps is that of all norms. */
export interface StackOptions
  extends BlockOptions, Mamba2BlockOptions, Pick<EncoderOptions, 'numLayers' | 'dropout'> {
  /** The kind of the blocks: MambaBlock (the default) or Mamba2Block. */
  readonly layer?: 'mamba' | 'mamba2';
}

/** The kinds of blocks there are. */
const mixers = { mamba: MambaBlock, mamba2: Mamba2Block };

/** What mixes along time, with its normalisation and residual connection: x + mixer(norm(x)). */
export class Residual<Inner extends SequenceLayer = SequenceLayer> extends Module {
  readonly norm: RMSNorm;
  readonly mixer: Inner;
  readonly #dropout: Dropout;

  constructor(width: number, mixer: Inner, dropout: Dropout = new Dropout(0), eps = 1e-5) {
    super();
    this.norm = new RMSNorm(width, { eps });
    this.mixer = mixer;
    this.#dropout = dropout;
  }

  /** x and the result [batch, length, width] */
  forward(x: Tensor, flags?: SequenceFlags): Tensor {
    return x.add(this.#dropout.forward(this.mixer.forward(this.norm.forward(x), flags)));
  }

  /** The same in pieces; with `lastOnly`, y [batch, 1, width] is the result of the last step. */
  scan(
    this: Residual<Mixer>, x: Tensor, options?: ScanOptions<BlockState>, lastOnly = false,
  ): Scanned<BlockState> {
    const { y, state } = this.mixer.mix(this.norm.forward(x), options);
    const last = (all: Tensor) => (lastOnly ? all.narrow(1, all.shape[1] - 1, 1) : all);
    const added = this.#dropout.forward(this.mixer.outProj.forward(last(y)));
    return { y: last(x).add(added), state };
  }
}

export abstract class Stack<Inner extends SequenceLayer> extends Module {
  /** What makes the input of the first layer, where that is not the model's own */
  readonly embedding: Linear | Embedding | undefined;
  readonly layers: readonly Residual<Inner>[];
  /** The norm of the last result, if there is one */
  readonly normF: RMSNorm | undefined;
  /** The one that all layers use */
  readonly dropout: Dropout;
  protected readonly pool: Pool;
  readonly #windowSize: number;

  constructor(
    options: Partial<EncoderOptions> & { readonly hiddenSize: number; readonly normEps?: number },
    layers: readonly Inner[],
    embedding?: Linear | Embedding,
    normF?: RMSNorm,
  ) {
    super();
    const { hiddenSize, dropout = 0, normEps, pool = 'last', windowSize = 60 } = options;
    this.embedding = embedding;
    this.dropout = new Dropout(dropout);
    this.layers = layers.map((mixer) => new Residual(hiddenSize, mixer, this.dropout, normEps));
    this.normF = normF;
    this.pool = pool;
    this.#windowSize = windowSize;
  }

  /** The size of the result. */
  static outputSize({ hiddenSize = 256, pool }: Partial<EncoderOptions>): number {
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

  /** The model's input to what stands for the whole sequence: see `pool`. */
  forward(x: Tensor, flags?: SequenceFlags): Tensor {
    return pooled(this.forwardSequence(x, flags), this.pool, flags?.mask);
  }

  /** The model's input to the results of all steps, [batch, length, ...]. */
  forwardSequence(x: Tensor, flags?: SequenceFlags): Tensor {
    return this.read(this.layers.reduce((h, layer) => layer.forward(h, flags), this.embed(x)));
  }

  /** `forward` for use: compiled for each shape of x, without gradients and dropout. */
  readonly predict: (x: Tensor, flags?: SequenceFlags) => Tensor =
    this.forUse((x, flags) => this.forward(x, flags));

  /** Compiles `predict` for so many rows of windowSize steps, ahead of the first call. */
  prepare(batch = 1): this {
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
    return (...args) => this.dropout.inEval(() => program(...args));
  }
}

/** The state of every layer. */
export type StackState = readonly BlockState[];

export abstract class RecurrentStack extends Stack<Mixer> implements Recurrent<StackState> {
  constructor(
    options: StackOptions & Pick<EncoderOptions, 'pool' | 'windowSize'>,
    embedding?: Linear | Embedding,
    normF?: RMSNorm,
  ) {
    const { layer = 'mamba', numLayers = 2 } = options;
    const createMixer = () => new mixers[layer](options);
    super(options, Array.from({ length: numLayers }, createMixer), embedding, normF);
  }

  initialState(batch: number): StackState {
    return this.layers.map(({ mixer }) => mixer.initialState(batch));
  }

  override forward(x: Tensor, flags?: SequenceFlags): Tensor {
    return this.pool === 'last' ? this.scan(x, flags, true).y : super.forward(x, flags);
  }

  /** With `lastOnly`, y is the result of the last step that is no padding, [batch, ...]. */
  scan(x: Tensor, options: ScanOptions<StackState> = {}, lastOnly = false): Scanned<StackState> {
    const { state, ...flags } = options;
    let h = this.embed(x);
    const next = this.layers.map((layer, i) => {
      // Nobody asks for the other steps of the last layer.
      const isCut = lastOnly && !flags.mask && i === this.layers.length - 1;
      const scanned = layer.scan(h, { ...flags, state: state?.[i] }, isCut);
      h = scanned.y;
      return scanned.state;
    });
    return { y: this.read(lastOnly ? pooled(h, 'last', flags.mask) : h), state: next };
  }

  /** `scan` for use, with `lastOnly`: compiled for each shape of x, without gradients. */
  readonly advance: (x: Tensor, options?: ScanOptions<StackState>) => Scanned<StackState> =
    this.forUse((x, options) => this.scan(x, options, true));

  /** A single step, compiled, without gradients, in the same time however many came before. */
  step(x: Tensor, state: StackState): Scanned<StackState> {
    return this.advance(x.unsqueeze(1), { state });
  }
}
