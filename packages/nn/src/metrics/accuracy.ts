/**
 * Accuracy: the part of all positions at which the model is right. Top-k accuracy counts it as
 * right if the target is among the k classes with the highest scores; k = 1 is accuracy.
 */
import { arange, describe, TensorError } from '@mambagrad/tensor';
import { checkArgument, readOptions } from '@mambagrad/tensor/options';
import { readClasses, requireClasses } from './classes.ts';
import {
  classCounts, type ClassMetricOptions, classMetricOptions, type Metric, requirePredictions,
  type Totals,
} from './metric.ts';

/**
 * The part of the targets, i32 [...], that are predicted, from 0 to 1. Outputs are scores [...,
 * classes], such as logits, or predicted classes, i32 [...]. Throws if a target is not a class, or
 * a score NaN.
 */
export function accuracy(options: ClassMetricOptions = {}): Metric<number> {
  const { ignoreIndex } = readOptions('accuracy', options, classMetricOptions);
  return {
    sums: (predictions) => {
      const classes = readClasses('accuracy', predictions, ignoreIndex);
      const { isCounted, targets, predicted, checks } = classes;
      return { ...checks, right: isCounted.where(predicted.equal(targets), 0).sum() };
    },
    result: (totals) => partRight('accuracy', totals),
  };
}

/**
 * The part of the targets, i32 [...], that are among the k classes with the highest scores. Outputs
 * are scores [..., classes]; of equal scores the first are higher. Throws as `accuracy` does, and
 * if there are fewer than k classes.
 */
export function topK(k: number, options: ClassMetricOptions = {}): Metric<number> {
  checkArgument('topK', 'k', k, classCounts);
  const { ignoreIndex } = readOptions('topK', options, classMetricOptions);
  return {
    sums: (predictions) => {
      requirePredictions('topK', predictions);
      const { outputs } = predictions;
      if (outputs.dtype === 'i32' || (outputs.shape[outputs.ndim - 1] ?? 0) < k) {
        throw new TensorError(
          `topK: outputs are ${describe(outputs)}, expected scores of at least k = ${k} classes`,
        );
      }
      const { isCounted, targets, checks } = readClasses('topK', predictions, ignoreIndex);
      // The rank of the target: how many classes have a higher score, or the same and come first.
      const target = targets.unsqueeze(-1);
      const score = outputs.gather(-1, target, { caller: 'topK' });
      const indices = arange(0, outputs.shape[outputs.ndim - 1], 1, { dtype: 'i32' });
      const isBefore = indices.less(target).where(outputs.equal(score), 0);
      const rank = outputs.greater(score).add(isBefore).sum(-1);
      return { ...checks, right: isCounted.where(rank.less(k), 0).sum() };
    },
    result: (totals) => partRight('topK', totals),
  };
}

function partRight(op: string, totals: Totals): number {
  requireClasses(op, totals);
  return totals['right'][0] / totals['count'][0];
}
