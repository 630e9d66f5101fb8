/**
 * Which classes are taken for which. The confusion matrix M counts the positions of class i that
 * were predicted as class j. Of class c,
 *
 *     precision  P = M_cc / Σᵢ M_ic        how many of those predicted as c are c
 *     recall     R = M_cc / Σⱼ M_cj        how many of those that are c were found
 *     F1 = 2PR / (P + R) = 2 M_cc / (Σᵢ M_ic + Σⱼ M_cj)
 */
import { type Tensor, zeros } from '@mambagrad/tensor';
import { checkArgument, readOptions } from '@mambagrad/tensor/options';
import { readClasses, requireClasses } from './classes.ts';
import {
  classCounts, type ClassMetricOptions, classMetricOptions, type Metric, type Sums, type Totals,
} from './metric.ts';

/** A confusion matrix: row i has the positions of class i, column j those predicted as class j. */
export type ConfusionMatrix = readonly (readonly number[])[];

/** F1 scores, from 0 to 1. */
export interface F1 {
  /** The mean over the classes that occur, in targets or predictions: each weighs the same. */
  readonly macro: number;
  /** That of all positions together: each weighs the same. It equals the accuracy. */
  readonly micro: number;
  /** That of each class; 0 for a class that does not occur. */
  readonly perClass: readonly number[];
}

/**
 * How often each class was predicted as each, as an array of `classes` rows. Outputs are scores
 * [..., classes], such as logits, or predicted classes, i32 [...]; targets are i32 [...]. Throws if
 * a target or a prediction is not one of the classes, or a score NaN.
 */
export function confusionMatrix(
  classes: number, options: ClassMetricOptions = {},
): Metric<ConfusionMatrix> {
  return matrixMetric('confusionMatrix', classes, options, (matrix) => matrix);
}

/** The F1 scores of `classes` classes, which are given as for `confusionMatrix`. */
export function f1(classes: number, options: ClassMetricOptions = {}): Metric<F1> {
  return matrixMetric('f1', classes, options, f1Of);
}

function matrixMetric<Result>(
  op: string, classes: number, options: ClassMetricOptions,
  resultOf: (matrix: ConfusionMatrix) => Result,
): Metric<Result> {
  checkArgument(op, 'classes', classes, classCounts);
  const { ignoreIndex } = readOptions(op, options, classMetricOptions);
  return {
    sums: (predictions): Sums => {
      const read = readClasses(op, predictions, ignoreIndex, classes);
      const { isCounted, targets, predicted, checks } = read;
      return { ...checks, matrix: countPairs(isCounted, targets, predicted, classes) };
    },
    result: (totals: Totals) => {
      requireClasses(op, totals);
      const { matrix } = totals;
      return resultOf(Array.from({ length: classes }, (_, row) =>
        Array.from(matrix.subarray(row * classes, (row + 1) * classes)),
      ));
    },
  };
}

/** How often each pair of classes occurs where `isCounted` is 1, i32 [classes · classes]. */
function countPairs(
  isCounted: Tensor, targets: Tensor, predicted: Tensor, classes: number,
): Tensor {
  const pairs = targets.mul(classes).add(predicted).reshape([-1]);
  const none = zeros([classes * classes], { dtype: 'i32' });
  return none.scatterAdd(0, pairs, isCounted.reshape([-1]));
}

function f1Of(matrix: ConfusionMatrix): F1 {
  const sum = (values: readonly number[]): number => values.reduce((total, x) => total + x, 0);
  const right = matrix.map((row, c) => row[c]);
  // 2 M_cc + what was missed + what was wrongly taken for c.
  const sizes = matrix.map((row, c) => sum(row) + sum(matrix.map((other) => other[c])));
  const perClass = right.map((count, c) => (sizes[c] === 0 ? 0 : (2 * count) / sizes[c]));
  const occurring = perClass.filter((_, c) => sizes[c] > 0);
  return {
    macro: sum(occurring) / occurring.length,
    micro: (2 * sum(right)) / sum(sizes),
    perClass,
  };
}
