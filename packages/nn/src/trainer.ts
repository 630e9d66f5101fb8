/**
 * Training: one step over and over, under supervision. With L the loss of the parameters θ on a
 * batch of data, a step takes k batches, usually one, and does
 *
 *     g = ∇ (L₁(θ) + … + Lₖ(θ)) / k        θ ← optimizer(θ, g)
 *
 * All that the next step depends on is a set of tensors: parameters, buffers, moments, generators
 * of random numbers, the number of the step, the position in the data. It is noted before each
 * step. Kept in a checkpoint, it lets another process go on as if nothing had happened, bit for
 * bit; and a step that ends in NaN is undone by it, and taken again in search of the op to blame.
 */
import {
  compile, type CompileOptions, defaultGenerator, detectAnomaly, type Generator, noGrad, Tensor,
  tensor, TensorError,
} from '@mambagrad/tensor';
import type { DataLoader } from './data.ts';
import type { Module } from './module.ts';
import { globalNorm, type Optimizer, type StepOptions } from './optimizer.ts';
import { Progress, type ProgressOutput } from './progress.ts';
import type { Schedule } from './schedules.ts';
import { loadState, saveState, type StateDict } from './state.ts';

/** The loss of a batch, by that name, and whatever else there is to be told of it. */
export type Losses<T> = Readonly<Record<string, T>> & { readonly loss: T };

/** Batches, epoch by epoch, from a position that can be kept, as a `DataLoader` gives them. */
export type Batches<Batch> =
  Pick<DataLoader<never, Batch>, 'state' | 'load' | typeof Symbol.iterator>;

/** What a step gave. */
export interface StepRecord {
  /** The first is 1. */
  readonly step: number;
  readonly lr: number;
  /** The norm of the gradient of all parameters, before it was clipped. */
  readonly gradientNorm: number;
  /** What the loss function gave, averaged over the step's batches. */
  readonly metrics: Losses<number>;
  /** The same on the data for validation, if it was time for that. */
  readonly validation?: Losses<number>;
}

/** Where checkpoints are kept; `checkpointFolder` in '@mambagrad/nn/node' makes one. */
export interface CheckpointStore {
  save(step: number, state: StateDict): void | Promise<void>;
  /** The state of the latest step, if any was saved. */
  load(): StateDict | undefined | Promise<StateDict | undefined>;
}

