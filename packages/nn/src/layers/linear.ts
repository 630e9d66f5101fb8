/**
 * The two layers that consist of a matrix: Linear multiplies by it, Embedding looks up its rows.
 */
import { Generator, normal, type Shape, Tensor, TensorError, uniform } from '@mambagrad/tensor';
import {
  boolean, checkArgument, type FullTable, instanceOf, number, readOptions, show, type Table,
  tensors, whole,
} from '@mambagrad/tensor/options';
import { fanInOf, initialize, type Initializer, initializers } from '../modules/init.ts';
import { Module, Parameter } from '../modules/module.ts';

/** Options of `Linear`, the convolutions and `GatedFeedForward`, besides their sizes. */
export interface LayerOptions {
  /** Whether to add a learned bias. Default true; of GatedFeedForward false. */
  readonly bias?: boolean | undefined;
  /** The initial values of the weight. Default uniform within ±1/√fanIn, as those of the bias. */
  readonly init?: Initializer | undefined;
  /** The source of random initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/** The table of these options, for layers that are made of others. */
export const layerOptions: FullTable<LayerOptions, 'init' | 'generator'> = {
  bias: boolean.orElse(true),
  init: initializers.optional(),
  generator: instanceOf(Generator).optional(),
};

/** Throws unless the sizes of a layer are whole numbers from 1. */
export function requireSizes(op: string, sizes: Readonly<Record<string, unknown>>): void {
  for (const [name, size] of Object.entries(sizes)) checkArgument(op, name, size, whole(1));
}

/** Throws unless x has the dtype of a layer's weight, and as its last axis the layer's features. */
export function requireFeatures(op: string, x: unknown, { dtype }: Tensor, count: number): void {
  const isTensor = x instanceof Tensor;
  const fits = isTensor && x.shape[x.ndim - 1] === count;
  if (fits && x.dtype === dtype) return;
  const found = x === undefined ? 'is missing' : `is ${show(x)}`;
  const help = fits ? `; use cast('${dtype}') first` : '';
  throw new TensorError(`${op}: x ${found}, expected ${dtype}[..., ${count}]${help}`);
}

/** A layer with a weight and a bias, at first uniform within ±1/√fanIn, as in PyTorch. */
export abstract class WeightedLayer extends Module {
  /** [out, in, ...kernel]; fanIn is in · kernel */
  readonly weight: Parameter;
  /** [out]; undefined with `bias: false` */
  readonly bias: Parameter | undefined;

  constructor(shape: Shape, options: LayerOptions) {
    super();
    const { bias, init, generator } = readOptions(this.constructor.name, options, layerOptions);
    const bound = 1 / Math.sqrt(Math.max(1, fanInOf(shape)));
    const draw = (size: Shape): Tensor => uniform(size, -bound, bound, { generator });
    this.weight = new Parameter(init ? initialize(shape, init, { generator }) : draw(shape));
    this.bias = bias ? new Parameter(draw([shape[0]])) : undefined;
  }
}

/** y = x·Wᵀ + b over the last axis: x [..., in], weight [out, in], bias [out] give [..., out]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  checkArgument('linear', 'x', x, tensors);
  checkArgument('linear', 'weight', weight, tensors);
  const product = x.matmul(weight.transpose(0, 1));
  return bias ? product.add(bias) : product;
}

/** An affine map of the last axis, with a weight [outFeatures, inFeatures]. */
export class Linear extends WeightedLayer {
  constructor(inFeatures: number, outFeatures: number, options: LayerOptions = {}) {
    requireSizes(new.target.name, { inFeatures, outFeatures });
    super([outFeatures, inFeatures], options);
  }

  /** [..., inFeatures] to [..., outFeatures] */
  forward(x: Tensor): Tensor {
    requireFeatures(this.constructor.name, x, this.weight, this.weight.shape[1]);
    return linear(x, this.weight, this.bias);
  }

  /**
   * The result of `forward`, split along the last axis into parts of these sizes. Each part is a
   * matrix product, which is contiguous: cheaper than to split the result afterwards. Throws
   * unless the sizes add up to outFeatures.
   */
  forwardInParts(x: Tensor, sizes: readonly number[]): Tensor[] {
    requireFeatures(this.constructor.name, x, this.weight, this.weight.shape[1]);
    // The parts of a single row are contiguous anyway.
    if (x.numel === x.shape[x.ndim - 1]) return this.forward(x).split(sizes, -1);
    const biases = this.bias?.split(sizes);
    return this.weight.split(sizes).map((weight, i) => linear(x, weight, biases?.[i]));
  }
}

/** Options of `Embedding`, besides its sizes. */
export interface EmbeddingOptions {
  /** The standard deviation of the initial values, from 0. Default 1. */
  readonly std?: number | undefined;
  /** The source of random initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

const embeddingOptions = {
  std: number({ from: 0 }).orElse(1),
  generator: layerOptions.generator,
} satisfies Table<EmbeddingOptions>;

/** A learned vector for each of a set of tokens, with normally distributed initial values. */
export class Embedding extends Module {
  /** [count, features] */
  readonly weight: Parameter;

  constructor(count: number, features: number, options: EmbeddingOptions = {}) {
    const op = new.target.name;
    requireSizes(op, { count, features });
    const { std, generator } = readOptions(op, options, embeddingOptions);
    super();
    this.weight = new Parameter(normal([count, features], 0, std, { generator }));
  }

  /** Tokens i32 [...] to vectors [..., features]. Throws if a token is out of range. */
  forward(tokens: Tensor): Tensor {
    return this.weight.indexSelect(0, tokens, { caller: 'Embedding' });
  }
}
