/**
 * The training loop. It repeats one step: draw batches, compute gradients, update the parameters,
 * and now and then evaluate the model, save a checkpoint and report. Each of these parts has its
 * file: steps.ts, evaluation.ts, checkpointer.ts, reporter.ts.
 *
 * A step happens as a whole or not at all. A compiled one writes nothing unless loss and gradient
 * are finite (steps.ts), so no copy of the weights is needed to undo it. If they are not finite,
 * the step is repeated in anomaly mode, which finds the op that is to blame.
 */
import { detectAnomaly, TensorError } from '@mambagrad/tensor';
import { messageOf, warn, yieldEvery } from '@mambagrad/tensor/host';
import { checkArgument } from '@mambagrad/tensor/options';
import type { StateDict } from '../modules/state.ts';
import { type LivePage, openLivePage } from '../report/live.ts';
import { type Batches, batches as batchesKind } from './batches.ts';
import type { BestRecord } from './bestModel.ts';
import { Checkpointer } from './checkpointer.ts';
import { evaluate } from './evaluation.ts';
import { createSampleCounter, meanLosses } from './batchLosses.ts';
import { type FitOptions, readTarget, type Target } from './fitOptions.ts';
import { type Point, Reporter } from './reporter.ts';
import { makeSample } from './samples.ts';
import { scheduleLr, stepsOfRun } from './scheduling.ts';
import { createSteps, type Steps } from './steps.ts';
import {
  type PredictOptions, readTrainerOptions, type StepRecord, type TrainerOptions,
  type TrainerSettings,
} from './trainerOptions.ts';
import { rememberTensors, TrainingState } from './trainingState.ts';
import type { Evaluated, NoScores } from './validationOptions.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** After this many milliseconds of steps the event loop has its turn, and signals are heard. */
const WORK_TIME = 50;

/** Why `fit` has ended. */
type End = 'done' | 'patience' | 'stopped';

/**
 * Trains a model. Its modules keep the modes that they are in: new ones are in training. `Scores`
 * are the results of the metrics of `validation`, by name.
 */
export class Trainer<Batch, Scores = NoScores> {
  readonly #options: TrainerSettings<Batch>;
  readonly #state: TrainingState<Batch>;
  readonly #steps: Steps<Batch>;
  readonly #countSamples = createSampleCounter();
  #isStopped = false;
  /** The step at which `fit` was called, while it is running. */
  #begunAt: number | undefined;

  /** Throws if an option is missing, unknown, or out of its range. */
  constructor(options: TrainerOptions<Batch, Scores>);
  /** The same, where `predict` gives the model's answers, of which `loss` is computed. */
  constructor(options: PredictOptions<Batch, Scores>);
  constructor(options: TrainerOptions<Batch, Scores> | PredictOptions<Batch, Scores>) {
    this.#options = readTrainerOptions(options);
    this.#state = new TrainingState(this.#options);
    this.#steps = createSteps(this.#options, this.#countSamples, () => this.#state.tensors());
    this.#options.optimizer.resetLr();
  }

  /** The number of steps taken so far. */
  get step(): number {
    return this.#state.step;
  }

  /**
   * How many epochs of the data are over, with the part of the current one, as in `StepRecord`;
   * undefined if the data is a function.
   */
  get epoch(): number | undefined {
    return this.#state.epoch;
  }

  /** The best evaluation so far, as `validation.best` judges; undefined before the first. */
  get best(): BestRecord | undefined {
    return this.#state.best.record;
  }

  /**
   * Trains until so many steps have been taken, or so many epochs are over, in all: those of
   * earlier calls, and of the run that was resumed, count. With Infinity it ends when patience runs
   * out or `stop` is called. Resolves with the reason for the end. Throws if the loss or the
   * gradient of a step is not finite, naming step and op, with the step undone; if there are
   * checkpoints of an earlier run and `resume` is not set; if `fit` is running already; and if
   * epochs are given, but the data is a function.
   */
  async fit(end: number | FitOptions): Promise<'done' | 'patience' | 'stopped'> {
    const { host, data } = this.#options;
    const target = readTarget(end, typeof data !== 'function');
    const isRunning = this.#begunAt !== undefined;
    if (isRunning) throw new TensorError('fit: it is running already; await it first');
    this.#begunAt = this.step;
    try {
      this.#state.best.giveLast();
      const resumed = this.step === 0 ? await this.#resume() : undefined;
      for (const signal of SIGNALS) host?.once(signal, this.stop);
      const isLive = typeof end === 'object' && end.live === true;
      const live = isLive ? await this.#openLivePage() : undefined;
      return await this.#run(target, resumed, live).finally(() => live?.close());
    } finally {
      this.#state.best.giveBest();
      for (const signal of SIGNALS) host?.off(signal, this.stop);
      this.#isStopped = false;
      this.#begunAt = undefined;
    }
  }

