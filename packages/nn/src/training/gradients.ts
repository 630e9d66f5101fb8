/**
 * Gradient accumulation: the gradients of several batches, computed one after the other, add up to
 * those of one large batch. With Lᵢ the loss of batch i, which holds nᵢ samples, the gradient is
 * that of Σ nᵢLᵢ / Σ nᵢ. Memory holds the activations of one batch at a time.
 */
import type { Tensor } from '@mambagrad/tensor';
import { type Losses, requireSameNames } from './batchLosses.ts';

/**
 * Adds the gradient of all batches together to the `grad` fields of the parameters, and gives the
 * losses of each batch. The weight of a batch is the `count` among its losses, else the number of
 * its samples.
 */
export function accumulateGradients<Batch>(
  batches: readonly Batch[], lossOf: (batch: Batch) => Losses<Tensor>, samples: readonly number[],
  parameters: readonly Tensor[],
): Losses<Tensor>[] {
  const total = samples.reduce((sum, count) => sum + count, 0);
  const all = batches.map((batch, i) => {
    const losses = lossOf(batch);
    const { loss, count } = losses;
    if (batches.length === 1) loss.backward();
    else if (count) loss.mul(likeLoss(count, loss)).backward();
    else loss.mul(total === 0 ? 1 / samples.length : samples[i] / total).backward();
    return losses;
  });
  requireSameNames(all);
  const counts = all.flatMap(({ count, loss }) => (count ? likeLoss(count, loss) : []));
  if (batches.length === 1 || counts.length === 0) return all;
  // The sum of the counts is known only now. Where it is 0, so are the gradients.
  const sum = counts.reduce((partial, count) => partial.add(count));
  const scale = sum.equal(0).where(1, sum).reciprocal().reshape([]);
  for (const parameter of parameters) {
    if (parameter.grad) parameter.grad = parameter.grad.mul(scale);
  }
  return all;
}

/** A count as a constant, in the dtype and shape of a loss. */
function likeLoss(count: Tensor, loss: Tensor): Tensor {
  return count.detach().cast(loss.dtype).reshape(loss.shape);
}
