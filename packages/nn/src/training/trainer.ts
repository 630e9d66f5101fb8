/**
 * The training loop. It repeats one step: draw batches, compute gradients, update the parameters,
 * and now and then evaluate the model, save a checkpoint and report. Each of these parts has its
 * file: steps.ts, evaluation.ts, checkpointer.ts, reporter.ts.
 *
 * A step happens as a whole or not at all. The state (trainingState.ts) is copied before it and
 * restored if anything fails. If the loss or the gradient is not finite, the step is also repeated
 * in anomaly mode, which finds the op that is to blame.
 */
import { detectAnomaly, TensorError } from '@mambagrad/tensor';
import { messageOf, yieldEvery } from '@mambagrad/tensor/host';
import { checkArgument, number, oneOf, whole } from '@mambagrad/tensor/options';
import type { StateDict } from '../modules/state.ts';
import { Checkpointer } from './checkpointer.ts';
import { afterEvaluation } from './earlyStopping.ts';
import { evaluate } from './evaluation.ts';
import { createSampleCounter, type Losses, meanLosses } from './metrics.ts';
import { Reporter } from './reporter.ts';
import { createSteps, type Steps } from './steps.ts';
import {
  type Batches, batches as batchesKind, readTrainerOptions, type StepRecord, type TrainerOptions,
  type TrainerSettings,
} from './trainerOptions.ts';
import { TrainingState } from './trainingState.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** After this many milliseconds of steps the event loop has its turn, and signals are heard. */
const WORK_TIME = 50;

/** Why `fit` has ended. */
type End = 'done' | 'patience' | 'stopped';

/** Trains a model. Its modules keep the modes that they are in: new ones are in training. */
export class Trainer<Batch> {
  readonly #options: TrainerSettings<Batch>;
  readonly #state: TrainingState<Batch>;
  readonly #steps: Steps<Batch>;
  readonly #countSamples = createSampleCounter();
  #isStopped = false;
  #isRunning = false;

  /** Throws if an option is missing, unknown, or out of its range. */
  constructor(options: TrainerOptions<Batch>) {
    this.#options = readTrainerOptions(options);
    this.#state = new TrainingState(this.#options);
    this.#steps = createSteps(this.#options, this.#countSamples);
    this.#options.optimizer.resetLr();
  }

  /** The number of steps taken so far. */
  get step(): number {
    return this.#state.step;
  }

  /**
   * Trains until `steps` steps have been taken in all, counting those of earlier calls, or, with
   * Infinity, until patience runs out or `stop` is called. Resolves with the reason for the end.
   * Throws if the loss or the gradient of a step is not finite, naming step and op, with the step
   * undone; if there are checkpoints of an earlier run and `resume` is not set; and if `fit` is
   * running already.
   */
  async fit(steps: number): Promise<'done' | 'patience' | 'stopped'> {
    checkArgument('fit', 'steps', steps, whole().or(oneOf(Infinity)));
    if (this.#isRunning) throw new TensorError('fit: it is running already; await it first');
    this.#isRunning = true;
    const { host } = this.#options;
    try {
      if (this.step === 0) await this.#resume();
      for (const signal of SIGNALS) host?.once(signal, this.stop);
      return await this.#run(steps);
    } finally {
      for (const signal of SIGNALS) host?.off(signal, this.stop);
      this.#isStopped = false;
      this.#isRunning = false;
    }
  }

  /** Ends `fit` after the current step. */
  readonly stop = (): void => {
    this.#isStopped = true;
  };

  /**
   * The losses of all batches, averaged, each weighted by its samples or its count (see `loss`),
   * with all modules in `eval` and without gradients. A loader runs through a whole epoch. Its
   * position, buffers and generators are put back afterwards.
   */
  evaluate(data: Batches<Batch> | readonly Batch[]): Losses<number> {
    checkArgument('evaluate', 'data', data, batchesKind);
    return evaluate(data, {
      model: this.#options.model,
      evalStep: this.#steps.evalStep,
      countSamples: this.#countSamples,
      generatorStates: this.#state.generatorStates(),
    });
  }

  /**
   * Everything that the next step depends on, as copies by name; the names of the model's tensors
   * begin with `model.`.
   */
  stateDict(): StateDict {
    return this.#state.save();
  }

  /**
   * Continues from the state of a trainer like this one. Throws as a module's does, and if the
   * other trainer had another kind of optimizer, or other data.
   */
  loadStateDict(values: StateDict): void {
    this.#state.load(values);
  }

  /** Continues from the latest checkpoint, if there is one. */
  async #resume(): Promise<void> {
    const { checkpoints, resume } = this.#options;
    const found = await checkpoints?.load();
    if (found === undefined) return;
    if (!resume) {
      throw new TensorError('fit: found checkpoints of an earlier run; set resume to continue it');
    }
    this.loadStateDict(found);
  }

