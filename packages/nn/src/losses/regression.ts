/**
 * Losses of numbers: how far predictions x are from targets z. With the error e = x − z,
 *
 *     mseLoss      e²            one large error outweighs many small ones
 *     l1Loss       |e|           errors count by their size; their gradient does not shrink near 0
 *     huberLoss    ½e² where |e| ≤ δ, δ(|e| − ½δ) beyond
 *
 * Huber's loss is a square near 0 and grows linearly from δ on. Its gradient is e limited to −δ…δ:
 * it shrinks with a small error, and an outlier pulls no harder than an error of δ. Huber, "Robust
 * estimation of a location parameter" (1964).
 */
import type { Tensor } from '@mambagrad/tensor';
import { number, type Read, readOptions, type Table } from '@mambagrad/tensor/options';
import { requireSame } from './checks.ts';
import { Counting, type LossOptions, lossOptions } from './counting.ts';

/** Options of `huberLoss`: where its square ends. */
export interface HuberOptions extends LossOptions {
  /** δ, the size of an error from which on the loss is linear, above 0. Default 1. */
  readonly delta?: number | undefined;
}

const huberOptions = {
  ...lossOptions,
  delta: number({ above: 0 }).orElse(1),
} satisfies Table<HuberOptions>;

/** The squared error of predictions x and targets, of the same shape and dtype. */
export function mseLoss(x: Tensor, targets: Tensor, options: LossOptions = {}): Tensor {
  const read = readOptions('mseLoss', options, lossOptions);
  return lossOf('mseLoss', x, targets, read, (e) => e.square());
}

/**
 * The absolute error of predictions x and targets, of the same shape and dtype; its gradient is 0
 * where they are equal.
 */
export function l1Loss(x: Tensor, targets: Tensor, options: LossOptions = {}): Tensor {
  const read = readOptions('l1Loss', options, lossOptions);
  return lossOf('l1Loss', x, targets, read, (e) => e.abs());
}

/**
 * Huber's loss of predictions x and targets, of the same shape and dtype: the square of small
 * errors, halved, and the size of large ones, as PyTorch's `HuberLoss`. PyTorch's `SmoothL1Loss`
 * with beta is this loss with delta = beta, divided by beta; at 1, the default of both, they are
 * the same.
 */
export function huberLoss(x: Tensor, targets: Tensor, options: HuberOptions = {}): Tensor {
  const { delta, ...read } = readOptions('huberLoss', options, huberOptions);
  return lossOf('huberLoss', x, targets, read, (e) => {
    // With k the error limited to −δ…δ, e·k − ½k² is both branches at once, and no infinite error
    // meets a factor of 0 in the gradient.
    const k = e.clamp({ min: -delta, max: delta });
    return e.mul(k).sub(k.square().mul(0.5));
  });
}

/** The loss of the errors, each by itself, as far as they count. */
function lossOf(
  op: string, x: Tensor, targets: Tensor, options: Read<typeof lossOptions>,
  ofError: (e: Tensor) => Tensor,
): Tensor {
  requireSame(op, x, targets);
  const counting = new Counting(op, targets.shape, x.dtype, options);
  return counting.reduce(ofError(counting.select(x).sub(counting.select(targets))));
}
