/**
 * Dropout: in training each number is set to 0 with probability p, and the others are scaled so
 * that the expected value stays the same. In `eval` nothing changes.
 *
 *     y = x · m / (1 − p),  m = 1 with probability 1 − p, else 0
 *
 * Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).
 */
import { Generator, type Tensor, uniform } from '@mambagrad/tensor';
import {
  checkArgument, instanceOf, number, readOptions, type Table, tensors,
} from '@mambagrad/tensor/options';
import { Module } from '../modules/module.ts';

/** Options of `Dropout`, besides its probability. */
export interface DropoutOptions {
  /** The source of random numbers. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

const dropoutOptions = {
  generator: instanceOf(Generator).optional(),
} satisfies Table<DropoutOptions>;

/** Dropout as a layer. In `eval`, or with p = 0, it returns its input. */
export class Dropout extends Module {
  /** The probability that a number is dropped. */
  readonly p: number;
  /** The source of random numbers; the default generator, if undefined. */
  readonly generator: Generator | undefined;

  /** `p` is a number from 0 to 1. */
  constructor(p = 0.5, options: DropoutOptions = {}) {
    super();
    checkArgument('Dropout', 'p', p, number({ from: 0, to: 1 }));
    const { generator } = readOptions('Dropout', options, dropoutOptions);
    this.p = p;
    this.generator = generator;
  }

  /** Any shape to the same shape. */
  forward(x: Tensor): Tensor {
    checkArgument('Dropout', 'x', x, tensors);
    if (this.p === 0 || !this.training) return x;
    const isDropped = uniform(x.shape, 0, 1, { generator: this.generator }).less(this.p);
    // With p = 1 everything is dropped, and the scale only needs to be finite.
    return isDropped.where(0, x.div(this.p < 1 ? 1 - this.p : 1));
  }
}
