/**
 * Packed documents: where each of them ends in its row. A document goes up to the step before the
 * next one begins, or up to the end of the row.
 */
import { arange, type Tensor, TensorError } from '@mambagrad/tensor';
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
