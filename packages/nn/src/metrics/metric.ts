/**
 * Metrics of a whole data set. The mean of the accuracies of batches is not the accuracy of the
 * set: a last batch of 3 samples would weigh as much as one of 64. So a metric has two parts. Of
 * each batch it computes sums, such as the numbers of right answers and of all answers; these are
 * added up over the batches, and the result is made of the totals, once:
 *
 *     result( Σ sums(batch) )
 *
 * However the set is cut into batches, the result is that of one batch of everything: counts agree
 * exactly, sums of real numbers to rounding.
 */
import { describe, Tensor, TensorError } from '@mambagrad/tensor';
import { checkArgument, type FullTable, Kind, show, whole } from '@mambagrad/tensor/options';

/** What a model has predicted for a batch, and what would have been right. */
export interface Predictions {
  /** The outputs of the model; each metric says in which shape it takes them. */
  readonly outputs: Tensor;
  /** The right answers. */
  readonly targets: Tensor;
  /**
   * Where it is 0 nothing is counted, such as at padding. It has the shape of the targets, or that
   * of their first axes, such as [batch, length] for targets [batch, length, features]; an axis of
   * size 1 stands for all positions along it.
   */
  readonly mask?: Tensor | undefined;
}

/** Sums over a batch, by name. They can be computed in a compiled function. */
export type Sums = Readonly<Record<string, Tensor>>;

/** The sums over all batches, by name. */
export type Totals = Readonly<Record<string, Float64Array>>;

/** A metric: its sums over a batch, and how its result follows from their totals. */
export interface Metric<Result> {
  /** The sums over a batch, of the same names and shapes for each. */
  readonly sums: (predictions: Predictions) => Sums;
  /** The result. Throws if there is none, such as for no samples. */
  readonly result: (totals: Totals) => Result;
}

/** Options of metrics of classes: which positions are left out. */
export interface ClassMetricOptions {
  /** Positions with this target are not counted. Default -100. */
  readonly ignoreIndex?: number | undefined;
}

export const classMetricOptions: FullTable<ClassMetricOptions> = {
  ignoreIndex: whole(-(2 ** 31), 2 ** 31 - 1).orElse(-100),
};

/** The number of classes of a metric. */
export const classCounts: Kind<number> = whole(1);

/** Metrics, as errors name them. */
export const metricKind: Kind<Metric<unknown>> = new Kind(
  'a metric, such as accuracy()',
  (x) => {
    const { sums, result } = Object(x) as Partial<Metric<unknown>>;
    return typeof sums === 'function' && typeof result === 'function';
  },
);

/** Each metric checks the fields, in its own name. */
const predictionKind = new Kind<Predictions>(
  '{ outputs, targets }', (x) => typeof x === 'object' && x !== null,
);

const sumsKind = new Kind<Sums>('tensors by name', (x) => typeof x === 'object' && x !== null &&
  Object.values(x).every((each) => each instanceof Tensor));

/** The totals of a metric over the batches so far. */
export class MetricTotal<Result> {
  readonly #metric: Metric<Result>;
  readonly #totals: Record<string, Float64Array> = {};

  /** Before the first batch. */
  constructor(metric: Metric<Result>) {
    checkArgument('MetricTotal', 'metric', metric, metricKind);
    this.#metric = metric;
  }

  /** Adds a batch. */
  add(predictions: Predictions): void {
    checkArgument('MetricTotal.add', 'predictions', predictions, predictionKind);
    this.addSums(this.#metric.sums(predictions));
  }

  /** Adds a batch by its sums, which may come from a compiled function. */
  addSums(sums: Sums): void {
    checkArgument('MetricTotal.addSums', 'sums', sums, sumsKind);
    for (const [name, { data }] of Object.entries(sums)) {
      const total = (this.#totals[name] ??= new Float64Array(data.length));
      if (total.length !== data.length) {
        throw new TensorError(
          `MetricTotal: '${name}' has ${data.length} elements, those of a batch before it ` +
            `${total.length}`,
        );
      }
      for (let i = 0; i < total.length; i++) total[i] += data[i];
    }
  }

  /** The result for all batches that were added. Throws if there are no samples. */
  result(): Result {
    if (Object.keys(this.#totals).length === 0) {
      throw new TensorError('MetricTotal: there is no batch');
    }
    return this.#metric.result(this.#totals);
  }
}

/**
 * A metric over all batches: `measure(accuracy(), [{ outputs, targets }])`. The batches may come
 * from a generator function, one at a time.
 */
export function measure<Result>(metric: Metric<Result>, batches: Iterable<Predictions>): Result {
  const total = new MetricTotal(metric);
  for (const batch of batches) total.add(batch);
  return total.result();
}

/** Throws unless these are tensors, and the mask, if there is one, broadcasts to the targets. */
export function requirePredictions(op: string, predictions: Predictions): void {
  const { outputs, targets, mask } = predictions;
  for (const [name, value] of Object.entries({ outputs, targets })) {
    if (value instanceof Tensor) continue;
    throw new TensorError(`${op}: ${name} is ${show(value)}, expected a tensor`);
  }
  if (mask === undefined) return;
  const isRight = mask instanceof Tensor && mask.ndim <= targets.ndim &&
    mask.shape.every((size, axis) => size === 1 || size === targets.shape[axis]);
  if (isRight) return;
  const shape = `[${targets.shape.join(', ')}]`;
  throw new TensorError(
    `${op}: mask is ${mask instanceof Tensor ? describe(mask) : show(mask)}, expected the shape ` +
      `of the targets, ${shape}, or of their first axes`,
  );
}

/** 1 where a position is counted: where the mask is not 0, and `isKept` is not. */
export function countedBy(mask: Tensor | undefined, isKept: Tensor): Tensor {
  if (mask === undefined) return isKept;
  const missing = isKept.shape.slice(mask.ndim).map(() => 1);
  return mask.notEqual(0).reshape([...mask.shape, ...missing]).where(isKept, 0);
}

/** Throws, in the name of `op`, if positions were not numbers, or if there was none. */
export function requireNumbers(op: string, { count: [count], notNumbers: [wrong] }: Totals): void {
  if (wrong > 0) {
    throw new TensorError(`${op}: of ${count} positions, ${wrong} are NaN`);
  }
  if (count === 0) {
    throw new TensorError(`${op}: there are no samples: all batches are empty, masked or ignored`);
  }
}