/** Where progress is shown, and who asks to stop; Node's `process` is one. */
export interface Host {
  readonly stdout: ProgressOutput;
  once(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

export interface TrainerOptions<Batch> extends StepOptions {
  readonly model: Module;
  readonly optimizer: Optimizer;
  /**
   * The loss of a batch (0-d), and other numbers to show. It is compiled: batches are tensors, or
   * plain objects and arrays of them, and it must not read their values.
   */
  readonly loss: (batch: Batch) => Losses<Tensor>;
  /** A loader; or a function that draws a batch, by the default generator or `generators`. */
  readonly data: Batches<Batch> | (() => Batch);
  /** Batches in a step, whose gradients are averaged. Default 1. */
  readonly accumulate?: number;
  /** Factors of the learning rate that the optimizer has at first. Default always 1. */
  readonly schedule?: Schedule;
  /**
   * Evaluates the model on the same data after `every` so many steps; stops after `patience` such
   * times (default: any number) in a row without a lower loss.
   */
  readonly validation?: {
    readonly data: Batches<Batch> | readonly Batch[];
    readonly every: number;
    readonly patience?: number;
  };
  /** How to compile, or false: run line by line. */
  readonly compile?: CompileOptions | false;
  /** What random numbers come from besides the default generator and fields of modules. */
  readonly generators?: readonly Generator[];
  /** Keeps the state after `checkpointEvery` so many steps (default 100) and when fit ends. */
  readonly checkpoints?: CheckpointStore;
  readonly checkpointEvery?: number;
  /** Whether to go on from the latest checkpoint, if there is one. Default false. */
  readonly resume?: boolean;
  /** Shows progress there; its signals to stop end `fit` after the step at hand. */
  readonly host?: Host;
  /** Gets a line of JSON for each step: the record, and the seconds since fit began. */
  readonly log?: { write(line: string): unknown };
  /** Called after each step. */
  readonly callbacks?: readonly ((record: StepRecord) => void)[];
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** Steps follow each other without a break for so many milliseconds; then signals are heard. */
const TURN = 50;
/** Declared here: the packages are compiled against the language alone. */
const { setTimeout } = globalThis as unknown as { setTimeout(f: () => void, ms: number): unknown };

/** Trains a model, whose modules are to be in the modes that they need: at first, all train. */
export class Trainer<Batch> {
  /** The number of steps taken so far. */
  step = 0;
  readonly #options: TrainerOptions<Batch>;
  readonly #train: (batches: readonly Batch[]) => { losses: Losses<Tensor>[]; norm: Tensor };
  readonly #judge: (batch: Batch) => Losses<Tensor>;
  /** The learning rate that the schedule's factors refer to. */
  readonly #lr: number;
  #batches: Iterator<Batch, never>;
  /** The least loss of a validation, and how many validations came since. */
  #best = Infinity;
  #waited = 0;
  #isStopped = false;

  constructor(options: TrainerOptions<Batch>) {
    const { optimizer, loss: lossOf, compile: how = {} } = options;
    const train = (batches: readonly Batch[]) => {
      optimizer.zeroGrad();
      const losses = batches.map((batch) => {
        const found = lossOf(batch);
        // At once, so that one batch at a time has its activations in memory.
        found.loss.div(batches.length).backward();
        return found;
      });
      const norm = globalNorm(optimizer.parameters.flatMap(({ grad }) => grad ?? []));
      optimizer.step(options);
      return { losses, norm };
    };
    const judge = (batch: Batch) => noGrad(() => lossOf(batch));
    this.#options = options;
    this.#train = how === false ? train : compile(train, how);
    this.#judge = how === false ? judge : compile(judge, how);
    this.#lr = optimizer.lr;
    this.#batches = endless(options.data);
  }

  /**
   * Trains until so many steps are taken in all, or patience runs out, or it is stopped, and says
   * which. Throws if the loss or the gradient of a step is not finite, naming step and op, with the
   * step undone; and if there are checkpoints at first that are not to be resumed.
   */
  async fit(steps: number): Promise<'done' | 'patience' | 'stopped'> {
    const { checkpoints, checkpointEvery = 100, resume, host, log, callbacks = [] } = this.#options;
    const found = this.step === 0 ? await checkpoints?.load() : undefined;
    if (found && resume) this.loadStateDict(found);
    else if (found) throw new TensorError('fit: found checkpoints of an earlier run; resume it');
    const progress = host && new Progress({ total: steps, output: host.stdout });
    const startedAt = Date.now();
    let [savedAt, turnedAt, judged] = [this.step, startedAt, {}];
    const save = async (): Promise<void> => {
      if (this.step > savedAt) await checkpoints?.save((savedAt = this.step), this.stateDict());
    };
    const isStuck = () => this.#waited >= (this.#options.validation?.patience ?? Infinity);
    for (const signal of SIGNALS) host?.once(signal, this.stop);
    try {
      while (this.step < steps && !isStuck() && !this.#isStopped) {
        const record = this.#advance();
        const { metrics, validation } = record;
        log?.write(`${JSON.stringify({ ...record, seconds: (Date.now() - startedAt) / 1000 })}\n`);
        if (validation) judged = { validation: validation.loss.toPrecision(3) };
        progress?.update(this.step, { ...metrics, ...judged });
        for (const callback of callbacks) callback(record);
        if (this.step % checkpointEvery === 0) await save();
        if (Date.now() - turnedAt < TURN) continue;
        await new Promise<void>((resolve) => setTimeout(resolve, 0));
        turnedAt = Date.now();
      }
      return this.step >= steps ? 'done' : isStuck() ? 'patience' : 'stopped';
    } finally {
      for (const signal of SIGNALS) host?.off(signal, this.stop);
      this.#isStopped = false;
      progress?.end();
      await save();
    }
  }

  /** Ends `fit` after the step at hand. */
  readonly stop = (): void => {
    this.#isStopped = true;
  };

  /**
   * What the loss function gives, averaged over all batches, each counting alike: with all modules
   * in use (`eval`), without gradients. A loader is put back to where it stood.
   */
  evaluate(data: Batches<Batch> | readonly Batch[]): Losses<number> {
    const position = 'state' in data ? data.state() : undefined;
    const judge = () => Array.from(data, (batch) => this.#judge(batch));
    try {
      return meansOf(this.#options.model.inEval(judge));
    } finally {
      if (position && 'load' in data) data.load(position);
    }
  }

  /** All that the next step depends on, copied, by name: that of the model is `model.…`. */
  stateDict(): StateDict {
    return saveState(this.#tensors());
  }

  /** Goes to where another trainer of this kind was; throws as a module's does. */
  loadStateDict(values: StateDict): void {
    const { data } = this.#options;
    const own = this.#tensors();
    loadState('Trainer.loadStateDict', own, values);
    const [seed, epoch, index, ...counts] = own[0][1].data;
    if (typeof data !== 'function') data.load({ seed, epoch, index });
    this.#batches = endless(data);
    [this.step, this.#best, this.#waited] = counts;
  }

  #tensors(): [string, Tensor][] {
    const { model, optimizer, data, generators = [] } = this.#options;
    const at = typeof data === 'function' ? { seed: 0, epoch: 0, index: 0 } : data.state();
    const position = [at.seed, at.epoch, at.index, this.step, this.#best, this.#waited];
    const random = [defaultGenerator, ...model.generators(), ...generators];
    const parts: Record<string, readonly [string | number, Tensor][]> = {
      trainer: [['position', tensor(position, { dtype: 'f64' })]],
      model: [...model.namedParameters(), ...model.namedBuffers()],
      optimizer: optimizer.namedState(),
      generator: random.map(({ state }, i) => [i, state]),
    };
    return Object.entries(parts).flatMap(([part, named]) =>
      named.map(([name, value]): [string, Tensor] => [`${part}.${name}`, value]),
    );
  }

  /** Takes a step, or none if anything goes wrong. */
  #advance(): StepRecord {
    const { optimizer, schedule, accumulate = 1, validation } = this.#options;
    const [before, step] = [this.stateDict(), this.step + 1];
    try {
      if (schedule) optimizer.lr = this.#lr * schedule(this.step);
      const { lr } = optimizer;
      const batches = Array.from({ length: accumulate }, () => this.#batches.next().value);
      const { losses, norm } = this.#train(batches);
      const [metrics, gradientNorm] = [meansOf(losses), norm.item()];
      if (!Number.isFinite(metrics.loss + gradientNorm)) {
        this.loadStateDict(before);
        detectAnomaly(() => this.#train(batches));
        // It can be finite line by line, where rounding differs.
        throw new TensorError(`the loss is ${metrics.loss}, the gradient ${gradientNorm}`);
      }
      this.step = step;
      const record = { step, lr, gradientNorm, metrics };
      if (validation === undefined || step % validation.every > 0) return record;
      const judged = this.evaluate(validation.data);
      this.#waited = judged.loss < this.#best ? 0 : this.#waited + 1;
      if (this.#waited === 0) this.#best = judged.loss;
      return { ...record, validation: judged };
    } catch (cause) {
      this.loadStateDict(before);
      const problem = cause instanceof Error ? cause.message : cause;
      throw new TensorError(`fit: step ${step}: ${problem}`, { cause });
    }
  }
}

/** The batches of all epochs. */
function* endless<Batch>(data: Batches<Batch> | (() => Batch)): Iterator<Batch, never> {
  if (typeof data === 'function') for (;;) yield data();
  // The rest of an epoch may be empty, but not a whole one.
  for (let empty = 0; empty < 2; empty++) {
    for (const batch of data) yield ((empty = -1), batch);
  }
  throw new TensorError('the data has no batch');
}

function meansOf(all: readonly Losses<Tensor>[]): Losses<number> {
  if (all.length === 0) throw new TensorError('the data has no batch');
  const total = (name: string) => all.reduce((sum, losses) => sum + losses[name].item(), 0);
  const means = Object.keys(all[0]).map((name) => [name, total(name) / all.length]);
  return Object.fromEntries(means) as Losses<number>;
}
