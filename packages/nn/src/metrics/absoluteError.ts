/**
 * The mean absolute error of predicted numbers, in the unit of the numbers themselves:
 *
 *     1/N · Σ |x − z|
 */
import { describe, ones, TensorError } from '@mambagrad/tensor';
import { countedBy, type Metric, requireNumbers, requirePredictions } from './metric.ts';

/**
 * The mean of |output − target|, which have one shape and dtype, f32 or f64. Throws if an error
 * that is counted is NaN.
 */
export function meanAbsoluteError(): Metric<number> {
  const op = 'meanAbsoluteError';
  return {
    sums: (predictions) => {
      requirePredictions(op, predictions);
      const { outputs, targets, mask } = predictions;
      if (describe(outputs) !== describe(targets) || outputs.dtype === 'i32') {
        throw new TensorError(
          `${op}: outputs are ${describe(outputs)}, targets ${describe(targets)}; expected the ` +
            'same shape and dtype, f32 or f64',
        );
      }
      const errors = outputs.sub(targets).abs();
      const isCounted = countedBy(mask, ones(targets.shape, { dtype: 'i32' }));
      return {
        count: isCounted.sum(),
        notNumbers: isCounted.where(errors.isNaN(), 0).sum(),
        error: isCounted.where(errors, 0).sum(),
      };
    },
    result: (totals) => {
      requireNumbers(op, totals);
      return totals['error'][0] / totals['count'][0];
    },
  };
}
