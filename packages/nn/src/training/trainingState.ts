/**
 * The state of a training run: everything that the next step depends on, as tensors by name. These
 * are the parameters and buffers of the model and their averages, the moments of the optimizer, the
 * counters of random generators, and the position.
 *
 * A step that fails leaves all of it as it was. The same tensors in a checkpoint let another
 * process continue as if nothing had happened, bit for bit.
 */
import { defaultGenerator, type Tensor, TensorError } from '@mambagrad/tensor';
import { warn } from '@mambagrad/tensor/host';
import { loadState, requireState, saveState, type StateDict } from '../modules/state.ts';
import { BatchStream } from './batchStream.ts';
import { BestModel, isOfBest } from './bestModel.ts';
import { FROZEN, FrozenFlags } from './frozen.ts';
import {
  afterEvaluation, type BestOptions, type Judgement, notJudged, readBestOptions, valueAt,
} from './judging.ts';
import { decodePosition, encodePosition, type Position } from './position.ts';
import { encodeSetup, type Setup, SETUP, setupDifferences } from './setup.ts';
import type { TrainerSettings } from './trainerOptions.ts';

/**
 * Remembers the values of tensors; the function that it returns puts them back. Arrays never change
 * once they are made, so this copies none, except those that compiled programs write to.
 */
export function rememberTensors(tensors: readonly Tensor[]): () => void {
  const kept = tensors.map((x) => [x, x.detach()] as const);
  return () => {
    for (const [x, value] of kept) x.assign(value);
  };
}

/** The state of one run, which its steps change. */
export class TrainingState<Batch> {
  /** The number of steps taken so far. */
  step = 0;
  /** How validation has gone so far. */
  judgement: Judgement;
  /** The best model so far. */
  readonly best: BestModel;
  readonly #options: TrainerSettings<Batch>;
  readonly #stream: BatchStream<Batch>;
  readonly #frozen: FrozenFlags;

  constructor(options: TrainerSettings<Batch>) {
    this.#options = options;
    this.#stream = new BatchStream(options.data, () => this.generatorStates());
    this.judgement = notJudged(this.#judge.direction);
    this.#frozen = new FrozenFlags(options.model);
    const { model, validation, average } = options;
    this.best = new BestModel(model, validation?.keepBest ?? false, average);
  }

  get #judge(): BestOptions {
    return this.#options.validation?.best ?? readBestOptions(undefined);
  }

  /** Judges an evaluation after the step that was taken last. */
  judge(results: Readonly<Record<string, unknown>>): void {
    const { metric, direction } = this.#judge;
    const value = valueAt(results, metric);
    this.judgement = afterEvaluation(this.judgement, value, direction);
    if (this.judgement.evaluationsSinceBest > 0) return;
    this.best.note({ metric, direction, value, step: this.step, epoch: this.epoch });
  }

  /**
   * How many epochs are over, with the part of the current one if the data knows its number of
   * samples. Undefined if the data is a function.
   */
  get epoch(): number | undefined {
    const { data } = this.#options;
    if (typeof data === 'function') return undefined;
    const { epoch, index } = data.state();
    const { samplesPerEpoch } = data;
    return samplesPerEpoch ? epoch + index / samplesPerEpoch : epoch;
  }

  /** The number of epochs that are over. */
  get finishedEpochs(): number {
    return this.#position().data.epoch;
  }

  /** If no batch of the current epoch is left, goes to the next one; see `BatchStream`. */
  endEpoch(): void {
    this.#stream.endEpoch();
  }

  /**
   * The number of steps at the end of so many epochs; Infinity if the data cannot know. For batches
   * from buckets, in the middle of an epoch, it is about that.
   */
  stepsUntil(epochs: number): number {
    const { data, accumulate } = this.#options;
    if (typeof data === 'function' || data.length === undefined) return Infinity;
    const { length, samplesPerEpoch = 0 } = data;
    if (samplesPerEpoch === 0) return Infinity;
    const { epoch, index } = data.state();
    const batchesLeft = Math.ceil((length * (samplesPerEpoch - index)) / samplesPerEpoch);
    const stepsOf = (batches: number): number => Math.ceil(batches / accumulate);
    const steps = stepsOf(batchesLeft) + (epochs - epoch - 1) * stepsOf(length);
    return this.step + Math.max(0, steps);
  }