  async #run(steps: number): Promise<End> {
    const { checkpoints, checkpointEvery } = this.#options;
    const checkpointer = new Checkpointer(this.#state, checkpoints, checkpointEvery);
    try {
      await this.#loop(steps, checkpointer);
    } catch (error) {
      await checkpointer.save().catch((another: unknown) => {
        throw bothErrors(error, another);
      });
      throw error;
    }
    await checkpointer.save();
    return this.step >= steps ? 'done' : this.#isOutOfPatience() ? 'patience' : 'stopped';
  }

  async #loop(steps: number, checkpointer: Checkpointer): Promise<void> {
    const { host, log, callbacks } = this.#options;
    const reporter = new Reporter(steps, host, log);
    const pause = yieldEvery(WORK_TIME);
    try {
      while (this.step < steps && !this.#isOutOfPatience() && !this.#isStopped) {
        const record = this.#takeStep();
        reporter.report(record);
        for (const callback of callbacks) await callback(record);
        await checkpointer.saveIfDue();
        await pause();
      }
    } finally {
      reporter.end();
    }
  }

  #isOutOfPatience(): boolean {
    const { patience = Infinity } = this.#options.validation ?? {};
    return this.#state.earlyStopping.evaluationsSinceBest >= patience;
  }

  /** Takes a step, and evaluates if it is time for that; if anything fails, nothing has changed. */
  #takeStep(): StepRecord {
    const state = this.#state;
    const { validation } = this.#options;
    const [before, step] = [state.snapshot(), state.step + 1];
    try {
      const record = { step, ...this.#train(before) };
      state.step = step;
      if (validation === undefined || step % validation.every > 0) return record;
      const losses = this.evaluate(validation.data);
      state.earlyStopping = afterEvaluation(state.earlyStopping, losses.loss);
      return { ...record, validation: losses };
    } catch (cause) {
      state.restore(before);
      throw new TensorError(`fit: step ${step}: ${messageOf(cause)}`, { cause });
    }
  }

  /** Updates the parameters once, from the state `before`, which it needs if that goes wrong. */
  #train(before: StateDict): Omit<StepRecord, 'step' | 'validation'> {
    const { optimizer, accumulate } = this.#options;
    this.#scheduleLr();
    const { lr } = optimizer;
    const batches = this.#state.nextBatches(accumulate);
    const { losses, gradientNorm: norm } = this.#steps.trainStep(batches);
    const { means: metrics } = meanLosses('loss', losses, batches.map(this.#countSamples));
    const gradientNorm = norm.item();
    if (Number.isFinite(metrics.loss + gradientNorm)) return { lr, gradientNorm, metrics };
    this.#state.restore(before);
    detectAnomaly(() => this.#steps.trainStep(batches));
    // Every op can be finite in anomaly mode, which runs line by line and rounds differently.
    throw new TensorError(`the loss is ${metrics.loss}, the gradient ${gradientNorm}`);
  }

  #scheduleLr(): void {
    const { optimizer, schedule } = this.#options;
    if (!schedule) return;
    const factor = schedule(this.step);
    checkArgument(`schedule(${this.step})`, 'the factor', factor, number({ from: 0 }));
    optimizer.scheduleLr(factor);
  }
}

/** Two errors, so that the second does not hide the first. */
function bothErrors(first: unknown, second: unknown): unknown {
  const problem = `${messageOf(first)}; and the last state was not saved: ${messageOf(second)}`;
  return new AggregateError([first, second], problem);
}
