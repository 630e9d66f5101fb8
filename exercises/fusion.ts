/**
 * A fusion rule
 *
 * If each op of a program had its own loop, every intermediate array would be written to memory and
 * read back. A compiler fuses ops: it computes them in one loop. This is the loop of a group of
 * three ops:
 *
 *     for i in 0..size:   x[i] = …;   y[i] = x[i] + 1;   total += y[i]
 *
 * At iteration i, each op of the group computes its element i, in order. That is right only if all
 * that an op reads is there at that time:
 *
 *   - An op may read element i of a value that the group computes: it has just been computed.
 *   - It may not read another element of such a value: that may not have been computed yet.
 *   - It may not read the result of a reduction, such as a sum, of the group: that is complete only
 *     when the loop is over.
 *   - Values that were computed before the loop may be read in any way.
 *   - And all ops of a group go over the same number of elements.
 *
 * Write the rule: can this op join this group, as its last op?
 *
 * Check it with `npm run exercise fusion`; add `-- --hint` for a hint.
 */

/** A value that an op reads, and which of its elements at iteration i. */
export interface Read {
  readonly value: string;
  /** Element i, or another one (any), such as n − 1 − i. The result of a reduction is 'other'. */
  readonly element: 'same' | 'other';
}

/** An op of a program. */
export interface Op {
  /** The name of the value that it computes. */
  readonly makes: string;
  /** The number of iterations of its loop. */
  readonly size: number;
  readonly reads: readonly Read[];
  /** Whether it folds all elements to one number, as a sum does. */
  readonly isReduction: boolean;
}

/** Whether the op can be computed in the loop of the group, which has at least one op. */
export function canFuse(group: readonly Op[], op: Op): boolean {
  throw new Error('canFuse is not written yet');
}
