/**
 * Evaluation: the mean losses of a model over a whole data set, and metrics of it, which changes
 * neither the model nor anything else. Modules are in `eval` meanwhile, so that dropout is off.
 */
import { type Tensor, TensorError } from '@mambagrad/tensor';
import { type Metric, MetricTotal } from '../metrics/metric.ts';
import type { Module } from '../modules/module.ts';
import { rememberState } from '../modules/state.ts';
import type { Batches } from './batches.ts';
import { type Losses, meanLosses } from './batchLosses.ts';
import type { EvalStepResult } from './steps.ts';
import type { Evaluated } from './validationOptions.ts';

/** The parts of a trainer that `evaluate` uses. */
export interface Evaluation<Batch> {
  readonly model: Module;
  /** The losses of a batch, and the sums of each metric. */
  readonly evalStep: (batch: Batch) => EvalStepResult;
  /** The metrics, by name. */
  readonly metrics: Readonly<Record<string, Metric<unknown>>>;
  /** The number of samples in a batch. */
  readonly countSamples: (batch: Batch) => number;
  /** The counters of the generators that are put back afterwards. */
  readonly generatorStates: readonly Tensor[];
}

/**
 * The losses of all batches, averaged, each weighted by its samples or its count, and the metrics
 * of all batches together. A loader runs through a whole epoch and returns to its position; buffers
 * and generators get back their values.
 */
export function evaluate<Batch>(
  data: Batches<Batch> | readonly Batch[], evaluation: Evaluation<Batch>,
): Evaluated<Readonly<Record<string, unknown>>> {
  const { model, evalStep, metrics, countSamples, generatorStates } = evaluation;
  const buffers = model.namedBuffers().map(([, buffer]) => buffer);
  const putBack = rememberState([...buffers, ...generatorStates]);
  const position = 'state' in data ? data.state() : undefined;
  const samples: number[] = [];
  const totals = Object.entries(metrics).map(([name, metric]) => (
    { name, total: new MetricTotal(metric) }
  ));
  const evaluateBatch = (batch: Batch): Losses<Tensor> => {
    samples.push(countSamples(batch));
    const { losses, sums } = evalStep(batch);
    for (const { name, total } of totals) total.addSums(sums[name]);
    return losses;
  };
  try {
    if (position && 'load' in data) data.load({ ...position, index: 0 });
    const losses = model.inEval(() => Array.from(data, evaluateBatch));
    const { means, total } = meanLosses('evaluate', losses, samples);
    if (total === 0) {
      throw new TensorError('evaluate: all batches are empty: their samples or counts add up to 0');
    }
    const scores = totals.map(({ name, total }): [string, unknown] => [name, total.result()]);
    return Object.assign(means, Object.fromEntries(scores));
  } finally {
    if (position && 'load' in data) data.load(position);
    putBack();
  }
}
