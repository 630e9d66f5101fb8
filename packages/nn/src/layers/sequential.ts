/**
 * A chain of layers, each applied to the result of the one before: y = fₙ(… f₂(f₁(x))).
 */
import type { Tensor } from '@mambagrad/tensor';
import { checkArgument, Kind } from '@mambagrad/tensor/options';
import { Module } from '../modules/module.ts';

/** A module that maps a tensor to a tensor, or a function that does, such as an activation. */
export type Layer = (Module & { forward(x: Tensor): Tensor }) | ((x: Tensor) => Tensor);

const layers = new Kind<Layer>(
  'a function or a module with a method forward',
  (x) => typeof x === 'function' || (x instanceof Module && 'forward' in x),
);

/**
 * `new Sequential(new Linear(8, 32), relu, new Linear(32, 2))`. Names of parameters begin with the
 * position of the layer, as in `2.weight`.
 */
export class Sequential extends Module {
  readonly [position: number]: Layer;
  readonly #count: number;

  constructor(...given: Layer[]) {
    super();
    given.forEach((layer, i) => checkArgument('Sequential', `layer ${i}`, layer, layers));
    this.#count = given.length;
    Object.assign(this, given);
  }

  /** Applies the layers in order. Without layers it returns x. */
  forward(x: Tensor): Tensor {
    // Read from the fields: if one was replaced, the new layer is the one that is trained.
    return Array.from({ length: this.#count }, (_, i) => this[i]).reduce(
      (y, layer) => (typeof layer === 'function' ? layer(y) : layer.forward(y)),
      x,
    );
  }
}
