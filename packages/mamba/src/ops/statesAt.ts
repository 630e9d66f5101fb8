/**
 * States in the middle of a sequence, such as those at the ends of its documents, without storing
 * all of them. A scan keeps the states at the starts of its pieces of S steps. The state after n
 * steps is then that after a few more steps, less than S, from the start of piece ⌊n / S⌋: a short
 * scan, of which the steps beyond are masked.
 */
import { arange, type Tensor } from '@mambagrad/tensor';
import { clearPadding, takeSteps } from '../sequence/sequence.ts';

/** A scan in pieces. */
export interface Pieces {
  /** The states before the first step of each piece and, at the end, after the last [B, M, ...]. */
  readonly starts: Tensor;
  /** S, the steps of a piece; 1 if all states are there. */
  readonly size: number;
  /** The inputs that have steps, [B, L, ...]; where they are 0 the state stays. */
  readonly inputs: readonly Tensor[];
  /** i32, [B, L]: where the past is dropped. */
  readonly reset: Tensor | undefined;
  /** The last states of scans of such inputs, [R, S, ...], from other states [R, ...]. */
  run(inputs: readonly Tensor[], start: Tensor, reset: readonly Tensor[]): Tensor;
}

/** The states after the given steps, i32 [B, K]; after step −1 is before the first one. */
export function statesAfter(
  steps: Tensor, { starts, size, inputs, reset, run }: Pieces,
): Tensor {
  const [batch, count] = steps.shape;
  const done = steps.add(1);
  const length = inputs[0].shape[1];
  if (size === 1 || length === 0) return takeSteps(starts, done);
  const boundaries = arange(1, starts.shape[1], 1, { dtype: 'i32' }).mul(size);
  const piece = done.unsqueeze(-1).greaterEqual(boundaries).sum(-1);
  const index = piece.mul(size).unsqueeze(-1).add(arange(0, size, 1, { dtype: 'i32' }));
  const isDone = index.less(done.unsqueeze(-1));
  // Steps out of range stay so: the gather finds them where a program did not know their values.
  const places = isDone.where(index, done.minimum(0).unsqueeze(-1)).reshape([batch, count * size]);
  const mask = isDone.reshape([batch * count, size]);
  const take = (x: Tensor): Tensor =>
    clearPadding(takeSteps(x, places).reshape([...mask.shape, ...x.shape.slice(2)]), mask);
  const rest = starts.shape.slice(2);
  const start = takeSteps(starts, piece).reshape([batch * count, ...rest]);
  const resets = reset ? [take(reset)] : [];
  return run(inputs.map(take), start, resets).reshape([batch, count, ...rest]);
}
