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
import { type EarlyStopping, notEvaluated } from './earlyStopping.ts';
import { FROZEN, FrozenFlags } from './frozen.ts';
import { decodePosition, encodePosition, type Position } from './position.ts';
import { encodeSetup, type Setup, SETUP, setupDifferences } from './setup.ts';
import type { Batches, TrainerSettings } from './trainerOptions.ts';

/** The state of one run, which its steps change. */
export class TrainingState<Batch> {
  /** The number of steps taken so far. */
  step = 0;
  /** How validation has gone so far. */
  earlyStopping: EarlyStopping = notEvaluated;
  readonly #options: TrainerSettings<Batch>;
  readonly #frozen: FrozenFlags;
  #batches: Iterator<Batch, never>;

  constructor(options: TrainerSettings<Batch>) {
    this.#options = options;
    this.#frozen = new FrozenFlags(options.model);
    this.#batches = allEpochs(options.data);
  }

  /** The next batches, which moves the position of the data. */
  nextBatches(count: number): Batch[] {
    const batches = Array.from({ length: count }, () => this.#batches.next().value);
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
    this.#batches = allEpochs(data);
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

/** The batches of one epoch after the other, without end. */
function* allEpochs<Batch>(data: Batches<Batch> | (() => Batch)): Iterator<Batch, never> {
  if (typeof data === 'function') for (;;) yield data();
  // The rest of an epoch that was begun may be empty, but not the whole epoch after it.
  for (let emptyEpochs = 0; emptyEpochs < 2; emptyEpochs++) {
    for (const batch of data) yield ((emptyEpochs = -1), batch);
  }
  throw new TensorError('the data has no batch');
}
