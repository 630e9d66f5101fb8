/**
 * Normalisation over the last axis: the features of each position are scaled to a root mean square
 * of 1, so that they neither explode nor vanish in a deep model.
 */
import { ones, type Tensor, zeros } from '@mambagrad/tensor';
import {
  checkArgument, number, readOptions, type Table, tensors,
} from '@mambagrad/tensor/options';
import { Module, Parameter } from '../modules/module.ts';
import { requireFeatures, requireSizes } from './linear.ts';

/** Options of `RMSNorm` and `LayerNorm`, besides the number of features. */
export interface NormLayerOptions {
  /** ε, which keeps the division finite; from 0. Default 1e-5. */
  readonly eps?: number | undefined;
}

const epsilons = number({ from: 0 });

const normOptions = { eps: epsilons.orElse(1e-5) } satisfies Table<NormLayerOptions>;

/**
 * x / √(mean(x²) + ε) · weight. Zhang and Sennrich, "Root mean square layer normalization" (2019).
 */
export function rmsNorm(x: Tensor, weight: Tensor, eps = 1e-5): Tensor {
  checkArgument('rmsNorm', 'x', x, tensors);
  checkArgument('rmsNorm', 'weight', weight, tensors);
  checkArgument('rmsNorm', 'eps', eps, epsilons);
  const scale = x.square().mean(-1, true).add(eps).rsqrt();
  return x.mul(scale).mul(weight);
}

/** (x − mean) / √(variance + ε) · weight + bias. Ba et al., "Layer normalization" (2016). */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  checkArgument('layerNorm', 'x', x, tensors);
  checkArgument('layerNorm', 'bias', bias, tensors);
  checkArgument('layerNorm', 'eps', eps, epsilons);
  const centered = x.sub(x.mean(-1, true));
  return rmsNorm(centered, weight, eps).add(bias);
}

/** `rmsNorm` with a learned weight [features] that starts at 1. */
export class RMSNorm extends Module {
  /** [features], 1 at the start; without weight decay */
  readonly weight: Parameter;
  /** ε, added to the mean of the squares. */
  readonly eps: number;

  constructor(features: number, options: NormLayerOptions = {}) {
    requireSizes(new.target.name, { features });
    const { eps } = readOptions(new.target.name, options, normOptions);
    super();
    this.weight = new Parameter(ones([features]), { noWeightDecay: true });
    this.eps = eps;
  }

  /** [..., features] to the same shape */
  forward(x: Tensor): Tensor {
    requireFeatures(this.constructor.name, x, this.weight, this.weight.numel);
    return rmsNorm(x, this.weight, this.eps);
  }
}

/** `layerNorm` with a learned weight and bias [features] that start at 1 and 0. */
export class LayerNorm extends RMSNorm {
  /** [features], 0 at the start; without weight decay */
  readonly bias: Parameter;

  constructor(features: number, options: NormLayerOptions = {}) {
    super(features, options);
    this.bias = new Parameter(zeros([features]), { noWeightDecay: true });
  }

  /** [..., features] to the same shape */
  override forward(x: Tensor): Tensor {
    requireFeatures(this.constructor.name, x, this.weight, this.weight.numel);
    return layerNorm(x, this.weight, this.bias, this.eps);
  }
}
