/**
 * Predicted classes beside the right ones, as all metrics of classes read them. A wrong number in a
 * batch, NaN or a target that is no class, cannot be an error while it is computed, as a compiled
 * function does not know its numbers. So it is counted like everything else, and is an error in the
 * result.
 */
import { describe, type Tensor, TensorError } from '@mambagrad/tensor';
import {
  countedBy, type Predictions, requireNumbers, requirePredictions, type Totals,
} from './metric.ts';

/** The classes of a batch. */
export interface Classes {
  /** 1 where a position is counted, i32 in the shape of the targets, like those below. */
  readonly isCounted: Tensor;
  /** The right classes; 0 where nothing is counted. */
  readonly targets: Tensor;
  /** The predicted classes. */
  readonly predicted: Tensor;
  /** What every metric of classes has among its sums; see `requireClasses`. */
  readonly checks: Readonly<Record<'count' | 'notNumbers' | 'notClasses', Tensor>>;
}

/**
 * Reads the classes of a batch. Outputs are scores, such as logits, [..., classes], of which the
 * highest counts, the first of equal ones; or they are predicted classes, i32, in the shape of the
 * targets. `classes` is how many there have to be; undefined for as many as there are.
 */
export function readClasses(
  op: string, predictions: Predictions, ignoreIndex: number, classes?: number,
): Classes {
  requirePredictions(op, predictions);
  const { outputs, targets, mask } = predictions;
  const isScores = outputs.dtype !== 'i32';
  const [shape, last] = isScores
    ? [outputs.shape.slice(0, -1), outputs.shape[outputs.ndim - 1]]
    : [outputs.shape, classes];
  const isRight = targets.dtype === 'i32' && shape.join() === targets.shape.join() &&
    !(isScores && outputs.ndim === 0);
  if (!isRight || (classes !== undefined && last !== classes)) {
    throw new TensorError(
      `${op}: outputs are ${describe(outputs)}, targets ${describe(targets)}; expected scores ` +
        `[..., ${classes ?? 'classes'}] or classes i32[...], and targets i32[...]`,
    );
  }
  const isCounted = countedBy(mask, targets.notEqual(ignoreIndex));
  const predicted = isScores ? outputs.argmax(-1) : outputs;
  const isIn = (x: Tensor): Tensor => {
    const isFromZero = x.greaterEqual(0);
    return last === undefined ? isFromZero : isFromZero.where(x.less(last), 0);
  };
  const areClasses = isIn(targets).where(isIn(predicted), 0);
  const isNaN = isScores ? outputs.isNaN().sum(-1).greater(0) : targets.notEqual(targets);
  const isUsed = isCounted.where(areClasses, 0);
  return {
    isCounted: isUsed,
    targets: isUsed.where(targets, 0),
    predicted: isUsed.where(predicted, 0),
    checks: {
      count: isCounted.sum(),
      notNumbers: isCounted.where(isNaN, 0).sum(),
      notClasses: isCounted.where(areClasses.equal(0), 0).sum(),
    },
  };
}

/** Throws, in the name of `op`, if the totals of `checks` say that something was wrong. */
export function requireClasses(op: string, totals: Totals): void {
  requireNumbers(op, totals);
  const { count: [count], notClasses: [wrong] } = totals;
  if (wrong === 0) return;
  throw new TensorError(
    `${op}: of ${count} positions, ${wrong} have a target or a prediction that is not one of the ` +
      'classes; set ignoreIndex, or a mask, if they are not to be counted',
  );
}
