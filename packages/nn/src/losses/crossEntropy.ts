/**
 * Losses of classes. A model gives each position a number for every class, and the target is the
 * number of the right one, z. With x the logits, log p = log softmax(x) and w the weight of each
 * class, 1 unless given,
 *
 *     nllLoss         −w[z]·log p[z], from log p
 *     crossEntropy    the same, from x
 *
 * and the mean of positions i is weighted: Σ lossᵢ / Σ w[zᵢ]. Label smoothing ε takes a part ε of
 * the target's probability and spreads it evenly over all C classes:
 *
 *     −(1 − ε)·w[z]·log p[z] − ε/C · Σ w[c]·log p[c]
 *
 * Szegedy et al., "Rethinking the Inception architecture for computer vision" (2016),
 * section 7.
 */
import { describe, type Tensor, TensorError } from '@mambagrad/tensor';
import {
  number, type Read, readOptions, type Table, tensors, whole,
} from '@mambagrad/tensor/options';
import { requireTensors, requireWeights } from './checks.ts';
import { Counting, type LossOptions, lossOptions } from './counting.ts';

/** Options of `nllLoss`: which positions are ignored, and how classes are weighted. */
export interface NllOptions extends LossOptions {
  /** Positions with this target are ignored. Default -100. */
  readonly ignoreIndex?: number | undefined;
  /**
   * The weight of each class, [classes], finite numbers from 0, in the dtype of the predictions:
   * larger for rare classes, so that they count as much as common ones. Losses are multiplied by
   * the weight of their target, and the mean is divided by the sum of these weights. A class of
   * weight 0 is left out. Weights are constants, without gradients. Default: all count the same.
   */
  readonly weight?: Tensor | undefined;
}

/** Options of `crossEntropy`: which positions are ignored, and how targets are smoothed. */
export interface CrossEntropyOptions extends NllOptions {
  /**
   * The part of each target's probability, from 0 to 1, that is spread evenly over all classes.
   * Default 0.
   */
  readonly labelSmoothing?: number | undefined;
}

const nllOptions = {
  ...lossOptions,
  ignoreIndex: whole(-(2 ** 31), 2 ** 31 - 1).orElse(-100),
  weight: tensors.optional(),
} satisfies Table<NllOptions>;

const crossEntropyOptions = {
  ...nllOptions,
  labelSmoothing: number({ from: 0, to: 1 }).orElse(0),
} satisfies Table<CrossEntropyOptions>;

/**
 * The mean of −log p(target), with p the softmax of the logits: logits [..., classes], targets i32
 * [...]. Ignored positions are left out of the mean, which is 0 if all are ignored; unreduced their
 * loss is 0. Weights and label smoothing go together as in PyTorch. Throws if shapes or dtypes do
 * not fit, if a target is not a class, or if a weight is negative or not finite.
 */
export function crossEntropy(
  logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {},
): Tensor {
  const read = readOptions('crossEntropy', options, crossEntropyOptions);
  requireClasses('crossEntropy', 'logits', logits, targets);
  return likelihoodLoss('crossEntropy', logits, targets, read, (x) => x.logSoftmax(-1));
}

/**
 * The mean of −log p(target), from log probabilities [..., classes], such as those of `logSoftmax`,
 * and targets i32 [...]: the second half of `crossEntropy`, for models that give log probabilities.
 * Ignored positions are left out of the mean, which is 0 if all are ignored; unreduced their loss
 * is 0. Throws as `crossEntropy` does.
 */
export function nllLoss(
  logProbabilities: Tensor, targets: Tensor, options: NllOptions = {},
): Tensor {
  const read = readOptions('nllLoss', options, nllOptions);
  requireClasses('nllLoss', 'log probabilities', logProbabilities, targets);
  const all = { ...read, labelSmoothing: 0 };
  return likelihoodLoss('nllLoss', logProbabilities, targets, all, (x) => x);
}

/** The loss of predictions of which `toLog` makes log probabilities. */
function likelihoodLoss(
  op: string, predictions: Tensor, given: Tensor,
  { ignoreIndex, labelSmoothing, weight: ofClasses, ...read }: Read<typeof crossEntropyOptions>,
  toLog: (x: Tensor) => Tensor,
): Tensor {
  const counting = new Counting(op, given.shape, predictions.dtype, read);
  const [targets, logProbabilities] =
    [counting.select(given), toLog(counting.select(predictions))];
  const isIgnored = targets.equal(ignoreIndex);
  const index = isIgnored.where(0, targets).unsqueeze(-1);
  const picked = logProbabilities.gather(-1, index, { caller: op }).squeeze(-1);
  const smooth = (ofTarget: Tensor, meanOfAll: () => Tensor): Tensor => (
    labelSmoothing === 0
      ? ofTarget
      : ofTarget.mul(1 - labelSmoothing).add(meanOfAll().mul(labelSmoothing))
  );
  if (ofClasses === undefined) {
    const mixed = smooth(picked, () => logProbabilities.mean(-1));
    const isKept = isIgnored.equal(0).cast(logProbabilities.dtype);
    return counting.reduce(isIgnored.where(0, mixed.neg()), isKept);
  }
  const weight = checkedWeight(op, ofClasses, logProbabilities);
  const weightOfTarget = isIgnored.where(0, weight.indexSelect(0, index.squeeze(-1)));
  // Log probabilities of classes without weight may be −∞, which times 0 would be NaN.
  const mixed = smooth(
    weightOfTarget.equal(0).where(0, picked.neg().mul(weightOfTarget)),
    () => weight.equal(0).where(0, logProbabilities.neg().mul(weight)).mean(-1),
  );
  return counting.reduce(isIgnored.where(0, mixed), weightOfTarget);
}

/** The weight of each class, once it is known to be right. */
function checkedWeight(op: string, weight: Tensor, logProbabilities: Tensor): Tensor {
  const classes = logProbabilities.shape.at(-1) ?? 0;
  if (weight.shape.join() !== String(classes) || weight.dtype !== logProbabilities.dtype) {
    throw new TensorError(
      `${op}: weight is ${describe(weight)}, expected one number for each class, ` +
        `${logProbabilities.dtype}[${classes}]`,
    );
  }
  return requireWeights(op, 'weight', weight);
}

function requireClasses(op: string, name: string, predictions: Tensor, targets: Tensor): void {
  requireTensors(op, predictions, targets);
  const { ndim, shape } = predictions;
  const isRight = ndim > 0 && shape.slice(0, -1).join() === targets.shape.join();
  if (isRight && targets.dtype === 'i32') return;
  throw new TensorError(
    `${op}: ${name} are ${describe(predictions)}, targets ${describe(targets)}; expected ` +
      '[..., classes] and i32[...]',
  );
}
