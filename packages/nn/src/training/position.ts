/**
 * The position of a training run: that of its data, the number of steps taken, and how validation
 * has gone. A checkpoint holds it as one tensor of six numbers,
 *
 *     [seed, epoch, index, step, bestValue, evaluationsSinceBest]
 *
 * in f64, which holds seeds and counts up to 2⁵³ exactly. Checkpoints outlive versions of this
 * code, so the order stays as it is; the two functions below are the only ones that know it.
 */
import { type Tensor, tensor } from '@mambagrad/tensor';
import type { LoaderState } from '../data/loader.ts';
import type { Judgement } from './judging.ts';

/** How far a training run is. */
export interface Position {
  /** The seed, epoch and index of the loader; all 0 for data that is a function. */
  readonly data: LoaderState;
  /** The number of steps taken. */
  readonly step: number;
  /** How validation has gone. */
  readonly judgement: Judgement;
}

/** A position as a checkpoint holds it, f64 [6]. */
export function encodePosition({ data, step, judgement }: Position): Tensor {
  const { seed, epoch, index } = data;
  const { bestValue, evaluationsSinceBest } = judgement;
  const values = [seed, epoch, index, step, bestValue, evaluationsSinceBest];
  return tensor(values, { dtype: 'f64' });
}

/** The position that `encodePosition` has encoded. */
export function decodePosition(encoded: Tensor): Position {
  const [seed, epoch, index, step, bestValue, evaluationsSinceBest] = encoded.data;
  return {
    data: { seed, epoch, index }, step, judgement: { bestValue, evaluationsSinceBest },
  };
}
