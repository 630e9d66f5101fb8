/**
 * Early stopping: training ends once validation has stopped getting better. The lowest loss so far
 * is remembered, and after `patience` evaluations in succession without a lower one it is over.
 */

/** How validation has gone so far. */
export interface EarlyStopping {
  /** The lowest loss of an evaluation; Infinity before the first. */
  readonly bestLoss: number;
  /** The evaluations since that one, none of which had a lower loss. */
  readonly evaluationsSinceBest: number;
}

/** Before the first evaluation. */
export const notEvaluated: EarlyStopping = { bestLoss: Infinity, evaluationsSinceBest: 0 };

/** After one more evaluation. An equal loss, or NaN, is not lower. */
export function afterEvaluation(before: EarlyStopping, loss: number): EarlyStopping {
  if (loss < before.bestLoss) return { bestLoss: loss, evaluationsSinceBest: 0 };
  return { ...before, evaluationsSinceBest: before.evaluationsSinceBest + 1 };
}
