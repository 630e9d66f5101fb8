/**
 * All that a trainer can be told, and what it tells.
 */
import { type CompileOptions, Generator, type Tensor } from '@mambagrad/tensor';
import {
  boolean, callable, instanceOf, Kind, listOf, objectWith, oneOf, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';
import type { DataLoader } from '../data/loader.ts';
import { Module } from '../modules/module.ts';
import type { StateDict } from '../modules/state.ts';
import { Optimizer } from '../optimizers/optimizer.ts';
import { type StepOptions, stepOptions } from '../optimizers/optimizerOptions.ts';
import type { Schedule } from '../optimizers/schedules.ts';
import type { Losses } from './metrics.ts';
import type { ProgressOutput } from './progress.ts';

/** Batches, epoch by epoch, from a position that can be kept, as a `DataLoader` gives them. */
export type Batches<Batch> =
  & Pick<DataLoader<never, Batch>, 'state' | 'load' | typeof Symbol.iterator>
  & Partial<Pick<DataLoader<never, Batch>, 'settings'>>;

/** What a step gave. */
export interface StepRecord {
  /** The first is 1. */
  readonly step: number;
  /** The learning rate that the step was taken with. */
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
  /** Keeps the state after the step `step`; the trainer waits for the promise, if there is one. */
  save(step: number, state: StateDict): void | Promise<void>;
  /** The state that was saved last, if any was. */
  load(): StateDict | undefined | Promise<StateDict | undefined>;
}

/** Where progress is shown, and who asks to stop; Node's `process` is one. */
export interface Host {
  /** The terminal, file or pipe that progress is written to. */
  readonly stdout: ProgressOutput;
  /** Calls the listener at the next signal of that name. */
  once(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  /** Takes back a listener that was given to `once`. */
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

/** Where lines are written, such as a stream. */
export interface Log {
  /** Writes one line, which ends with a line break. */
  write(line: string): unknown;
}

/** Validation during `fit`: on which data, how often, and when to stop for it. */
export interface ValidationOptions<Batch> {
  /** The batches to evaluate on: a loader's epoch, or an array. */
  readonly data: Batches<Batch> | readonly Batch[];
  /** Evaluates after so many steps, from 1. */
  readonly every: number;
  /** Stops after so many evaluations in a row without a lower loss, from 1. Default Infinity. */
  readonly patience?: number | undefined;
}

/** Options of `Trainer`: the model, its loss and data, and how to train it. */
export interface TrainerOptions<Batch> extends StepOptions {
  /** The model, whose state is kept in checkpoints, and which `evaluate` puts in `eval`. */
  readonly model: Module;
  /** The optimizer of its parameters, or of some of them. */
  readonly optimizer: Optimizer;
  /**
   * The loss of a batch (0-d), a mean over what is in it, and other numbers to show. It is
   * compiled: batches are tensors, or plain objects and arrays of them, and it must not read their
   * values. Among several batches, each counts by its samples, the length of its first axis; or by
   * `count` (0-d), if that is given too, such as the tokens over which the loss is the mean.
   */
  readonly loss: (batch: Batch) => Losses<Tensor>;
  /** A loader; or a function that draws a batch, by the default generator or `generators`. */
  readonly data: Batches<Batch> | (() => Batch);
  /** Batches in a step, from 1: one batch of that many times the size. Default 1. */
  readonly accumulate?: number | undefined;
  /** Factors of the optimizer's `baseLr`. Default always 1. */
  readonly schedule?: Schedule | undefined;
  /** When to evaluate the model on data for validation. Default never. */
  readonly validation?: ValidationOptions<Batch> | undefined;
  /** How to compile, or false: run line by line. Default {}. */
  readonly compile?: CompileOptions | false | undefined;
  /**
   * What random numbers come from besides the default generator and fields of modules. Default [].
   */
  readonly generators?: readonly Generator[] | undefined;
  /** Keeps the state after `checkpointEvery` so many steps and when fit ends. */
  readonly checkpoints?: CheckpointStore | undefined;
  /** From 1. Default 100. */
  readonly checkpointEvery?: number | undefined;
  /** Whether to go on from the latest checkpoint, if there is one. Default false. */
  readonly resume?: boolean | undefined;
  /** Where progress is shown; SIGINT and SIGTERM end `fit` after the current step. */
  readonly host?: Host | undefined;
  /** Gets a line of JSON for each step: the record, and the seconds since fit began. */
  readonly log?: Log | undefined;
  /** Called after each step; the next one waits for the promises that they return. Default []. */
  readonly callbacks?: readonly ((record: StepRecord) => unknown)[] | undefined;
}

/** The options that have a default. */
type WithDefault =
  'accumulate' | 'compile' | 'generators' | 'checkpointEvery' | 'resume' | 'callbacks';

/** The options of a trainer with their defaults. */
export type TrainerSettings<Batch> = TrainerOptions<Batch> & {
  readonly [Key in WithDefault]: NonNullable<TrainerOptions<Batch>[Key]>;
};

const loaders = new Kind<Batches<never>>(
  'a DataLoader',
  (x) =>
    objectWith<Batches<never>>('', 'state', 'load').accepts(x) && Symbol.iterator in Object(x),
);
const objects = (expected: string): Kind<never> =>
  new Kind(expected, (x) => typeof x === 'object' && x !== null && !Array.isArray(x));

/** Batches to evaluate on. */
export const batches: Kind<Batches<never> | readonly never[]> =
  loaders.or(new Kind<readonly never[]>('an array of batches', Array.isArray));

const validationOptions = {
  data: batches.required(),
  every: whole(1).required(),
  patience: whole(1).or(oneOf(Infinity)).orElse(Infinity),
} satisfies Table<ValidationOptions<never>>;

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
  loss: callable<(batch: never) => Losses<Tensor>>().required(),
  data: loaders.or(callable<() => never>()).required(),
  accumulate: whole(1).orElse(1),
  schedule: callable<Schedule>().optional(),
  validation: objects('{ data, every }').optional(),
  compile: oneOf(false).or(objects('options of compile')).orElse({} as never),
  generators: listOf(instanceOf(Generator)).orElse([]),
  checkpoints: objectWith<CheckpointStore>('a checkpointFolder', 'save', 'load').optional(),
  checkpointEvery: whole(1).orElse(100),
  resume: boolean.orElse(false),
  host: hosts.optional(),
  log: objectWith<Log>('an object with a method write', 'write').optional(),
  callbacks: listOf(callable<(record: StepRecord) => unknown>()).orElse([]),
} satisfies Table<TrainerOptions<never>>;

/** The options with their defaults. Throws if one is missing, unknown, or out of range. */
export function readTrainerOptions<Batch>(given: TrainerOptions<Batch>): TrainerSettings<Batch> {
  const read = readOptions('Trainer', given, trainerOptions);
  const options = read as unknown as TrainerSettings<Batch>;
  const { validation } = options;
  if (validation === undefined) return options;
  const inner = readOptions('Trainer: validation', validation, validationOptions);
  return { ...options, validation: inner as unknown as ValidationOptions<Batch> };
}
