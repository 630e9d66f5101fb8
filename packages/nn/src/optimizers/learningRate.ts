/**
 * The learning rate of an optimizer. It is a tensor, so that a compiled step reads its current
 * value and a checkpoint keeps it. A schedule scales the base rate, which it does not change.
 */
import { type DType, full, type Tensor } from '@mambagrad/tensor';
import { checkArgument } from '@mambagrad/tensor/options';
import { rates } from './optimizerOptions.ts';

/** A learning rate that can be set, or scaled by the factors of a schedule. */
export class LearningRate {
  /** The rate of the next step, 0-d. */
  readonly tensor: Tensor;
  readonly #op: string;
  #base: number;
  /** The rate that a schedule has set last, if any has. */
  #scheduled: number | undefined;

  /** Errors are in the name of `op`. */
  constructor(op: string, base: number, dtype: DType) {
    this.#op = op;
    this.#base = base;
    this.tensor = full([], base, { dtype });
  }

  /** The rate as a number; to set it sets the base rate too. */
  get value(): number {
    return this.tensor.item();
  }

  set value(value: number) {
    this.#assign(value);
    this.#base = value;
  }

  /** The rate that the factors of a schedule scale. */
  get base(): number {
    return this.#base;
  }

  /** Sets the rate to the base rate times a factor. */
  schedule(factor: number): void {
    this.#assign(this.#base * factor);
    this.#scheduled = this.value;
  }

  /** Sets the rate back to the base rate, if a schedule was the last to set it. */
  reset(): void {
    if (this.value === this.#scheduled) this.value = this.#base;
  }

  #assign(value: number): void {
    checkArgument(this.#op, 'lr', value, rates);
    this.tensor.assign(full([], value, { dtype: this.tensor.dtype }));
  }
}
