/**
 * Checkpoints of a training run: one at regular intervals, and one at its end. No step is saved
 * twice.
 */
import type { TrainingState } from './trainingState.ts';
import type { CheckpointStore } from './trainerOptions.ts';

type Savable = Pick<TrainingState<unknown>, 'step' | 'save'>;

/** Saves the state of a run to a store; without a store it saves nothing. */
export class Checkpointer {
  readonly #state: Savable;
  readonly #store: CheckpointStore | undefined;
  readonly #every: number;
  /** The step that was saved last, or at which `fit` began. */
  #savedStep: number;

  /** Saves after steps that are multiples of `every`. */
  constructor(state: Savable, store: CheckpointStore | undefined, every: number) {
    this.#state = state;
    this.#store = store;
    this.#every = every;
    this.#savedStep = state.step;
  }

  /** Saves the state if a checkpoint is due. */
  async saveIfDue(): Promise<void> {
    if (this.#state.step % this.#every === 0) await this.save();
  }

  /** Saves the state, unless it is saved already. */
  async save(): Promise<void> {
    const { step } = this.#state;
    if (step === this.#savedStep) return;
    await this.#store?.save(step, this.#state.save());
    this.#savedStep = step;
  }
}
