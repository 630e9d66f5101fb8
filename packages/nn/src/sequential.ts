/**
 * Layers one after the other: y = fₙ(… f₂(f₁(x))).
 */
import type { Tensor } from '@mambagrad/tensor';
import { Module } from './module.ts';

/** A module from tensor to tensor, or a function, such as an activation. */
export type Layer = (Module & { forward(x: Tensor): Tensor }) | ((x: Tensor) => Tensor);

/**
 * `new Sequential(new Linear(8, 32), relu, new Linear(32, 2))`. Its parameters are named by the
 * layers' places, as in `2.weight`.
 */
export class Sequential extends Module {
  readonly [place: number]: Layer;
  readonly #layers: readonly Layer[];

  constructor(...layers: Layer[]) {
    super();
    this.#layers = layers;
    Object.assign(this, layers);
  }

  forward(x: Tensor): Tensor {
    return this.#layers.reduce(
      (y, layer) => (typeof layer === 'function' ? layer(y) : layer.forward(y)),
      x,
    );
  }
}
