/**
 * The options of validation: how often, on which data, by which metrics, and what follows from it.
 */
import { TensorError } from '@mambagrad/tensor';
import {
  boolean, callable, checkArgument, oneOf, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';
import { type Metric, metricKind, type Predictions } from '../metrics/metric.ts';
import { type Batches, batches } from './batches.ts';
import type { Losses } from './batchLosses.ts';
import { type BestOptions, readBestOptions } from './judging.ts';
import { objects } from './kinds.ts';

/** No metrics besides the losses. */
export type NoScores = Readonly<Record<never, never>>;

/**
 * The results of an evaluation: the losses, averaged, and beside them the metrics of `validation`,
 * if there are any, under their names.
 */
export type Evaluated<Scores = NoScores> = Losses<number> & Readonly<Scores>;

/** Metrics by name, of which each has its result in `Scores`. */
export type MetricsOf<Scores> = { readonly [Name in keyof Scores]: Metric<Scores[Name]> };

/** Validation during `fit`: on which data, how often, by which metrics, and when to stop early. */
export interface ValidationOptions<Batch, Scores = NoScores> {
  /** The batches to evaluate on: a loader's epoch, or an array. */
  readonly data: Batches<Batch> | readonly Batch[];
  /** The number of steps from one evaluation to the next, from 1. Default by `everyEpochs`. */
  readonly every?: number | undefined;
  /**
   * The number of epochs from one evaluation to the next, from 1: it comes after the last step of
   * an epoch. Default by `every`.
   */
  readonly everyEpochs?: number | undefined;
  /**
   * What the model predicts for a batch, of which the metrics are computed. It is compiled together
   * with the loss, so what both compute is computed once. Default the `predict` of the trainer, if
   * it has one.
   */
  readonly predict?: ((batch: Batch) => Predictions) | undefined;
  /**
   * Metrics besides the losses, by name, such as `{ accuracy: accuracy() }`. They need `predict`.
   * Default {}.
   */
  readonly metrics?: MetricsOf<Scores> | undefined;
  /** What judges an evaluation, for `patience` and `keepBest`. Default the lowest loss. */
  readonly best?: BestOptions | undefined;
  /**
   * Stop after this many successive evaluations without a better one, from 1. Default Infinity.
   */
  readonly patience?: number | undefined;
  /**
   * Whether to keep the model of the best evaluation, and give it back when `fit` ends, in whatever
   * way it does. A later `fit` goes on from the last state of training. Default false.
   */
  readonly keepBest?: boolean | undefined;
}

/** The options of validation with their defaults, without the types of results. */
export type ValidationSettings<Batch> = Omit<
  ValidationOptions<Batch>, 'metrics' | 'best' | 'patience' | 'keepBest'
> & {
  readonly metrics: Readonly<Record<string, Metric<unknown>>>;
  readonly best: BestOptions;
  readonly patience: number;
  readonly keepBest: boolean;
  /** Whether checkpoints keep a record of the best evaluation. */
  readonly isBestRecorded: boolean;
};

const validationOptions = {
  data: batches.required(),
  every: whole(1).optional(),
  everyEpochs: whole(1).optional(),
  predict: callable<(batch: never) => Predictions>().optional(),
  metrics: objects('an object of metrics').orElse({} as never),
  best: objects('{ metric, direction }').optional(),
  patience: whole(1).or(oneOf(Infinity)).orElse(Infinity),
  keepBest: boolean.orElse(false),
} satisfies Table<ValidationOptions<never>>;

/**
 * The options with their defaults. The training data may have epochs, and the trainer a `predict`.
 */
export function readValidationOptions<Batch>(
  given: object,
  { hasEpochs, hasPredict }: { readonly hasEpochs: boolean; readonly hasPredict: boolean },
): ValidationSettings<Batch> {
  const op = 'Trainer: validation';
  const options = readOptions(op, given, validationOptions);
  const read = {
    ...options,
    best: readBestOptions(options.best),
    isBestRecorded: options.best !== undefined || options.keepBest || options.patience < Infinity,
  } as unknown as ValidationSettings<Batch>;
  const { every, everyEpochs, metrics, predict } = read;
  const fail = (problem: string): never => {
    throw new TensorError(`${op}: ${problem}`);
  };
  if (every === undefined && everyEpochs === undefined) {
    fail('every is missing, expected every (steps) or everyEpochs');
  }
  if (everyEpochs !== undefined && !hasEpochs) {
    fail(
      `everyEpochs is ${everyEpochs}, but the data is a function, which has no epochs; give ` +
        'every (steps), or make the data a DataLoader',
    );
  }
  for (const [name, metric] of Object.entries(metrics)) {
    checkArgument(`${op}: metrics`, name, metric, metricKind);
    if (name === 'loss') fail("a metric is called 'loss', as the loss is; give it another name");
  }
  const hasMetrics = Object.keys(metrics).length > 0;
  if (predict ? !hasMetrics : hasMetrics && !hasPredict) {
    fail('metrics and predict belong together, but only one of them is given');
  }
  return read;
}
