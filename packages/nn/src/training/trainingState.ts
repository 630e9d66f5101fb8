/**
 * The state of a training run: everything that the next step depends on, as tensors by name. These
 * are the parameters and buffers of the model, the moments of the optimizer, the counters of random
 * generators, and the position.
 *
 * The trainer takes a snapshot of it before each step, and restores it if the step fails. The same
 * tensors in a checkpoint let another process continue as if nothing had happened, bit for bit.
 */
import { defaultGenerator, type Tensor, TensorError } from '@mambagrad/tensor';
import { loadState, requireState, saveState, type StateDict } from '../modules/state.ts';
import { BatchStream } from './batchStream.ts';
import { type EarlyStopping, notEvaluated } from './earlyStopping.ts';
import { FROZEN, FrozenFlags } from './frozen.ts';
import { decodePosition, encodePosition, type Position } from './position.ts';
import { encodeSetup, type Setup, SETUP, setupDifferences } from './setup.ts';
import type { TrainerSettings } from './trainerOptions.ts';

/** The state of one run, which its steps change. */
export class TrainingState<Batch> {
  /** The number of steps taken so far. */
  step = 0;
  /** How validation has gone so far. */
  earlyStopping: EarlyStopping = notEvaluated;
  readonly #options: TrainerSettings<Batch>;
  readonly #stream: BatchStream<Batch>;
  readonly #frozen: FrozenFlags;

  constructor(options: TrainerSettings<Batch>) {
    this.#options = options;
    this.#stream = new BatchStream(options.data, () => this.generatorStates());
    this.#frozen = new FrozenFlags(options.model);
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

  /** A copy of the state as it is now. */
  snapshot(): StateDict {
    return saveState(this.#namedTensors(encodePosition(this.#position())));
  }

  /** Goes back to a snapshot; throws, listing `problems` first, if it does not fit. */
  restore(snapshot: StateDict, problems: readonly string[] = []): void {
    const { data, optimizer } = this.#options;
    const values = optimizer.matchState(snapshot, 'optimizer.');
    // The tensor of the position is filled like all others, and then read.
    const encoded = encodePosition(this.#position());
    loadState('Trainer.loadStateDict', this.#namedTensors(encoded), values, true, problems);
    const position = decodePosition(encoded);
    if (typeof data !== 'function') data.load(position.data);
    this.#stream.restart();
    this.step = position.step;
    this.earlyStopping = position.earlyStopping;
  }

  /** A snapshot together with the setup and what is frozen, for a checkpoint. */
  save(): StateDict {
    const saved = new Map(this.snapshot()).set(SETUP, encodeSetup(this.#setup()));
    const frozen = this.#frozen.encode();
    return frozen ? saved.set(FROZEN, frozen) : saved;
  }

  /** Continues from a checkpoint. Throws if it is of a run with another setup. */
  load(checkpoint: StateDict): void {
    requireState('Trainer.loadStateDict', checkpoint);
    const frozen = checkpoint.get(FROZEN);
    const problems = [
      ...setupDifferences(checkpoint.get(SETUP), this.#setup()), ...this.#frozen.problems(frozen),
    ];
    const snapshot = new Map(checkpoint);
    snapshot.delete(SETUP);
    snapshot.delete(FROZEN);
    this.restore(snapshot, problems);
    this.#frozen.apply(frozen);
  }

  #position(): Position {
    const { data } = this.#options;
    return {
      data: typeof data === 'function' ? { seed: 0, epoch: 0, index: 0 } : data.state(),
      step: this.step,
      earlyStopping: this.earlyStopping,
    };
  }

  #setup(): Setup {
    const { optimizer, data } = this.#options;
    const settings = typeof data === 'function' ? { data: 'a function' } : data.settings;
    return { optimizer: optimizer.constructor.name, ...settings };
  }

  #namedTensors(position: Tensor): [string, Tensor][] {
    const { model, optimizer } = this.#options;
    const parts: Record<string, readonly [string | number, Tensor][]> = {
      trainer: [['position', position]],
      model: [...model.namedParameters(), ...model.namedBuffers()],
      optimizer: optimizer.namedState(),
      generator: this.generatorStates().map((state, i) => [i, state]),
    };
    return Object.entries(parts).flatMap(([part, named]) =>
      named.map(([name, value]): [string, Tensor] => [`${part}.${name}`, value]),
    );
  }
}
