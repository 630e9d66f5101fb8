/** A solution of exercises/fusion.ts. */

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
  const isAvailable = ({ value, element }: Read): boolean => {
    const producer = group.find(({ makes }) => makes === value);
    return producer === undefined || (element === 'same' && !producer.isReduction);
  };
  return group.every(({ size }) => size === op.size) && op.reads.every(isAvailable);
}
