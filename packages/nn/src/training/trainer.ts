/**
 * Training: one step over and over, under supervision. With Lᵢ the loss of the parameters θ on a
 * batch of data that holds nᵢ samples, a step takes k batches, usually one, and does
 *
 *     g = ∇ (n₁L₁(θ) + … + nₖLₖ(θ)) / (n₁ + … + nₖ)        θ ← optimizer(θ, g)
 *
 * All that the next step depends on is a set of tensors: parameters, buffers, moments, generators
 * of random numbers, the number of the step, the position in the data. It is noted before each
 * step. Kept in a checkpoint, it lets another process go on as if nothing had happened, bit for
 * bit; and a step that ends in NaN is undone by it, and taken again in search of the op to blame.
 */
import {
  compile, defaultGenerator, detectAnomaly, noGrad, type Tensor, tensor, TensorError,
} from '@mambagrad/tensor';
import { nextTurn, now, warn } from '@mambagrad/tensor/host';
import { checkArgument, number, oneOf, whole } from '@mambagrad/tensor/options';
import { keepState, loadState, requireState, saveState, type StateDict } from '../modules/state.ts';
import { clipNorm, globalNorm } from '../optimizers/clipping.ts';
import { warnOfReach } from '../optimizers/reach.ts';
import { backwardAll } from './gradients.ts';
import { checkLosses, type Losses, meansOf, samplesIn } from './metrics.ts';
import { Progress } from './progress.ts';
import { differences, type Setup, SETUP, setupTensor } from './setup.ts';
import {
  type Batches, batches as batchesKind, readTrainerOptions, type StepRecord, type TrainerOptions,
  type TrainerSettings,
} from './trainerOptions.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** Steps follow each other without a break for so many milliseconds; then signals are heard. */
const TURN = 50;

/** Trains a model, whose modules are to be in the modes that they need: at first, all train. */
export class Trainer<Batch> {
  /** The number of steps taken so far. */
  step = 0;
  readonly #options: TrainerSettings<Batch>;
  readonly #train: (batches: readonly Batch[]) => { losses: Losses<Tensor>[]; norm: Tensor };
  readonly #judge: (batch: Batch) => Losses<Tensor>;
  #batches: Iterator<Batch, never>;
  /** The least loss of a validation, and how many validations came since. */
  #best = Infinity;
  #waited = 0;
  #isStopped = false;
  #isRunning = false;
  /** Whether it was warned of parameters that are not trained, and of batches of unclear size. */
  readonly #warned = { ofReach: false, ofSizes: false };

  /** Throws if an option is missing, unknown, or out of its range. */
  constructor(options: TrainerOptions<Batch>) {
    this.#options = readTrainerOptions(options);
    const { optimizer, loss, data, compile: how } = this.#options;
    const train = (batches: readonly Batch[]) => this.#trainOn(batches);
    const judge = (batch: Batch) => noGrad(() => checkLosses(loss(batch)));
    this.#train = how === false ? train : compile(train, how);
    this.#judge = how === false ? judge : compile(judge, how);
    optimizer.resetLr();
    this.#batches = endless(data);
  }

