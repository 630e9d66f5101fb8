/**
 * Checkpoints of a training run: one at regular intervals, and one at its end. No step is saved
 * twice. Steps may be slow, so the first checkpoint does not wait for the interval to pass: it is
 * written within a minute. Whoever looks at the folder then sees that it works.
 */
import type { TrainingState } from './trainingState.ts';
import type { TrainerSettings } from './trainerOptions.ts';

type Savable = Pick<TrainingState<unknown>, 'step' | 'save'>;
type Options = Pick<TrainerSettings<unknown>, 'checkpoints' | 'checkpointEvery' | 'now'>;

/** The first checkpoint is written before this many milliseconds have passed. */
const FIRST_WITHIN = 60_000;

/** Saves the state of a run to a store; without a store it saves nothing. */
export class Checkpointer {
  readonly #state: Savable;
  readonly #options: Options;
  readonly #startedAt: number;
  #lastStepAt: number;
  #hasSaved = false;
  /** The step that was saved last, or at which `fit` began. */
  #savedStep: number;

  /** The first minute begins now. */
  constructor(state: Savable, options: Options) {
    this.#state = state;
    this.#options = options;
    this.#startedAt = options.now();
    this.#lastStepAt = this.#startedAt;
    this.#savedStep = state.step;
  }

  /** Saves the state if a checkpoint is due. Called after each step. */
  async saveIfDue(): Promise<void> {
    const time = this.#options.now();
    const stepTime = time - this.#lastStepAt;
    this.#lastStepAt = time;
    // If the next step takes as long as this one, it ends after the minute.
    const isLastChance = time + stepTime - this.#startedAt >= FIRST_WITHIN;
    const isDue = this.#state.step % this.#options.checkpointEvery === 0;
    if (isDue || (isLastChance && !this.#hasSaved)) await this.save();
  }

  /** Saves the state, unless it is saved already. */
  async save(): Promise<void> {
    const { step } = this.#state;
    if (step === this.#savedStep) return;
    await this.#options.checkpoints?.save(step, this.#state.save());
    this.#savedStep = step;
    this.#hasSaved = true;
  }
}
