/**
 * Which parameters are frozen, as part of a checkpoint. A program may freeze at first and unfreeze
 * at some step; one that resumes after that step has to train what was trained then, as the next
 * step depends on it. A checkpoint holds the flags only of runs that freeze, and one without them,
 * such as one of an early version, leaves parameters as they are.
 */
import { describe, type Tensor, tensor } from '@mambagrad/tensor';
import type { Module } from '../modules/module.ts';

/** The name of the flags among the tensors of a trainer. */
export const FROZEN = 'trainer.frozen';

/** The flags of a model's parameters during one run. */
export class FrozenFlags {
  readonly #model: Module;
  /** Whether any parameter was frozen when the run began, or at a checkpoint since. */
  #isUsed = false;

  constructor(model: Module) {
    this.#model = model;
    this.#note();
  }

  /** The flags for a checkpoint, i32 [parameters], 1 for frozen; undefined if nothing ever was. */
  encode(): Tensor | undefined {
    if (!this.#note()) return undefined;
    const flags = this.#model.parameters().map(({ requiresGrad }) => Number(!requiresGrad));
    return tensor(flags, { dtype: 'i32' });
  }

  /** The lines of an error for flags that are not of this model. */
  problems(encoded: Tensor | undefined): string[] {
    const expected = `i32[${this.#model.parameters().length}]`;
    if (encoded === undefined || describe(encoded) === expected) return [];
    return [`${FROZEN} is ${describe(encoded)}, expected ${expected}`];
  }

  /** Freezes and unfreezes parameters as flags say that have no problems. */
  apply(encoded: Tensor | undefined): void {
    if (encoded === undefined) return;
    this.#isUsed = true;
    this.#model.parameters().forEach((x, i) => (x.requiresGrad = encoded.data[i] === 0));
  }

  #note(): boolean {
    this.#isUsed ||= this.#model.parameters().some(({ requiresGrad }) => !requiresGrad);
    return this.#isUsed;
  }
}
