/**
 * Dropout: in training each number is dropped with probability p, and those that stay are scaled so
 * that the expected value stays; in use nothing happens.
 *
 *     y = x · m / (1 − p),  m = 1 with probability 1 − p, else 0
 *
 * Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).
 */
import { type Generator, type Tensor, TensorError, uniform } from '@mambagrad/tensor';
import { Module } from './module.ts';

export class Dropout extends Module {
  /** The probability with which a number is dropped. */
  readonly p: number;
  /** Where it draws from; the default generator, if undefined. */
  readonly generator: Generator | undefined;

  /** Draws from `generator`, by default the one that `manualSeed` seeds. */
  constructor(p = 0.5, { generator }: { generator?: Generator | undefined } = {}) {
    super();
    if (!(p >= 0 && p <= 1)) throw new TensorError(`Dropout: p is ${p}, expected one from 0 to 1`);
    this.p = p;
    this.generator = generator;
  }

  /** Any shape to the same shape. */
  forward(x: Tensor): Tensor {
    if (this.p === 0 || !this.training) return x;
    const isDropped = uniform(x.shape, 0, 1, { generator: this.generator }).less(this.p);
    // With p = 1 all is dropped and the scale does not matter, as long as it is finite.
    return isDropped.where(0, x.div(this.p < 1 ? 1 - this.p : 1));
  }
}
