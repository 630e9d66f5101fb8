/**
 * Packed documents: where each of them ends in its row, which is up to where the next one begins or
 * the row ends. Scans give the states after such steps.
 */
import { arange, describe, type Shape, type Tensor, TensorError } from '@mambagrad/tensor';
import { valuesOf } from '@mambagrad/tensor/extend';
import { checkArgument, readOptions, whole } from '@mambagrad/tensor/options';
import { flagOptions, readFlags, type SequenceFlags } from './sequence.ts';

/**
 * The last step of each document, i32 [batch, count]: that of the k-th document of row b is at
 * [b, k], or −1 if the row has no more than k. It is what `statesAt` of a scan takes. `reset` or
 * `segmentIds` say where documents begin; padding belongs to the document before it.
 *
 *     const ends = documentEnds({ segmentIds }, 3);
 *     const { statesAt } = selectiveScan(u, delta, A, B, C, { segmentIds, statesAt: ends });
 */
export function documentEnds(flags: SequenceFlags, count: number): Tensor {
  const op = 'documentEnds';
  const given = readOptions(op, flags, flagOptions);
  checkArgument(op, 'count', count, whole());
  const { shape } = given.reset ?? given.segmentIds ?? {};
  const reset = shape && readFlags(op, given, shape).reset;
  if (!reset) {
    throw new TensorError(`${op}: neither reset nor segmentIds is given, expected one of them`);
  }
  // The first step belongs to the first document, whether or not it is marked.
  const isLater = arange(0, shape[1], 1, { dtype: 'i32' }).greater(0);
  const document = reset.mul(isLater).cast('f32').cumsum(1).cast('i32').unsqueeze(1);
  const numbers = arange(0, count, 1, { dtype: 'i32' }).unsqueeze(-1);
  const isThere = document.equal(numbers).sum(-1).greater(0);
  return isThere.where(document.lessEqual(numbers).sum(-1).sub(1), -1);
}

/** Throws in the name of `op` unless `steps` is i32 [batch, any], each from −1 to below L. */
export function requireStatesAt(
  op: string, steps: Tensor | undefined, [batch, length]: Shape,
): void {
  if (steps === undefined) return;
  if (steps.dtype !== 'i32' || steps.ndim !== 2 || steps.shape[0] !== batch) {
    throw new TensorError(
      `${op}: statesAt is ${describe(steps)}, expected i32[${batch}, any], steps for each row`,
    );
  }
  const values = valuesOf(steps);
  const wrong = values?.find((step) => step < -1 || step >= length);
  if (wrong === undefined) return;
  throw new TensorError(
    `${op}: statesAt has the step ${wrong}, expected steps from 0 to ${length - 1}, or −1 for ` +
      'the state before all steps',
  );
}
