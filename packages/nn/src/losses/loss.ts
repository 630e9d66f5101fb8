/**
 * Loss functions, which training minimises. Each computes a number for every prediction and reduces
 * them to one. With x the logits or predictions, z the targets and σ the logistic function:
 *
 *     cross-entropy          −log softmax(x)[z]
 *     binary cross-entropy   −z·log σ(x) − (1 − z)·log(1 − σ(x))
 *     squared error          (x − z)²
 */
import { describe, type Tensor, TensorError } from '@mambagrad/tensor';
import { definePrimitive } from '@mambagrad/tensor/extend';
import {
  checkArgument, number, oneOf, readOptions, type Table, tensors, whole,
} from '@mambagrad/tensor/options';

/** Options of every loss: how the losses of all elements or positions are reduced. */
export interface LossOptions {
  /**
   * The mean of all losses, their sum, or each of them, unreduced. The mean of zero losses is an
   * error. Default 'mean'.
   */
  readonly reduction?: 'mean' | 'sum' | 'none' | undefined;
}

type Reduction = NonNullable<LossOptions['reduction']>;

/** Options of `crossEntropy`: which positions are ignored, and how targets are smoothed. */
export interface CrossEntropyOptions extends LossOptions {
  /** Positions with this target are ignored. Default -100. */
  readonly ignoreIndex?: number | undefined;
  /**
   * The part of each target's probability, from 0 to 1, that is spread evenly over all classes.
   * Default 0.
   */
  readonly labelSmoothing?: number | undefined;
}

const lossOptions = {
  reduction: oneOf('mean', 'sum', 'none').orElse('mean'),
} satisfies Table<LossOptions>;

const crossEntropyOptions = {
  ...lossOptions,
  ignoreIndex: whole(-(2 ** 31), 2 ** 31 - 1).orElse(-100),
  labelSmoothing: number({ from: 0, to: 1 }).orElse(0),
} satisfies Table<CrossEntropyOptions>;

/**
 * The mean of −log p(target), with p the softmax of the logits: logits [..., classes], targets i32
 * [...]. Ignored positions are left out of the mean, which is 0 if all are ignored; unreduced their
 * loss is 0. Throws if shapes or dtypes do not fit, or if a target is not a class.
 */
export function crossEntropy(
  logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {},
): Tensor {
  const { ignoreIndex, labelSmoothing, reduction } =
    readOptions('crossEntropy', options, crossEntropyOptions);
  requireTensors('crossEntropy', logits, targets);
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
  return reduce('crossEntropy', ignored.where(0, mixed.neg()), reduction, counted);
}

/**
 * The targets, unchanged. A target outside 0…1, whose loss has no lower bound, is an error, also in
 * a compiled function: if an element of `isWrong` (i32) is not 0, the reference loop runs and
 * throws.
 */
const probabilities = definePrimitive<object>({
  name: 'probabilities',
  infer: ([targets]) => targets,
  compute: ([targets, isWrong], { data }) => {
    const wrong = isWrong.data.findIndex((x: number) => x !== 0);
    if (wrong < 0) return data.set(targets.data);
    throw new TensorError(
      `binaryCrossEntropyWithLogits: element ${wrong} of targets is not between 0 and 1`,
    );
  },
  lower: () => ({ element: (index, targets) => targets.at(index), bound: { input: 1, size: 1 } }),
  gradient: (g) => [() => g, null],
});

/**
 * The binary cross-entropy of logits and targets from 0 to 1, of the same shape and dtype. Each
 * logarithm is computed as a softplus, so that nothing overflows and the loss of a confident
 * prediction keeps its digits. Throws if a target is below 0 or above 1.
 */
export function binaryCrossEntropyWithLogits(
  logits: Tensor, targets: Tensor, options: LossOptions = {},
): Tensor {
  const op = 'binaryCrossEntropyWithLogits';
  const { reduction } = readOptions(op, options, lossOptions);
  requireSame(op, logits, targets);
  // NaN is not equal to itself clamped.
  const isWrong = targets.maximum(0).minimum(1).equal(targets).equal(0);
  const z = probabilities([targets, isWrong], {});
  const [ifOne, ifZero] = [logits.neg().softplus(), logits.softplus()];
  return reduce(op, z.mul(ifOne).add(z.neg().add(1).mul(ifZero)), reduction);
}

/** The squared error of predictions x and targets, of the same shape and dtype. */
export function mseLoss(x: Tensor, targets: Tensor, options: LossOptions = {}): Tensor {
  const { reduction } = readOptions('mseLoss', options, lossOptions);
  requireSame('mseLoss', x, targets);
  return reduce('mseLoss', x.sub(targets).square(), reduction);
}

function reduce(op: string, losses: Tensor, reduction: Reduction, counted?: Tensor): Tensor {
  if (reduction === 'none') return losses;
  if (reduction === 'sum') return losses.sum();
  if (losses.numel === 0) {
    throw new TensorError(
      `${op}: the batch is empty, ${describe(losses)}; the mean of zero losses is undefined`,
    );
  }
  return counted ? losses.sum().div(counted) : losses.mean();
}

/** Throws unless shapes are equal. Broadcasting would hide a mistake: [n] − [n, 1] is [n, n]. */
function requireSame(op: string, predictions: Tensor, targets: Tensor): void {
  requireTensors(op, predictions, targets);
  if (describe(predictions) === describe(targets)) return;
  throw new TensorError(
    `${op}: predictions are ${describe(predictions)}, targets ${describe(targets)}; expected the ` +
      'same shape and dtype',
  );
}

function requireTensors(op: string, predictions: Tensor, targets: Tensor): void {
  checkArgument(op, 'the first argument', predictions, tensors);
  checkArgument(op, 'targets', targets, tensors);
}
