/**
 * What the models of sequences have in common: vectors come in, are projected to the width of the
 * model where they have another, and go through layers; the last step's vector stands for the
 * whole. Where every layer can go on from a state, so can the model, step by step.
 */
import { Dropout, Linear, Module, RMSNorm } from '@mambagrad/nn';
import { compile, type Generator, noGrad, type Tensor, zeros } from '@mambagrad/tensor';

/** A layer from [batch, length, width] to the same shape. */
export interface SequenceLayer extends Module {
  forward(x: Tensor): Tensor;
}

/** A layer that mixes along time, and can also do so one step at a time. */
export interface SequenceBlock<State> extends SequenceLayer {
  /** What the block gives has passed this last. */
  readonly outProj: Linear;
  /** One time step: x [batch, width] and what was remembered, to y [batch, width]. */
  step(x: Tensor, state: State): { y: Tensor; state: State };
  /** What is remembered before the first step. */
  initialState(batch: number): State;
}

/** A block with its normalisation and residual connection: x + dropout(block(norm(x))). */
export class Residual<State> extends Module {
  readonly norm: RMSNorm;
  readonly mixer: SequenceBlock<State>;
  readonly #dropout: Dropout;

  constructor(width: number, mixer: SequenceBlock<State>, dropout: Dropout = new Dropout(0)) {
    super();
    this.norm = new RMSNorm(width);
    this.mixer = mixer;
    this.#dropout = dropout;
  }

  /** [batch, length, width] to the same shape */
  forward(x: Tensor): Tensor {
    return x.add(this.#dropout.forward(this.mixer.forward(this.norm.forward(x))));
  }

  step(x: Tensor, before: State): { y: Tensor; state: State } {
    const { y, state } = this.mixer.step(this.norm.forward(x), before);
    return { y: x.add(this.#dropout.forward(y)), state };
  }
}

export interface SequenceModelOptions {
  /** The size of the input vectors. */
  readonly embedDim: number;
  /** The width of the model. Default 256. */
  readonly hiddenSize?: number;
  /** Default 2; of BiMamba 4. */
  readonly numLayers?: number;
  /** The share of what a layer adds that is zeroed in training. Default 0; of BiMamba 0.1. */
  readonly dropout?: number;
  /** The expected length, for which `prepare` makes `predict` ready. Default 60. */
  readonly windowSize?: number;
  /** The source of the initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/** The options with their defaults. */
type Sizes = Required<Omit<SequenceModelOptions, 'generator'>> & SequenceModelOptions;

export abstract class SequenceModel<Layer extends SequenceLayer> extends Module {
  /** From embedDim to hiddenSize, where they differ */
  readonly inputProjection: Linear | undefined;
  readonly layers: readonly Layer[];
  /** The one that all layers use */
  readonly dropout: Dropout;
  readonly #window: readonly [length: number, width: number];

  constructor(options: Sizes, createLayer: (dropout: Dropout) => Layer) {
    super();
    const { embedDim, hiddenSize, numLayers, dropout, windowSize, generator } = options;
    this.inputProjection =
      embedDim === hiddenSize ? undefined : new Linear(embedDim, hiddenSize, { generator });
    this.dropout = new Dropout(dropout);
    this.layers = Array.from({ length: numLayers }, () => createLayer(this.dropout));
    this.#window = [windowSize, embedDim];
  }

  /** The values to learn of the input projection and of so many layers of so many each. */
  protected static count({ embedDim, hiddenSize, numLayers }: Sizes, perLayer: number): number {
    return (embedDim === hiddenSize ? 0 : (embedDim + 1) * hiddenSize) + numLayers * perLayer;
  }

  /** [batch, length, embedDim] to the last step's [batch, hiddenSize]. */
  forward(x: Tensor): Tensor {
    const h = this.forwardSequence(x);
    return h.narrow(1, h.shape[1] - 1, 1).squeeze(1);
  }

  /** [batch, length, embedDim] to every step's vector, [batch, length, hiddenSize]. */
  forwardSequence(x: Tensor): Tensor {
    return this.layers.reduce((h, layer) => layer.forward(h), this.project(x));
  }

  /** `forward` for use: compiled (once for each shape of x), without dropout, without a graph. */
  predict(x: Tensor): Tensor {
    const { training } = this;
    try {
      this.eval();
      return this.#predict(x);
    } finally {
      this.train(training);
    }
  }

  readonly #predict: (x: Tensor) => Tensor = compile((x) => noGrad(() => this.forward(x)));

  /** Compiles `predict` for a batch of windows, so that its first call is as fast as any. */
  prepare(batch = 1): this {
    this.predict(zeros([batch, ...this.#window]));
    return this;
  }

  protected project(x: Tensor): Tensor {
    return this.inputProjection?.forward(x) ?? x;
  }
}

/** A model whose layers can all run step by step, for use in real time at a constant cost. */
export class RecurrentModel<State> extends SequenceModel<Residual<State>> {
  /** One frame [batch, embedDim] and the state before it, to the output [batch, hiddenSize]. */
  step(frame: Tensor, before: readonly State[]): { y: Tensor; state: State[] } {
    let y = this.project(frame);
    const state = this.layers.map((layer, i) => {
      const after = layer.step(y, before[i]);
      y = after.y;
      return after.state;
    });
    return { y, state };
  }

  /** The state before the first frame, a part for each layer. */
  initialState(batch: number): State[] {
    return this.layers.map(({ mixer }) => mixer.initialState(batch));
  }
}
