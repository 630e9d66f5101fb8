/**
 * The two layers that hold a matrix: Linear multiplies by it, Embedding looks up its rows.
 */
import { type Generator, normal, type Tensor, uniform } from '@mambagrad/tensor';
import { Module, Parameter } from './module.ts';

export interface LayerOptions {
  /** Whether to add a learned bias. Default true. */
  readonly bias?: boolean;
  /** The source of the initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/** y = x·Wᵀ + b over the last axis: x [..., in], weight [out, in], bias [out] give [..., out]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const product = x.matmul(weight.transpose(0, 1));
  return bias ? product.add(bias) : product;
}

/**
 * An affine map of the last axis. Starts as PyTorch's does: weight and bias uniform within
 * ±1/√inFeatures.
 */
export class Linear extends Module {
  /** [outFeatures, inFeatures] */
  readonly weight: Parameter;
  /** [outFeatures], if there is one */
  readonly bias: Parameter | undefined;

  constructor(inFeatures: number, outFeatures: number, options: LayerOptions = {}) {
    super();
    const bound = 1 / Math.sqrt(inFeatures);
    const { bias = true, generator } = options;
    const draw = (shape: number[]) => new Parameter(uniform(shape, -bound, bound, { generator }));
    this.weight = draw([outFeatures, inFeatures]);
    this.bias = bias ? draw([outFeatures]) : undefined;
  }

  /** [..., inFeatures] to [..., outFeatures] */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
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
    return this.weight.indexSelect(0, tokens);
  }
}
