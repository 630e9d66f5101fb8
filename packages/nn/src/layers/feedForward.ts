/**
 * The gated feed-forward layer: one projection, after an activation, is multiplied elementwise with
 * another, as a gate that scales each number.
 *
 *     y = W_down (silu(W_gate x) ⊙ W_up x)
 *
 * Shazeer, "GLU variants improve Transformer" (2020), equation 6: SwiGLU.
 */
import type { Tensor } from '@mambagrad/tensor';
import { boolean, readOptions, type Table } from '@mambagrad/tensor/options';
import { Module } from '../modules/module.ts';
import { type LayerOptions, layerOptions, Linear, requireSizes } from './linear.ts';

const feedForwardOptions = {
  ...layerOptions,
  bias: boolean.orElse(false),
} satisfies Table<LayerOptions>;

/**
 * The layer above. `hiddenFeatures` is by default 8/3 · features, which makes as many weights as
 * the usual two layers with 4 · features between them.
 */
export class GatedFeedForward extends Module {
  /** [hiddenFeatures, features]; its result goes through silu and multiplies that of `upProj`. */
  readonly gateProj: Linear;
  /** [hiddenFeatures, features] */
  readonly upProj: Linear;
  /** [features, hiddenFeatures], back to the width of the input */
  readonly downProj: Linear;

  /** Without biases, unless `bias` is true. */
  constructor(features: number, hiddenFeatures?: number, options: LayerOptions = {}) {
    super();
    requireSizes(new.target.name, { features });
    const hidden = hiddenFeatures === undefined ? Math.ceil((8 / 3) * features) : hiddenFeatures;
    requireSizes(new.target.name, { hiddenFeatures: hidden });
    const given = readOptions(new.target.name, options, feedForwardOptions);
    this.gateProj = new Linear(features, hidden, given);
    this.upProj = new Linear(features, hidden, given);
    this.downProj = new Linear(hidden, features, given);
  }

  /** [..., features] to the same shape */
  forward(x: Tensor): Tensor {
    const gate = this.gateProj.forward(x).silu();
    return this.downProj.forward(gate.mul(this.upProj.forward(x)));
  }
}
