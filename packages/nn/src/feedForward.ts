/**
 * The gated feed-forward layer: one projection, through an activation, decides how much of
 * another passes, number by number.
 *
 *     y = W_down (silu(W_gate x) ⊙ W_up x)
 *
 * Shazeer, "GLU variants improve Transformer" (2020), equation 6: SwiGLU.
 */
import type { Tensor } from '@mambagrad/tensor';
import { type LayerOptions, Linear } from './linear.ts';
import { Module } from './module.ts';

/** `hiddenFeatures` default to 8/3 · features: as many weights as two layers of 4 · features. */
export class GatedFeedForward extends Module {
  readonly gateProj: Linear;
  readonly upProj: Linear;
  readonly downProj: Linear;

  /** Without biases, unless `bias` is true. */
  constructor(
    features: number,
    hiddenFeatures: number = Math.ceil((8 / 3) * features),
    options: LayerOptions = {},
  ) {
    super();
    const layerOptions = { bias: false, ...options };
    this.gateProj = new Linear(features, hiddenFeatures, layerOptions);
    this.upProj = new Linear(features, hiddenFeatures, layerOptions);
    this.downProj = new Linear(hiddenFeatures, features, layerOptions);
  }

  /** [..., features] to the same shape */
  forward(x: Tensor): Tensor {
    const gate = this.gateProj.forward(x).silu();
    return this.downProj.forward(gate.mul(this.upProj.forward(x)));
  }
}
