/**
 * What a model is trained to make small.
 */
import { type Tensor, TensorError } from '@mambagrad/tensor';

export interface CrossEntropyOptions {
  /** Positions with this target do not count. Default −100. */
  readonly ignoreIndex?: number;
  /** The share of each target that is spread evenly over all classes. Default 0. */
  readonly labelSmoothing?: number;
}

/**
 * The mean of −log p(target), with p the softmax of the logits: logits [..., classes], targets i32
 * [...]. Positions to ignore count neither above nor below; if none is left the loss is 0.
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor,
  { ignoreIndex = -100, labelSmoothing = 0 }: CrossEntropyOptions = {},
): Tensor {
  if (logits.shape.slice(0, -1).join() !== targets.shape.join() || targets.dtype !== 'i32') {
    throw new TensorError(
      `crossEntropy: logits have the shape [${logits.shape.join(', ')}], targets are ` +
        `${targets.dtype}[${targets.shape.join(', ')}]; expected [..., classes] and i32[...]`,
    );
  }
  const logProbabilities = logits.logSoftmax(-1);
  const ignored = targets.equal(ignoreIndex);
  const index = ignored.where(0, targets).unsqueeze(-1);
  const picked = logProbabilities.gather(-1, index).squeeze(-1);
  const mixed =
    labelSmoothing === 0
      ? picked
      : picked.mul(1 - labelSmoothing).add(logProbabilities.mean(-1).mul(labelSmoothing));
  const counted = ignored.equal(0).cast(logits.dtype).sum().maximum(1);
  return ignored.where(0, mixed).sum().neg().div(counted);
}
