/**
 * Which losses of a batch count, and how much. `mask` leaves some out, such as those at padding,
 * and `sampleWeight` weighs the others. With w the weight of each loss, 0 where the mask is,
 *
 *     sum = Σ w·loss      mean = Σ w·loss / Σ w
 *
 * so equal weights change no mean, a weight of 2 is the same as a sample that is there twice, and
 * 0 the same as one that is absent. The mean of nothing is 0.
 *
 * A factor of 0 would not do: 0 · NaN is NaN, in the loss and in its gradient. So predictions and
 * targets are set to 0 where they do not count, before anything is computed of them.
 */
import { describe, type Shape, type Tensor, TensorError } from '@mambagrad/tensor';
import { type FullTable, oneOf, tensors } from '@mambagrad/tensor/options';
import { requireWeights } from './checks.ts';

/** Options of every loss: which losses count, how much, and how they are reduced to one number. */
export interface LossOptions {
  /**
   * The mean of all losses, their sum, or each of them, unreduced. The mean of zero losses is an
   * error. Default 'mean'.
   */
  readonly reduction?: 'mean' | 'sum' | 'none' | undefined;
  /**
   * 0 where a loss does not count, else 1, i32: in the shape of the losses, which is that of the
   * targets (of `klDivergence` without the classes), or of its first axes, such as [batch] or
   * [batch, length]. What does not count reaches nothing, neither values nor gradients, whatever it
   * is; unreduced it is 0. If nothing counts, the mean is 0. Default: all count.
   */
  readonly mask?: Tensor | undefined;
  /**
   * The weight of each loss, finite numbers from 0, in the dtype of the predictions and a shape as
   * that of `mask`: losses are multiplied by it, and the mean is divided by the sum of the weights
   * that count. Weights are constants, without gradients. Default: all count the same.
   */
  readonly sampleWeight?: Tensor | undefined;
}

export const lossOptions: FullTable<LossOptions, 'mask' | 'sampleWeight'> = {
  reduction: oneOf('mean', 'sum', 'none').orElse('mean'),
  mask: tensors.optional(),
  sampleWeight: tensors.optional(),
};

/** The options of a loss, once they are read. */
type Given = Pick<LossOptions, 'mask' | 'sampleWeight'>
  & { readonly reduction: NonNullable<LossOptions['reduction']> };

/** What counts in one call of a loss. */
export class Counting {
  readonly #op: string;
  readonly #reduction: Given['reduction'];
  /** 1 where a loss counts, in the shape of the losses; undefined if all do. */
  readonly #isCounted: Tensor | undefined;
  /** The weights, 0 where a loss does not count; undefined if there are none. */
  readonly #weight: Tensor | undefined;

  /** `shape` is that of the losses, `dtype` that of the predictions. */
  constructor(
    op: string, shape: Shape, dtype: Tensor['dtype'],
    { mask, sampleWeight, reduction }: Given,
  ) {
    this.#op = op;
    this.#reduction = reduction;
    const isUnmasked = mask && fitted(op, 'mask', mask, shape, 'i32').notEqual(0);
    const given = sampleWeight && fitted(op, 'sampleWeight', sampleWeight, shape, dtype);
    if (given === undefined) {
      this.#isCounted = isUnmasked;
      return;
    }
    // A weight at padding may be anything, too.
    const weight = requireWeights(op, 'sampleWeight', isUnmasked?.where(given, 0) ?? given);
    this.#weight = weight;
    this.#isCounted = weight.notEqual(0);
  }

  /**
   * Predictions or targets with 0 where they do not count. They have the shape of the losses, or
   * one axis more, that of classes.
   */
  select(x: Tensor): Tensor {
    const isCounted = this.#isCounted;
    if (isCounted === undefined) return x;
    return (isCounted.ndim < x.ndim ? isCounted.unsqueeze(-1) : isCounted).where(x, 0);
  }

  /**
   * The losses, weighted and reduced. `own` are the weights that the loss gives them itself, which
   * are in the losses already: the mean is divided by their sum, too.
   */
  reduce(losses: Tensor, own?: Tensor): Tensor {
    const weighted = this.#weigh(losses);
    if (this.#reduction === 'none') return weighted;
    if (this.#reduction === 'sum') return weighted.sum();
    if (losses.numel === 0) {
      throw new TensorError(
        `${this.#op}: the batch is empty, ${describe(losses)}; the mean of zero losses is ` +
          'undefined',
      );
    }
    const total = (own ? this.#weigh(own) : this.#weights(losses))?.sum();
    // Where nothing has a weight, the mean is 0, as a sum divided by ∞ is.
    return total ? weighted.sum().div(total.equal(0).where(Infinity, total)) : losses.mean();
  }

  /** The sum of the weights that count, 0-d; undefined if there is neither mask nor weight. */
  total(): Tensor | undefined {
    return (this.#weight ?? this.#isCounted)?.sum();
  }

  #weigh(x: Tensor): Tensor {
    return this.#isCounted?.where(this.#weight ? x.mul(this.#weight) : x, 0) ?? x;
  }

  #weights({ dtype }: Tensor): Tensor | undefined {
    return this.#weight ?? this.#isCounted?.cast(dtype);
  }
}

/** A tensor of the first axes of `shape`, in that shape. */
function fitted(
  op: string, name: string, given: Tensor, shape: Shape, dtype: Tensor['dtype'],
): Tensor {
  const isFirst = given.shape.every((size, axis) => size === shape[axis]);
  if (isFirst && given.dtype === dtype) {
    const missing = shape.slice(given.ndim).map(() => 1);
    return given.reshape([...given.shape, ...missing]).broadcastTo(shape);
  }
  throw new TensorError(
    `${op}: ${name} is ${describe(given)}, the losses are [${shape.join(', ')}]; expected ` +
      `${dtype} in that shape, or in that of its first axes`,
  );
}
