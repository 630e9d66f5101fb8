/**
 * The reports of a training run: a line of JSON for each step in the log, and the line of progress
 * on a terminal.
 */
import { now } from '@mambagrad/tensor/host';
import { Progress } from './progress.ts';
import type { Host, Log, StepRecord } from './trainerOptions.ts';

/** Reports the steps of one call of `fit`. */
export class Reporter {
  readonly #log: Log | undefined;
  readonly #progress: Progress | undefined;
  readonly #startedAt = now();
  /** The loss of the last validation, as it is shown until the next. */
  #validation: { readonly validation?: string } = {};

  /** `total` is the number of steps at which `fit` ends. */
  constructor(total: number, host: Host | undefined, log: Log | undefined) {
    this.#progress = host && new Progress({ total, output: host.stdout });
    this.#log = log;
  }

  /** Logs and shows a step. */
  report(record: StepRecord): void {
    const { step, metrics, validation } = record;
    const seconds = (now() - this.#startedAt) / 1000;
    this.#log?.write(`${JSON.stringify({ ...record, seconds })}\n`);
    if (validation) this.#validation = { validation: validation.loss.toPrecision(3) };
    this.#progress?.update(step, { ...metrics, ...this.#validation });
  }

  /** Leaves the line of progress as it is, and starts a new one. */
  end(): void {
    this.#progress?.end();
  }
}
