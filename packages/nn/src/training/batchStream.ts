/**
 * The batches of a training run, one epoch after the other. The last batch of an epoch looks like
 * any other, so the end of the epoch shows only if one asks for another batch, and gets none. A
 * `DataLoader` can tell without making that batch. Of other data the stream tries to draw one, and
 * goes back, as a run does that is resumed: it draws the batch again when it is needed.
 */
import { type Tensor, TensorError } from '@mambagrad/tensor';
import { rememberState } from '../modules/state.ts';
import type { Batches } from './batches.ts';

/** Draws batches from a loader, or from a function, which has no epochs. */
export class BatchStream<Batch> {
  readonly #data: Batches<Batch> | (() => Batch);
  readonly #generatorStates: () => readonly Tensor[];
  /** The loop through the current epoch; undefined before its first batch. */
  #epoch: Iterator<Batch> | undefined;

  /** `generatorStates` gives the counters that drawing a batch may move. */
  constructor(data: Batches<Batch> | (() => Batch), generatorStates: () => readonly Tensor[]) {
    this.#data = data;
    this.#generatorStates = generatorStates;
  }

  /** The next batch: the first one of the next epoch if none of this one is left. */
  next(): Batch {
    if (typeof this.#data === 'function') return this.#data();
    // The rest of an epoch that was begun may be empty, but not the whole epoch after it.
    for (let ended = 0; ended < 2; ended++) {
      this.#epoch ??= this.#data[Symbol.iterator]();
      const found = this.#epoch.next();
      if (!found.done) return found.value;
      this.#epoch = undefined;
    }
    throw new TensorError('the data has no batch');
  }

  /**
   * If no batch of the current epoch is left, goes to the start of the next one. Returns whether it
   * did; at the start of an epoch, and for data without epochs, it does not.
   */
  endEpoch(): boolean {
    const data = this.#data;
    if (typeof data === 'function' || data.state().index === 0) return false;
    if (data.isEpochOver?.() === false) return false;
    const [position, putBack] = [data.state(), rememberState(this.#generatorStates())];
    let isOver: boolean | undefined = false;
    try {
      this.#epoch ??= data[Symbol.iterator]();
      isOver = this.#epoch.next().done;
    } catch {
      // The step that draws this batch will throw the error.
    }
    this.restart();
    if (isOver) return true;
    data.load(position);
    putBack();
    return false;
  }

  /** Ends the current loop, so that it can clean up: the data has another position now. */
  restart(): void {
    const epoch = this.#epoch;
    this.#epoch = undefined;
    epoch?.return?.();
  }
}
