/**
 * The options of a trainer, and the record that it makes of each step.
 */
import { type CompileOptions, Generator, type Tensor, TensorError } from '@mambagrad/tensor';
import { now } from '@mambagrad/tensor/host';
import {
  boolean, callable, instanceOf, Kind, listOf, objectWith, oneOf, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';
import { Module } from '../modules/module.ts';
import type { StateDict } from '../modules/state.ts';
import { Optimizer } from '../optimizers/optimizer.ts';
import { type StepOptions, stepOptions } from '../optimizers/optimizerOptions.ts';
import type { Schedule } from '../optimizers/schedules.ts';
import { WeightAverage } from '../optimizers/weightAverage.ts';
import { type Batches, loaders } from './batches.ts';
import type { Losses } from './batchLosses.ts';
import {
  type AnswerLoss, type Answers, createForward, type Forward, type ForwardOptions,
} from './forward.ts';
import { objects } from './kinds.ts';
import type { ProgressOutput } from './progress.ts';
import {
  type Evaluated, type NoScores, readValidationOptions, type ValidationOptions,
  type ValidationSettings,
} from './validationOptions.ts';

/** The record of a step. `Scores` are the results of the metrics of `validation`, by name. */
export interface StepRecord<Scores = NoScores> {
  /** The number of the step, from 1. */
  readonly step: number;
  /**
   * How many epochs were over after the step, with the part of the current one: 2.5 in the middle
   * of the third. Whole if the data does not know its number of samples; undefined for data that is
   * a function.
   */
  readonly epoch?: number;
  /** The learning rate of the step. */
  readonly lr: number;
  /** The norm of the gradient of all parameters, before it was clipped. */
  readonly gradientNorm: number;
  /** The results of the loss function, averaged over the batches of the step. */
  readonly metrics: Losses<number>;
  /** The losses and metrics of the validation data, if the step was followed by a validation. */
  readonly validation?: Evaluated<Scores>;
}

/** A place for checkpoints; `checkpointFolder` in '@mambagrad/nn/node' makes one. */
export interface CheckpointStore {
  /** Saves the state after the step `step`; the trainer awaits the promise, if there is one. */
  save(step: number, state: StateDict): void | Promise<void>;
  /** The state that was saved last, if any was. */
  load(): StateDict | undefined | Promise<StateDict | undefined>;
  /** Where the state that `load` gave last came from, such as the path of a file; it is shown. */
  readonly source?: string | undefined;
}

/** The process: shows progress, and receives signals to stop; Node's `process` is one. */
export interface Host {
  /** The terminal, file or pipe in which progress is shown. */
  readonly stdout: ProgressOutput;
  /** Calls the listener at the next signal of that name. */
  once(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  /** Removes a listener that was added by `once`. */
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

/** A destination for lines of text, such as a stream. */
export interface Log {
  /** Writes a line that ends with a line break. */
  write(line: string): unknown;
  /** The lines that were written so far, by earlier runs, too, for the page of `fit({ live })`. */
  read?(): string;
}

/** Samples of the model's output, made while it trains: how often, and how. */
export interface SamplesOptions {
  /** The number of steps from one sample to the next, from 1. */
  readonly every: number;
  /**
   * Makes a text, with all modules in `eval`. Buffers and generators are put back afterwards, so
   * that it changes nothing in training.
   */
  readonly make: () => string | Promise<string>;
}

/** The options of `Trainer` besides those that say what the loss of a batch is. */
export interface RunOptions<Batch, Scores = NoScores> extends StepOptions {
  /** The model, whose state checkpoints contain, and which `evaluate` puts in `eval`. */
  readonly model: Module;
  /** The optimizer of the model's parameters, or of some of them. */
  readonly optimizer: Optimizer;
  /** A loader, or a function that draws a batch from the default generator or `generators`. */
  readonly data: Batches<Batch> | (() => Batch);
  /**
   * The number of batches in a step, from 1, whose gradients are accumulated: the same as one
   * batch of that many times the size. Default 1.
   */
  readonly accumulate?: number | undefined;
  /**
   * The factor of the optimizer's `baseLr` for each step. A schedule without a length, such as
   * `cosineDecay()`, is as long as the run: the steps or epochs that `fit` is called with. Default
   * always 1.
   */
  readonly schedule?: Schedule | undefined;
  /**
   * Averages of the model's weights, which are updated after each step, and kept in checkpoints.
   * Evaluations, samples, the best model, and the model when `fit` ends have the averages in place
   * of the weights; training goes on with the weights. In a run that had none so far they begin
   * with the weights of its checkpoint.
   */
  readonly average?: WeightAverage | undefined;
  /** How to validate the model during training. Default not at all. */
  readonly validation?: ValidationOptions<Batch, Scores> | undefined;
  /** Options of `compile`, or false to run eagerly, line by line. Default {}. */
  readonly compile?: CompileOptions | false | undefined;
  /**
   * The random generators in use besides the default one and those in fields of modules. Their
   * state is part of checkpoints. Default [].
   */
  readonly generators?: readonly Generator[] | undefined;
  /**
   * Saves the state after every `checkpointEvery` steps and when `fit` ends; once also within the
   * first minute, or after the first step if that takes longer.
   */
  readonly checkpoints?: CheckpointStore | undefined;
  /** The number of steps from one checkpoint to the next, from 1. Default 100. */
  readonly checkpointEvery?: number | undefined;
  /** Whether to continue from the latest checkpoint, if there is one. Default false. */
  readonly resume?: boolean | undefined;
  /** Shows progress; SIGINT and SIGTERM end `fit` after the current step. */
  readonly host?: Host | undefined;
  /** How to make samples during training, which are shown and logged. Default none. */
  readonly samples?: SamplesOptions | undefined;
  /**
   * Receives a line of JSON for each step: its record, and the seconds since `fit` began. Lines
   * with a field `event` come between them: 'begin', 'resume', 'sample' and 'end'.
   */
  readonly log?: Log | undefined;
  /** A clock in milliseconds that is never set back. Default `performance.now`. */
  readonly now?: (() => number) | undefined;
  /** Called after each step; their promises are awaited before the next one. Default []. */
  readonly callbacks?: readonly ((record: StepRecord<Scores>) => unknown)[] | undefined;
}

/** Options of `Trainer`: the model, its loss and data, and how to train it. */
export interface TrainerOptions<Batch, Scores = NoScores> extends RunOptions<Batch, Scores> {
  /** In this form there is none: `loss` is a function of the batch. */
  readonly predict?: undefined;
  /**
   * Computes the loss of a batch (0-d), which is minimised: by itself, or as `loss` among other
   * numbers to log. The function is compiled: batches are tensors, or plain objects and arrays of
   * tensors, and it must not read their values. The loss is a mean over the batch. In a mean over
   * several batches, the weight of each is its number of samples, the length of its first axis; or
   * `count` (0-d), if the function returns it, such as the number of tokens.
   */
  readonly loss: (batch: Batch) => Tensor | Losses<Tensor>;
}

/**
 * Options of `Trainer` in a shorter form: `predict` says once what the model answers, and loss and
 * metrics are computed of that.
 */
export interface PredictOptions<Batch, Scores = NoScores> extends RunOptions<Batch, Scores> {
  /**
   * What the model answers for a batch, and what would have been right; also which positions count
   * (`mask`), and how much (`sampleWeight`). It is compiled as `loss` is, together with it.
   */
  readonly predict: (batch: Batch) => Answers;
  /**
   * The loss of outputs and targets (0-d), such as `crossEntropy`, or an object that has it as
   * `loss` among other numbers to log. The mask and the weights are its third argument; in a mean
   * over several batches, each then weighs as much as its positions that count. A function of yours
   * hands them on: `(outputs, targets, options) => huberLoss(outputs, targets, { delta: 2,
   * ...options })`.
   */
  readonly loss: AnswerLoss;
}

/** The options that have a default. */
type WithDefault =
  'accumulate' | 'compile' | 'generators' | 'checkpointEvery' | 'resume' | 'now' | 'callbacks';

/** The options of a trainer with their defaults, whichever form they were given in. */
export type TrainerSettings<Batch> = Omit<RunOptions<Batch>, 'validation'> & {
  readonly [Key in WithDefault]: NonNullable<RunOptions<Batch>[Key]>;
} & {
  readonly validation: ValidationSettings<Batch> | undefined;
  /** The forward pass of a batch. */
  readonly forward: Forward<Batch>;
};

const sampleOptions = {
  every: whole(1).required(),
  make: callable<SamplesOptions['make']>().required(),
} satisfies Table<SamplesOptions>;

/** Either form of what says the forward pass. */
interface ForwardTable {
  readonly predict?: unknown;
  readonly loss: unknown;
}

const hosts = new Kind<Host>(
  'an object with stdout and methods once and off, such as process',
  (x) =>
    objectWith<Host>('', 'once', 'off').accepts(x) &&
    objectWith<ProgressOutput>('', 'write').accepts((x as Partial<Host>).stdout),
);

const trainerOptions = {
  ...stepOptions,
  model: instanceOf(Module).required(),
  optimizer: instanceOf(Optimizer, 'an Optimizer').required(),
  predict: callable<(batch: never) => Answers>().optional(),
  loss: callable<(...given: never) => Tensor | Losses<Tensor>>().required(),
  data: loaders.or(callable<() => never>()).required(),
  accumulate: whole(1).orElse(1),
  schedule: callable<Schedule>().optional(),
  average: instanceOf(WeightAverage).optional(),
  validation: objects('{ data, every }').optional(),
  compile: oneOf(false).or(objects('options of compile')).orElse({} as never),
  generators: listOf(instanceOf(Generator)).orElse([]),
  checkpoints: objectWith<CheckpointStore>('a checkpointFolder', 'save', 'load').optional(),
  checkpointEvery: whole(1).orElse(100),
  resume: boolean.orElse(false),
  samples: objects('{ every, make }').optional(),
  host: hosts.optional(),
  log: objectWith<Log>('an object with a method write', 'write').optional(),
  now: callable<() => number>().orElse(now),
  callbacks: listOf(callable<(record: StepRecord) => unknown>()).orElse([]),
} satisfies Table<Omit<PredictOptions<never>, 'predict' | 'loss'> & ForwardTable>;

/** The options with their defaults. Throws if one is missing, unknown, or out of range. */
export function readTrainerOptions<Batch, Scores>(
  given: TrainerOptions<Batch, Scores> | PredictOptions<Batch, Scores>, op = 'Trainer',
): TrainerSettings<Batch> {
  const { predict, loss, ...read } = readOptions(op, given, trainerOptions);
  const options = read as unknown as TrainerSettings<Batch>;
  const { validation, samples, data, average, model } = options;
  if (average && average.model !== model) {
    throw new TensorError(`${op}: average is of another model than the one that is trained`);
  }
  return {
    ...options,
    forward: createForward(op, { predict, loss } as unknown as ForwardOptions<Batch>),
    validation: validation && readValidationOptions(
      validation, { hasEpochs: typeof data !== 'function', hasPredict: predict !== undefined },
    ),
    samples: samples && readOptions('Trainer: samples', samples, sampleOptions),
  };
}
