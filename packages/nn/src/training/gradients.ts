/**
 * Gradients of several batches, one after the other, as if they were one: with nᵢ what batch i
 * holds, those of Σ nᵢLᵢ / Σ nᵢ. One batch at a time has its activations in memory.
 */
import type { Tensor } from '@mambagrad/tensor';
import { checkLosses, type Losses, requireSameNames } from './metrics.ts';

/**
 * Adds the gradient of all batches together to the `grad` fields of the parameters, and gives the
 * losses of each. A batch counts by the `count` among its losses, else by its samples.
 */
export function backwardAll<Batch>(
  batches: readonly Batch[], lossOf: (batch: Batch) => unknown, samples: readonly number[],
  parameters: readonly Tensor[],
): Losses<Tensor>[] {
  const total = samples.reduce((sum, count) => sum + count, 0);
  const losses = batches.map((batch, i) => {
    const found = checkLosses(lossOf(batch));
    const { loss, count } = found;
    if (batches.length === 1) loss.backward();
    else if (count) loss.mul(likeLoss(count, loss)).backward();
    else loss.mul(total === 0 ? 1 / samples.length : samples[i] / total).backward();
    return found;
  });
  requireSameNames(losses);
  const counts = losses.flatMap(({ count, loss }) => (count ? likeLoss(count, loss) : []));
  if (batches.length === 1 || counts.length === 0) return losses;
  // How much all of them count is only known now. Where it is 0, so are the gradients.
  const sum = counts.reduce((whole, count) => whole.add(count));
  const scale = sum.equal(0).where(1, sum).reciprocal().reshape([]);
  for (const parameter of parameters) {
    if (parameter.grad) parameter.grad = parameter.grad.mul(scale);
  }
  return losses;
}

/** The number by which a loss counts, in its dtype and shape, as a constant. */
function likeLoss(count: Tensor, loss: Tensor): Tensor {
  return count.detach().cast(loss.dtype).reshape(loss.shape);
}
