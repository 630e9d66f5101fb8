/**
 * How many steps each parameter has taken, which corrects the bias of moments that start at 0. One
 * number does for all parameters until one of them misses a step, because it is frozen or has no
 * gradient. From then on the steps that each has missed are state too.
 */
import { type DType, guard, type Tensor, tensor, zeros, zerosLike } from '@mambagrad/tensor';
import type { StateDict } from '../modules/state.ts';

/** The steps of an optimizer and, once they differ, of each of its parameters. */
export class StepCounts {
  /** The number of steps of the optimizer, 0-d. */
  readonly #steps: Tensor;
  /** The number of steps that each parameter has missed, [parameters]. */
  readonly #missed: Tensor;
  #hasMissed = false;

  /** No steps so far, of this many parameters. */
  constructor(parameters: number, dtype: DType) {
    this.#steps = zeros([], { dtype });
    this.#missed = zeros([parameters], { dtype });
  }

  /**
   * Counts a step that updates some parameters, and gives how many steps they have taken with it:
   * 0-d if all have taken equally many, else [parameters].
   */
  count(isUpdated: readonly boolean[]): Tensor {
    const steps = this.#steps.assign(this.#steps.add(1));
    if (isUpdated.includes(false)) this.#hasMissed = true;
    if (!guard(() => this.#hasMissed)) return steps;
    const missed = tensor(isUpdated.map((is) => Number(!is)), { dtype: steps.dtype });
    return steps.sub(this.#missed.assign(this.#missed.add(missed)));
  }

  /** The tensors that a step changes, also while `missed` has no name yet. */
  get tensors(): Tensor[] {
    return [this.#steps, this.#missed];
  }

  /** The counts by name, not copied. */
  namedState(): [string, Tensor][] {
    const missed: [string, Tensor][] = this.#hasMissed ? [['missed', this.#missed]] : [];
    return [['steps', this.#steps], ...missed];
  }

  /**
   * Makes these counts and saved ones have the same names, of which `missed` may be absent from
   * either. Gives the saved values, with zeros for `missed` if they lack it.
   */
  matchState(values: StateDict, prefix: string): StateDict {
    const name = `${prefix}missed`;
    if (values.has(name)) this.#hasMissed = true;
    else if (this.#hasMissed) return new Map(values).set(name, zerosLike(this.#missed));
    return values;
  }
}
