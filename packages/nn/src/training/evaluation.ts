/**
 * Evaluation: the mean losses of a model over a whole data set, which changes neither the model nor
 * anything else. Modules are in `eval` meanwhile, so that dropout is off.
 */
import { type Tensor, TensorError } from '@mambagrad/tensor';
import type { Module } from '../modules/module.ts';
import { rememberState } from '../modules/state.ts';
import { type Losses, meanLosses } from './batchLosses.ts';
import type { Batches } from './trainerOptions.ts';

/** The parts of a trainer that `evaluate` uses. */
export interface Evaluation<Batch> {
  readonly model: Module;
  /** The losses of a batch. */
  readonly evalStep: (batch: Batch) => Losses<Tensor>;
  /** The number of samples in a batch. */
  readonly countSamples: (batch: Batch) => number;
  /** The counters of the generators that are put back afterwards. */
  readonly generatorStates: readonly Tensor[];
}

/**
 * The losses of all batches, averaged, each weighted by its samples or its count. A loader runs
 * through a whole epoch and returns to its position; buffers and generators get back their values.
 */
export function evaluate<Batch>(
  data: Batches<Batch> | readonly Batch[], evaluation: Evaluation<Batch>,
): Losses<number> {
  const { model, evalStep, countSamples, generatorStates } = evaluation;
  const buffers = model.namedBuffers().map(([, buffer]) => buffer);
  const putBack = rememberState([...buffers, ...generatorStates]);
  const position = 'state' in data ? data.state() : undefined;
  const samples: number[] = [];
  const evaluateBatch = (batch: Batch): Losses<Tensor> => {
    samples.push(countSamples(batch));
    return evalStep(batch);
  };
  try {
    if (position && 'load' in data) data.load({ ...position, index: 0 });
    const losses = model.inEval(() => Array.from(data, evaluateBatch));
    const { means, total } = meanLosses('evaluate', losses, samples);
    if (total === 0) {
      throw new TensorError('evaluate: all batches are empty: their samples or counts add up to 0');
    }
    return means;
  } finally {
    if (position && 'load' in data) data.load(position);
    putBack();
  }
}
