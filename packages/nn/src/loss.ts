/**
 * What a model is trained to make small: a number for each prediction, brought to one. With x the
 * logits or predictions, z the targets and σ the logistic function:
 *
 *     cross-entropy          −log softmax(x)[z]
 *     binary cross-entropy   −z·log σ(x) − (1 − z)·log(1 − σ(x))
 *     squared error          (x − z)²
 */
import { describe, type Tensor, TensorError } from '@mambagrad/tensor';

export interface LossOptions {
  /** The mean of all numbers, their sum, or each by itself. Default `mean`. */
  readonly reduction?: 'mean' | 'sum' | 'none';
}

export interface CrossEntropyOptions extends LossOptions {
  /** Positions with this target do not count. Default −100. */
  readonly ignoreIndex?: number;
  /** The share of each target that is spread evenly over all classes. Default 0. */
  readonly labelSmoothing?: number;
}

/**
 * The mean of −log p(target), with p the softmax of the logits: logits [..., classes], targets i32
 * [...]. Positions to ignore count neither above nor below, and unreduced they are 0; if none is
 * left the mean is 0.
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor,
  { ignoreIndex = -100, labelSmoothing = 0, reduction }: CrossEntropyOptions = {},
): Tensor {
  if (logits.shape.slice(0, -1).join() !== targets.shape.join() || targets.dtype !== 'i32') {
    throw new TensorError(
      `crossEntropy: logits are ${describe(logits)}, targets ${describe(targets)}; expected ` +
        '[..., classes] and i32[...]',
    );
  }
  const logProbabilities = logits.logSoftmax(-1);
  const ignored = targets.equal(ignoreIndex);
  const index = ignored.where(0, targets).unsqueeze(-1);
  const picked = logProbabilities.gather(-1, index, { caller: 'crossEntropy' }).squeeze(-1);
  const mixed =
    labelSmoothing === 0
      ? picked
      : picked.mul(1 - labelSmoothing).add(logProbabilities.mean(-1).mul(labelSmoothing));
  const counted = ignored.equal(0).cast(logits.dtype).sum().maximum(1);
  return reduce(ignored.where(0, mixed.neg()), reduction, counted);
}

/**
 * The binary cross-entropy of logits and targets from 0 to 1, in one shape and dtype. Each
 * logarithm is a softplus, so that nothing overflows and sure answers keep their digits.
 */
export function binaryCrossEntropyWithLogits(
  logits: Tensor, targets: Tensor, { reduction }: LossOptions = {},
): Tensor {
  requireSame('binaryCrossEntropyWithLogits', logits, targets);
  const [ifOne, ifZero] = [logits.neg().softplus(), logits.softplus()];
  return reduce(targets.mul(ifOne).add(targets.neg().add(1).mul(ifZero)), reduction);
}

/** The squared error of predictions x and targets, in one shape and dtype. */
export function mseLoss(x: Tensor, targets: Tensor, { reduction }: LossOptions = {}): Tensor {
  requireSame('mseLoss', x, targets);
  return reduce(x.sub(targets).square(), reduction);
}

function reduce(losses: Tensor, reduction = 'mean', counted?: Tensor): Tensor {
  if (reduction === 'none') return losses;
  if (reduction === 'sum') return losses.sum();
  return counted ? losses.sum().div(counted) : losses.mean();
}

/** Broadcasting would hide a mistake: [n] less [n, 1] are n² differences. */
function requireSame(op: string, predictions: Tensor, targets: Tensor): void {
  if (describe(predictions) === describe(targets)) return;
  throw new TensorError(
    `${op}: predictions are ${describe(predictions)}, targets ${describe(targets)}; expected the ` +
      'same shape and dtype',
  );
}