  /**
   * Trains until so many steps are taken in all (Infinity: until patience runs out, or it is
   * stopped), and says which. Throws if the loss or the gradient of a step is not finite, naming
   * step and op, with the step undone; if there are checkpoints at first that are not to be
   * resumed; and if it is running already.
   */
  async fit(steps: number): Promise<'done' | 'patience' | 'stopped'> {
    checkArgument('fit', 'steps', steps, whole().or(oneOf(Infinity)));
    if (this.#isRunning) throw new TensorError('fit: it is running already; await it first');
    this.#isRunning = true;
    const { checkpoints, host, resume } = this.#options;
    try {
      const found = this.step === 0 ? await checkpoints?.load() : undefined;
      if (found && resume) this.loadStateDict(found);
      else if (found) throw new TensorError('fit: found checkpoints of an earlier run; resume it');
      for (const signal of SIGNALS) host?.once(signal, this.stop);
      return await this.#run(steps);
    } finally {
      for (const signal of SIGNALS) host?.off(signal, this.stop);
      this.#isStopped = false;
      this.#isRunning = false;
    }
  }

  async #run(steps: number): Promise<'done' | 'patience' | 'stopped'> {
    const { checkpoints, checkpointEvery, host, log, callbacks, validation } = this.#options;
    const progress = host && new Progress({ total: steps, output: host.stdout });
    const startedAt = now();
    let [savedAt, turnedAt, judged] = [this.step, startedAt, {}];
    const save = async (): Promise<void> => {
      if (this.step === savedAt) return;
      const { step } = this;
      await checkpoints?.save(step, this.stateDict());
      savedAt = step;
    };
    const isStuck = () => this.#waited >= (validation?.patience ?? Infinity);
    const train = async (): Promise<void> => {
      while (this.step < steps && !isStuck() && !this.#isStopped) {
        const record = this.#advance();
        const { metrics, validation } = record;
        log?.write(`${JSON.stringify({ ...record, seconds: (now() - startedAt) / 1000 })}\n`);
        if (validation) judged = { validation: validation.loss.toPrecision(3) };
        progress?.update(this.step, { ...metrics, ...judged });
        for (const callback of callbacks) await callback(record);
        if (this.step % checkpointEvery === 0) await save();
        if (now() - turnedAt < TURN) continue;
        await nextTurn();
        turnedAt = now();
      }
      progress?.end();
    };
    try {
      await train();
    } catch (error) {
      progress?.end();
      await save().catch((another: unknown) => {
        throw bothOf(error, another);
      });
      throw error;
    }
    await save();
    return this.step >= steps ? 'done' : isStuck() ? 'patience' : 'stopped';
  }

  /** Ends `fit` after the step at hand. */
  readonly stop = (): void => {
    this.#isStopped = true;
  };