  /**
   * The next batches, which moves the position of the data. They are fewer than `count` if they
   * are to be of one epoch and it ends.
   */
  nextBatches(count: number, isOfOneEpoch: boolean): Batch[] {
    const batches = [this.#stream.next()];
    while (batches.length < count && !(isOfOneEpoch && this.#stream.endEpoch())) {
      batches.push(this.#stream.next());
    }
    if (batches.some((batch) => batch instanceof Promise)) {
      throw new TensorError('a batch is a promise; data and collate must return it at once');
    }
    return batches;
  }

  /** The counters of all generators that the model and the data draw from. */
  generatorStates(): Tensor[] {
    const { model, generators } = this.#options;
    return [defaultGenerator, ...model.generators(), ...generators].map(({ state }) => state);
  }

  /** All tensors that a train step may change. */
  tensors(): Tensor[] {
    const { model, optimizer, average } = this.#options;
    const all = [...model.parameters(), ...optimizer.parameters, ...optimizer.stateTensors];
    const buffers = model.namedBuffers().map(([, buffer]) => buffer);
    const averages = (average?.namedState() ?? []).map(([, x]) => x);
    return [...new Set([...all, ...averages, ...buffers, ...this.generatorStates()])];
  }

  /**
   * Remembers what a train step changes outside of its program: position, learning rate, and
   * generators from which data is drawn. The function that it returns goes back.
   */
  rememberPosition(): () => void {
    const position = this.#position();
    const { optimizer } = this.#options;
    const putBack = rememberTensors([optimizer.lrTensor, ...this.generatorStates()]);
    return () => {
      putBack();
      this.#goTo(position);
    };
  }

  /** Goes back to the state of a checkpoint; throws, after `problems`, if it does not fit. */
  #restore(snapshot: StateDict, problems: readonly string[]): void {
    const values = this.#options.optimizer.matchState(snapshot, 'optimizer.');
    // The tensor of the position is filled like all others, and then read.
    const encoded = encodePosition(this.#position());
    const { model, average } = this.#options;
    const inModel = [...model.namedParameters(), ...model.namedBuffers()];
    const isNewAverage = average && ![...values.keys()].some((name) => name.startsWith('average.'));
    const all = this.#namedTensors(encoded, inModel)
      .filter(([name]) => !isNewAverage || !name.startsWith('average.'));
    loadState('Trainer.loadStateDict', all, values, true, problems);
    if (isNewAverage) {
      average.restart();
      warn('Trainer: the checkpoint has no averages of the weights; they begin with its weights');
    }
    this.#goTo(decodePosition(encoded));
  }

  #goTo(position: Position): void {
    const { data } = this.#options;
    if (typeof data !== 'function') data.load(position.data);
    this.#stream.restart();
    this.step = position.step;
    this.judgement = position.judgement;
  }

  /** Copies of all tensors by name, the best model, and the setup, for a checkpoint. */
  save(): StateDict {
    const position = encodePosition(this.#position());
    const best = this.#options.validation?.isBestRecorded ? this.best.namedState() : [];
    const all = saveState([...this.#namedTensors(position, this.best.lastState()), ...best]);
    const saved = new Map(all).set(SETUP, encodeSetup(this.#setup()));
    const frozen = this.#frozen.encode();
    return frozen ? saved.set(FROZEN, frozen) : saved;
  }

  /** Continues from a checkpoint. Throws if it is of a run with another setup. */
  load(checkpoint: StateDict): void {
    requireState('Trainer.loadStateDict', checkpoint);
    const frozen = checkpoint.get(FROZEN);
    const problems = [
      ...setupDifferences(checkpoint.get(SETUP), this.#setup()), ...this.#frozen.problems(frozen),
      ...this.best.problemsOf(checkpoint),
    ];
    const isOfState = (name: string): boolean =>
      name !== SETUP && name !== FROZEN && !isOfBest(name);
    const others = [...checkpoint].filter(([name]) => isOfState(name));
    this.#restore(new Map(others), problems);
    this.#frozen.apply(frozen);
    this.best.load(checkpoint);
    this.#checkJudgement();
  }

  /** Forgets the best evaluation of a checkpoint if it cannot be compared with those to come. */
  #checkJudgement(): void {
    const { metric, direction } = this.#judge;
    const { record } = this.best;
    const { bestValue } = this.judgement;
    const before = record ?? readBestOptions(undefined);
    const isOther = before.metric !== metric || before.direction !== direction;
    const isLost = this.#options.validation?.keepBest === true && !this.best.hasModel;
    if (Math.abs(bestValue) < Infinity && (isOther || isLost)) {
      const why = isOther
        ? `was judged by ${before.metric} (${before.direction}), not ${metric} (${direction})`
        : 'does not hold the best model';
      warn(`Trainer: the checkpoint ${why}; the best is sought anew`);
    } else if (bestValue !== Infinity || direction === 'min') return;
    this.best.forget();
    this.judgement = notJudged(direction);
  }

  #position(): Position {
    const { data } = this.#options;
    return {
      data: typeof data === 'function' ? { seed: 0, epoch: 0, index: 0 } : data.state(),
      step: this.step,
      judgement: this.judgement,
    };
  }

  #setup(): Setup {
    const { optimizer, data } = this.#options;
    const settings = typeof data === 'function' ? { data: 'a function' } : data.settings;
    return { optimizer: optimizer.constructor.name, ...settings };
  }

  #namedTensors(
    position: Tensor, model: readonly [string, Tensor][],
  ): [string, Tensor][] {
    const { optimizer, average } = this.#options;
    const parts: Record<string, readonly [string | number, Tensor][]> = {
      trainer: [['position', position]],
      model,
      optimizer: optimizer.namedState(),
      average: average?.namedState() ?? [],
      generator: this.generatorStates().map((state, i) => [i, state]),
    };
    return Object.entries(parts).flatMap(([part, named]) =>
      named.map(([name, value]): [string, Tensor] => [`${part}.${name}`, value]),
    );
  }
}
