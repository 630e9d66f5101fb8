/**
 * The two layers that hold a matrix: Linear multiplies by it, Embedding looks up its rows.
 */
import { type Generator, normal, type Shape, type Tensor, uniform } from '@mambagrad/tensor';
import { fanInOf, initialize, type Initializer } from './init.ts';
import { Module, Parameter } from './module.ts';

export interface LayerOptions {
  /** Whether to add a learned bias. Default true. */
  readonly bias?: boolean;
  /** How the weight starts. Default uniform within ±1/√fanIn, as the bias does. */
  readonly init?: Initializer;
  /** The source of the initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/** A layer with a weight and a bias, which start as PyTorch's do: uniform within ±1/√fanIn. */
export abstract class WeightedLayer extends Module {
  /** [out, in, ...kernel]; fanIn is in · kernel */
  readonly weight: Parameter;
  /** [out], if there is one */
  readonly bias: Parameter | undefined;

  constructor(shape: Shape, { bias = true, init, generator }: LayerOptions) {
    super();
    const bound = 1 / Math.sqrt(Math.max(1, fanInOf(shape)));
    const draw = (size: Shape): Tensor => uniform(size, -bound, bound, { generator });
    this.weight = new Parameter(init ? initialize(shape, init, { generator }) : draw(shape));
    this.bias = bias ? new Parameter(draw([shape[0]])) : undefined;
  }
}

/** y = x·Wᵀ + b over the last axis: x [..., in], weight [out, in], bias [out] give [..., out]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const product = x.matmul(weight.transpose(0, 1));
  return bias ? product.add(bias) : product;
}

/** An affine map of the last axis, with a weight [outFeatures, inFeatures]. */
export class Linear extends WeightedLayer {
  constructor(inFeatures: number, outFeatures: number, options: LayerOptions = {}) {
    super([outFeatures, inFeatures], options);
  }

  /** [..., inFeatures] to [..., outFeatures] */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }

  /**
   * What `forward` gives, in parts of these sizes. Each is a product by itself, and lies in one
   * piece: cheaper than to cut it afterwards. Throws unless the sizes add up to outFeatures.
   */
  forwardInParts(x: Tensor, sizes: readonly number[]): Tensor[] {
    // The parts of a single row lie in one piece anyway.
    if (x.numel === x.shape[x.ndim - 1]) return this.forward(x).split(sizes, -1);
    const biases = this.bias?.split(sizes);
    return this.weight.split(sizes).map((weight, i) => linear(x, weight, biases?.[i]));
  }
}

/** A vector for each of a set of tokens. Starts normal, with the given standard deviation (1). */
export class Embedding extends Module {
  /** [count, features] */
  readonly weight: Parameter;

  constructor(
    count: number,
    features: number,
    { std = 1, generator }: { std?: number; generator?: Generator | undefined } = {},
  ) {
    super();
    this.weight = new Parameter(normal([count, features], 0, std, { generator }));
  }

  /** Tokens i32 [...] to vectors [..., features]. Throws if a token is out of range. */
  forward(tokens: Tensor): Tensor {
    return this.weight.indexSelect(0, tokens, { caller: 'Embedding' });
  }
}