  /**
   * What the loss function gives, averaged over all batches, each counting by what it holds (see
   * `loss`): with all modules in use (`eval`), without gradients. A loader gives the whole of its
   * epoch. Loader, buffers and generators are put back to where they stood.
   */
  evaluate(data: Batches<Batch> | readonly Batch[]): Losses<number> {
    checkArgument('evaluate', 'data', data, batchesKind);
    const { model } = this.#options;
    const buffers = model.namedBuffers().map(([, buffer]) => buffer);
    const putBack = keepState([...buffers, ...this.#randomStates()]);
    const position = 'state' in data ? data.state() : undefined;
    const samples: number[] = [];
    const judge = (batch: Batch): Losses<Tensor> => {
      samples.push(this.#samplesIn(batch));
      return this.#judge(batch);
    };
    try {
      if (position && 'load' in data) data.load({ ...position, index: 0 });
      const losses = model.inEval(() => Array.from(data, judge));
      const { means, total } = meansOf('evaluate', losses, samples);
      if (total === 0) throw new TensorError('evaluate: the batches hold nothing: they count 0');
      return means;
    } finally {
      if (position && 'load' in data) data.load(position);
      putBack();
    }
  }

  /** All that the next step depends on, copied, by name: that of the model is `model.…`. */
  stateDict(): StateDict {
    return new Map(saveState(this.#tensors())).set(SETUP, setupTensor(this.#setup()));
  }

  /**
   * Goes to where another trainer of this kind was; throws as a module's does, and if the other had
   * another kind of optimizer, or other data.
   */
  loadStateDict(values: StateDict): void {
    requireState('Trainer.loadStateDict', values);
    const problems = differences(values.get(SETUP), this.#setup());
    const rest = new Map(values);
    rest.delete(SETUP);
    this.#goTo(rest, problems);
  }

  #goTo(values: StateDict, problems: readonly string[] = []): void {
    const { data, optimizer } = this.#options;
    const fitting = optimizer.fitState(values, 'optimizer.');
    const own = this.#tensors();
    loadState('Trainer.loadStateDict', own, fitting, true, problems);
    const [seed, epoch, index, ...counts] = own[0][1].data;
    if (typeof data !== 'function') data.load({ seed, epoch, index });
    this.#batches = endless(data);
    [this.step, this.#best, this.#waited] = counts;
  }

  #setup(): Setup {
    const { optimizer, data } = this.#options;
    const settings = typeof data === 'function' ? { data: 'a function' } : data.settings;
    return { optimizer: optimizer.constructor.name, ...settings };
  }

  #randomStates(): Tensor[] {
    const { model, generators } = this.#options;
    return [defaultGenerator, ...model.generators(), ...generators].map(({ state }) => state);
  }

  #tensors(): [string, Tensor][] {
    const { model, optimizer, data } = this.#options;
    const at = typeof data === 'function' ? { seed: 0, epoch: 0, index: 0 } : data.state();
    const position = [at.seed, at.epoch, at.index, this.step, this.#best, this.#waited];
    const parts: Record<string, readonly [string | number, Tensor][]> = {
      trainer: [['position', tensor(position, { dtype: 'f64' })]],
      model: [...model.namedParameters(), ...model.namedBuffers()],
      optimizer: optimizer.namedState(),
      generator: this.#randomStates().map((state, i) => [i, state]),
    };
    return Object.entries(parts).flatMap(([part, named]) =>
      named.map(([name, value]): [string, Tensor] => [`${part}.${name}`, value]),
    );
  }

  /** Gradients, then the update: this is what is compiled. */
  #trainOn(batches: readonly Batch[]): { losses: Losses<Tensor>[]; norm: Tensor } {
    const { model, optimizer, loss, maxNorm } = this.#options;
    const { parameters } = optimizer;
    optimizer.zeroGrad();
    const samples = batches.map((batch) => this.#samplesIn(batch));
    const losses = backwardAll(batches, loss, samples, parameters);
    if (!this.#warned.ofReach) {
      const names = new Map(model.namedParameters().map(([name, x]) => [x as Tensor, name]));
      warnOfReach('Trainer', losses.map(({ loss }) => loss), parameters, names, true);
      this.#warned.ofReach = true;
    }
    const reached = parameters.filter(({ grad }) => grad !== undefined);
    const gradients = reached.flatMap(({ grad }) => grad ?? []);
    if (gradients.length === 0) {
      throw new TensorError('the loss depends on no parameter that the optimizer trains');
    }
    const { clipped, norm } = maxNorm === undefined
      ? { clipped: gradients, norm: globalNorm(gradients) }
      : clipNorm(gradients, maxNorm);
    reached.forEach((parameter, i) => (parameter.grad = clipped[i]));
    optimizer.step();
    return { losses, norm };
  }

  #samplesIn(batch: Batch): number {
    return samplesIn(batch, (shapes) => {
      if (this.#warned.ofSizes) return;
      this.#warned.ofSizes = true;
      warn(
        `Trainer: a batch holds ${shapes}, and is taken for as many samples as the first axis of ` +
          'the first has; let the loss function give { loss, count } if it is another number',
      );
    });
  }

  /** Takes a step, or none if anything goes wrong. */
  #advance(): StepRecord {
    const { optimizer, schedule, accumulate, validation } = this.#options;
    const [before, step] = [saveState(this.#tensors()), this.step + 1];
    try {
      if (schedule) {
        const factor = schedule(this.step);
        checkArgument(`schedule(${this.step})`, 'the factor', factor, number({ from: 0 }));
        optimizer.scheduleLr(factor);
      }
      const { lr } = optimizer;
      const batches = Array.from({ length: accumulate }, () => this.#batches.next().value);
      if (batches.some((batch) => batch instanceof Promise)) {
        throw new TensorError('a batch is a promise; data and collate must give it at once');
      }
      const { losses, norm } = this.#train(batches);
      const samples = batches.map((batch) => this.#samplesIn(batch));
      const { means: metrics } = meansOf('loss', losses, samples);
      const gradientNorm = norm.item();
      if (!Number.isFinite(metrics.loss + gradientNorm)) {
        this.#goTo(before);
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
      this.#goTo(before);
      throw new TensorError(`fit: step ${step}: ${messageOf(cause)}`, { cause });
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Two errors of which the second must not hide the first. */
function bothOf(first: unknown, second: unknown): unknown {
  const problem = `${messageOf(first)}; and the last state was not saved: ${messageOf(second)}`;
  return new AggregateError([first, second], problem);
}