  /** Ends `fit` after the current step. */
  readonly stop = (): void => {
    this.#isStopped = true;
  };

  /**
   * The losses of all batches, averaged, each weighted by its samples or its count (see `loss`),
   * with all modules in `eval` and without gradients; and the metrics of `validation`, if there are
   * any, of all batches together. With an `average`, the averages of the weights are evaluated. A
   * loader runs through a whole epoch. Its position, buffers and generators are put back
   * afterwards. Warns if `fit` has been called, but not been awaited, and has taken no step.
   */
  evaluate(data: Batches<Batch> | readonly Batch[]): Evaluated<Scores> {
    checkArgument('evaluate', 'data', data, batchesKind);
    if (this.#begunAt === this.step) warn('evaluate: fit has not taken a step yet; await it first');
    return this.#withAverages(() => this.#evaluate(data));
  }

  #evaluate(data: Batches<Batch> | readonly Batch[]): Evaluated<Scores> {
    return evaluate(data, {
      model: this.#options.model,
      evalStep: this.#steps.evalStep,
      metrics: this.#options.validation?.metrics ?? {},
      countSamples: this.#countSamples,
      generatorStates: this.#state.generatorStates(),
    }) as Evaluated<Scores>;
  }

  /**
   * Calls `f` while the model has the averages of its weights, if there are any. It may have them
   * already, and when `fit` has given it its best values, it keeps those.
   */
  #withAverages<Result>(f: () => Result): Result {
    const { average } = this.#options;
    const isToUse = average && !average.isInUse && !this.#state.best.isGiven;
    return isToUse ? average.use(f) : f();
  }

  /**
   * Everything that the next step depends on, as copies by name. The names of the model's tensors
   * begin with `model.`; they are those of the last step, also after `fit` has given the model its
   * best values, which are under `best.`.
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

  /** Continues from the latest checkpoint, if there is one. Returns whether it does. */
  async #resume(): Promise<boolean | undefined> {
    const { checkpoints, resume } = this.#options;
    const found = await checkpoints?.load();
    if (found === undefined) return checkpoints && resume ? false : undefined;
    if (!resume) {
      throw new TensorError('fit: found checkpoints of an earlier run; set resume to continue it');
    }
    this.loadStateDict(found);
    return true;
  }

  /** A page that shows the run, and what the log holds of it from before. */
  #openLivePage(): Promise<LivePage> {
    const { model, log, host } = this.#options;
    return openLivePage(model.constructor.name, log?.read?.() ?? '', host?.stdout);
  }

  async #run(
    target: Target, resumed: boolean | undefined, live: LivePage | undefined,
  ): Promise<End> {
    const state = this.#state;
    if (this.#usesEpochs(target)) state.endEpoch();
    const checkpointer = new Checkpointer(state, this.#options);
    const total = 'steps' in target ? target.steps : state.stepsUntil(target.epochs);
    const reporter = new Reporter(this.#options, target, total, live);
    reporter.begin(this.#point, this.#options.model);
    if (resumed) reporter.resume(this.#point, this.#options.checkpoints?.source);
    if (resumed === false) reporter.noResume();
    try {
      await this.#loop(target, checkpointer, reporter).finally(() => reporter.endProgress());
    } catch (error) {
      reporter.end(this.#point, 'error', messageOf(error));
      await checkpointer.save().catch((another: unknown) => {
        throw bothErrors(error, another);
      });
      throw error;
    }
    await checkpointer.save();
    const reason = this.#hasReached(target) ? 'done'
      : this.#isOutOfPatience() ? 'patience' : 'stopped';
    reporter.end(this.#point, reason);
    if (state.best.hasModel) reporter.tellBest(this.#point);
    return reason;
  }

  async #loop(target: Target, checkpointer: Checkpointer, reporter: Reporter): Promise<void> {
    const { callbacks } = this.#options;
    const pause = yieldEvery(WORK_TIME);
    while (!this.#hasReached(target) && !this.#isOutOfPatience() && !this.#isStopped) {
      const record = this.#takeStep(target);
      reporter.report(record);
      await this.#sample(reporter);
      for (const callback of callbacks) await callback(record);
      await checkpointer.saveIfDue();
      await pause();
    }
  }

  async #sample(reporter: Reporter): Promise<void> {
    const { samples, model } = this.#options;
    if (samples === undefined || this.step % samples.every > 0) return;
    const generators = this.#state.generatorStates();
    const text = await this.#withAverages(() => makeSample(samples.make, model, generators));
    reporter.sample(this.step, text);
  }

  #hasReached(target: Target): boolean {
    if ('steps' in target) return this.step >= target.steps;
    return this.#state.finishedEpochs >= target.epochs;
  }

  get #point(): Point {
    const { step, epoch, best } = this;
    return { step, epoch, best };
  }

  /** Whether it matters after a step if that was the last one of an epoch. */
  #usesEpochs(target: Target): boolean {
    return 'epochs' in target || this.#options.validation?.everyEpochs !== undefined;
  }

  #isOutOfPatience(): boolean {
    const { patience = Infinity } = this.#options.validation ?? {};
    return this.#state.judgement.evaluationsSinceBest >= patience;
  }

  /** Takes a step, and evaluates if it is time for that; if anything fails, nothing has changed. */
  #takeStep(target: Target): StepRecord<Scores> {
    const step = this.step + 1;
    const undo = [this.#state.rememberPosition()];
    try {
      return this.#tryStep(step, target, undo);
    } catch (cause) {
      for (const goBack of undo.toReversed()) goBack();
      throw new TensorError(`fit: step ${step}: ${messageOf(cause)}`, { cause });
    }
  }

  /** Takes a step, and adds to `undo` what has to be called if it fails. */
  #tryStep(step: number, target: Target, undo: (() => void)[]): StepRecord<Scores> {
    const [state, epochsBefore] = [this.#state, this.#state.finishedEpochs];
    const { optimizer, accumulate, compile, schedule, data } = this.#options;
    const total = stepsOfRun(target, data, accumulate);
    if (schedule) scheduleLr(optimizer, schedule, this.step, total);
    const { lr } = optimizer;
    const batches = state.nextBatches(accumulate, 'epochs' in target);
    if (this.#usesEpochs(target)) state.endEpoch();
    const isToValidate = this.#isToValidate(step, epochsBefore);
    // A compiled step undoes itself, unless it is followed by something that can fail.
    const goBack = compile === false || isToValidate ? rememberTensors(state.tensors()) : undefined;
    if (goBack) undo.push(goBack);
    const trained = { lr, ...this.#train(batches, goBack) };
    state.step = step;
    const { epoch } = state;
    const record = { step, ...(epoch !== undefined && { epoch }), ...trained };
    return isToValidate ? { ...record, validation: this.#validate() } : record;
  }

  /** Whether a step is followed by a validation. */
  #isToValidate(step: number, epochsBefore: number): boolean {
    const { every = Infinity, everyEpochs = Infinity } = this.#options.validation ?? {};
    const periods = (epochs: number): number => Math.floor(epochs / everyEpochs);
    return step % every === 0 || periods(this.#state.finishedEpochs) > periods(epochsBefore);
  }

  #validate(): Evaluated<Scores> {
    return this.#withAverages(() => {
      const results = this.#evaluate(this.#options.validation?.data ?? []);
      // The best model is taken as it was evaluated.
      this.#state.judge(results);
      return results;
    });
  }

  /** Updates the parameters once. `goBack` undoes that, if it has to be undone. */
  #train(
    batches: readonly Batch[], goBack: (() => void) | undefined,
  ): Pick<StepRecord, 'gradientNorm' | 'metrics'> {
    const { losses, gradientNorm, isFinite } = this.#steps.trainStep(batches);
    const { means: metrics } = meanLosses('loss', losses, batches.map(this.#countSamples));
    if (isFinite.item() !== 0) return { gradientNorm: gradientNorm.item(), metrics };
    goBack?.();
    this.#findAnomaly(batches);
    // Every op can be finite in anomaly mode, which runs line by line and rounds differently.
    throw new TensorError(`the loss is ${metrics.loss}, the gradient ${gradientNorm.item()}`);
  }

  /** Repeats a step in anomaly mode, from the state before it, which is put back. */
  #findAnomaly(batches: readonly Batch[]): void {
    const putBack = rememberTensors(this.#state.tensors());
    try {
      detectAnomaly(() => this.#steps.trainStep(batches));
    } finally {
      putBack();
    }
  }
}

/** Two errors, so that the second does not hide the first. */
function bothErrors(first: unknown, second: unknown): unknown {
  const problem = `${messageOf(first)}; and the last state was not saved: ${messageOf(second)}`;
  return new AggregateError([first, second], problem);
}
