/**
 * Losses whose targets are probabilities z. With x the logits, σ the logistic function, log p the
 * predicted log probabilities and w the weight of positive targets, 1 unless given,
 *
 *     binaryCrossEntropyWithLogits    −w·z·log σ(x) − (1 − z)·log(1 − σ(x)), of yes or no
 *     klDivergence                    Σ z[c]·(log z[c] − log p[c]), of distributions over classes c
 */
import { describe, full, type Tensor, TensorError } from '@mambagrad/tensor';
import { boolean, number, readOptions, type Table, tensors } from '@mambagrad/tensor/options';
import { requireElements, requireSame, requireWeights } from './checks.ts';
import { Counting, type LossOptions, lossOptions } from './counting.ts';

/** Options of `binaryCrossEntropyWithLogits`: how positive targets are weighted. */
export interface BinaryCrossEntropyOptions extends LossOptions {
  /**
   * w, the weight of positive targets, a finite number from 0: above 1 where they are rare, such as
   * the number of negative ones for each. A tensor that broadcasts to the shape of the logits gives
   * each class its own: [classes] for logits [..., classes]. Weights are constants, without
   * gradients, and the mean is not divided by them. Default 1.
   */
  readonly posWeight?: number | Tensor | undefined;
}

const binaryCrossEntropyOptions = {
  ...lossOptions,
  posWeight: number({ from: 0 }).or(tensors).orElse(1),
} satisfies Table<BinaryCrossEntropyOptions>;

/**
 * The binary cross-entropy of logits and targets from 0 to 1, of the same shape and dtype. Each
 * logarithm is computed as a softplus, so that nothing overflows and the loss of a confident
 * prediction keeps its digits; a logit of ±∞ is sure, and its loss 0 if it is right. Throws if a
 * target is below 0 or above 1.
 */
export function binaryCrossEntropyWithLogits(
  logits: Tensor, targets: Tensor, options: BinaryCrossEntropyOptions = {},
): Tensor {
  const op = 'binaryCrossEntropyWithLogits';
  const { posWeight, ...read } = readOptions(op, options, binaryCrossEntropyOptions);
  requireSame(op, logits, targets);
  const counting = new Counting(op, targets.shape, logits.dtype, read);
  const [x, given] = [logits, targets].map((each) => counting.select(each));
  // NaN is not equal to itself clamped.
  const isRight = given.maximum(0).minimum(1).equal(given);
  const range = { op, name: 'targets', expected: 'between 0 and 1' };
  const z = requireElements(given, isRight, range);
  const [ifOne, ifZero] = [x.neg().softplus(), x.softplus()];
  const [positive, negative] = [part(z, ifOne), part(z.neg().add(1), ifZero)];
  if (posWeight === 1) return counting.reduce(positive.add(negative));
  const weight = positiveWeight(op, posWeight, logits);
  // A loss of ∞ times a weight of 0 would be NaN.
  const weighted = weight.equal(0).where(0, positive.mul(weight));
  return counting.reduce(weighted.add(negative));
}

/** A share of a loss: 0 if there is none, also of an infinite loss. */
function part(share: Tensor, loss: Tensor): Tensor {
  const isNone = share.equal(0).mul(loss.equal(Infinity));
  return share.mul(isNone.where(0, loss));
}

/** The weight of positive targets as a tensor that is known to be right. */
function positiveWeight(op: string, given: number | Tensor, logits: Tensor): Tensor {
  if (typeof given === 'number') return full([], given, { dtype: logits.dtype });
  const sizes = logits.shape.slice(logits.ndim - given.ndim);
  const fits = given.ndim <= logits.ndim &&
    given.shape.every((size, axis) => size === 1 || size === sizes[axis]);
  if (fits && given.dtype === logits.dtype) return requireWeights(op, 'posWeight', given);
  throw new TensorError(
    `${op}: posWeight is ${describe(given)}, logits are ${describe(logits)}; expected the same ` +
      'dtype, and a shape that broadcasts to that of the logits',
  );
}

/** Options of `klDivergence`: whether targets are logarithms. */
export interface KlDivergenceOptions extends LossOptions {
  /** Whether targets are log probabilities, too, as PyTorch's `log_target`. Default false. */
  readonly logTargets?: boolean | undefined;
}

const klDivergenceOptions = {
  ...lossOptions,
  logTargets: boolean.orElse(false),
} satisfies Table<KlDivergenceOptions>;

/** A probability may be above 1 by this much, the rounding of the sum by which it was divided. */
const ROUNDING = 1e-5;

/**
 * The Kullback–Leibler divergence of a predicted distribution p from the targets z,
 *
 *     KL(z‖p) = Σ z[c]·(log z[c] − log p[c])
 *
 * which is at least 0, and 0 only if they are equal. It takes log probabilities [..., classes], as
 * `logSoftmax` gives them, and targets of the same shape and dtype. The sum over the last axis is
 * the divergence at one position, and the reduction is over positions: unreduced they are [...].
 * The mean is PyTorch's `kl_div` with reduction 'batchmean'; its 'mean' also divides by the number
 * of classes. Where z is 0 the term is 0, whatever p is. Throws if a target is not a probability.
 */
export function klDivergence(
  logProbabilities: Tensor, targets: Tensor, options: KlDivergenceOptions = {},
): Tensor {
  const op = 'klDivergence';
  const { logTargets, ...read } = readOptions(op, options, klDivergenceOptions);
  requireSame(op, logProbabilities, targets);
  if (targets.ndim === 0) {
    throw new TensorError(
      `${op}: log probabilities are ${describe(logProbabilities)}; expected [..., classes]`,
    );
  }
  const counting = new Counting(op, targets.shape.slice(0, -1), targets.dtype, read);
  const [log, given] = [logProbabilities, targets].map((each) => counting.select(each));
  const { probabilities, logarithms } = logTargets ? fromLogs(op, given) : fromPlain(op, given);
  // Classes of probability 0 are left out first, so that neither log 0 nor a predicted log
  // probability of −∞ reaches a product or a gradient there.
  const predicted = probabilities.equal(0).where(0, log);
  return counting.reduce(probabilities.mul(logarithms.sub(predicted)).sum(-1));
}

/** Probabilities, and their logarithms where they are not 0, where the logarithm is 0, too. */
interface Distribution {
  readonly probabilities: Tensor;
  readonly logarithms: Tensor;
}

function fromPlain(op: string, targets: Tensor): Distribution {
  const isRight = targets.maximum(0).minimum(1 + ROUNDING).equal(targets);
  const range = { op, name: 'targets', expected: 'between 0 and 1' };
  const probabilities = requireElements(targets, isRight, range);
  return { probabilities, logarithms: probabilities.equal(0).where(1, probabilities).log() };
}

function fromLogs(op: string, targets: Tensor): Distribution {
  const expected = 'at most 0, as the logarithm of a probability is';
  const range = { op, name: 'targets', expected };
  const logs = requireElements(targets, targets.lessEqual(ROUNDING), range);
  const probabilities = logs.exp();
  return { probabilities, logarithms: probabilities.equal(0).where(0, logs) };
}
