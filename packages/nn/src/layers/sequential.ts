/**
 * Layers one after the other: y = fₙ(… f₂(f₁(x))).
 */
import type { Tensor } from '@mambagrad/tensor';
import { checkArgument, Kind } from '@mambagrad/tensor/options';
import { Module } from '../modules/module.ts';

/** A module from tensor to tensor, or a function, such as an activation. */
export type Layer = (Module & { forward(x: Tensor): Tensor }) | ((x: Tensor) => Tensor);

const layers = new Kind<Layer>(
  'a function or a module with a method forward',
  (x) => typeof x === 'function' || (x instanceof Module && 'forward' in x),
);

/**
 * `new Sequential(new Linear(8, 32), relu, new Linear(32, 2))`. Its parameters are named by the
 * layers' places, as in `2.weight`.
 */
export class Sequential extends Module {
  readonly [place: number]: Layer;
  readonly #count: number;

  constructor(...given: Layer[]) {
    super();
    given.forEach((layer, i) => checkArgument('Sequential', `layer ${i}`, layer, layers));
    this.#count = given.length;
    Object.assign(this, given);
  }

  /** Hands x to the first layer, its result to the next, and so on; without layers, x itself. */
  forward(x: Tensor): Tensor {
    // From the fields, which are what is trained, even if one was replaced.
    return Array.from({ length: this.#count }, (_, i) => this[i]).reduce(
      (y, layer) => (typeof layer === 'function' ? layer(y) : layer.forward(y)),
      x,
    );
  }
}
