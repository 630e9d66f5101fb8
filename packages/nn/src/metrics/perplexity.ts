/**
 * Perplexity, by which language models are judged: with p the probability that the model gives to
 * the right token, and N tokens in all,
 *
 *     exp( −1/N · Σ log p )
 *
 * A model that chooses blindly among n tokens has a perplexity of n.
 */
import { describe, TensorError } from '@mambagrad/tensor';
import { readOptions } from '@mambagrad/tensor/options';
import { readClasses, requireClasses } from './classes.ts';
import {
  type ClassMetricOptions, classMetricOptions, type Metric, requirePredictions,
} from './metric.ts';

/**
 * The perplexity of logits [..., classes] for targets i32 [...], from 1. Throws if a target is not
 * a class, or a logit NaN.
 */
export function perplexity(options: ClassMetricOptions = {}): Metric<number> {
  const { ignoreIndex } = readOptions('perplexity', options, classMetricOptions);
  return {
    sums: (predictions) => {
      requirePredictions('perplexity', predictions);
      const { outputs } = predictions;
      if (outputs.dtype === 'i32') {
        throw new TensorError(`perplexity: outputs are ${describe(outputs)}, expected logits`);
      }
      const { isCounted, targets, checks } = readClasses('perplexity', predictions, ignoreIndex);
      const index = targets.unsqueeze(-1);
      const picked = outputs.logSoftmax(-1).gather(-1, index, { caller: 'perplexity' }).squeeze(-1);
      return { ...checks, loss: isCounted.where(picked.neg(), 0).sum() };
    },
    result: (totals) => {
      requireClasses('perplexity', totals);
      return Math.exp(totals['loss'][0] / totals['count'][0]);
    },
  };
}
