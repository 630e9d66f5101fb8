/**
 * Dropout: while training, each number is zeroed with a given probability and the others make up
 * for it, so that no feature can rely on a single other. Srivastava et al. (2014).
 */
import { Module } from '@mambagrad/nn';
import { type Tensor, uniform } from '@mambagrad/tensor';

/** y = x ⊙ m / (1 − p), m being 0 with probability p; the identity once `training` is false. */
export class Dropout extends Module {
  readonly probability: number;
  training = true;

  constructor(probability: number) {
    super();
    this.probability = probability;
  }

  forward(x: Tensor): Tensor {
    if (!this.training || this.probability === 0) return x;
    const kept = uniform(x.shape).greaterEqual(this.probability);
    return kept.where(x.div(1 - this.probability), 0);
  }
}
