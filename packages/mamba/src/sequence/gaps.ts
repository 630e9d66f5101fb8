/**
 * Rows without gaps. What a step takes from the one before it must skip padding. So padding is
 * moved to the end of each row, where nothing that counts comes after it, and the results are moved
 * back:
 *
 *     x     a . b . . c        closed   a b c . . .        . padding
 *
 * A document that begins at padding begins at the next step that counts; if there is none, it is
 * empty, and nothing is left of what came before.
 */
import { arange, concat, type Tensor, zeros } from '@mambagrad/tensor';
import { readFlags, type SequenceFlags, takeSteps } from './sequence.ts';

/** The rows of a batch, whose gaps are closed. */
export interface ClosedRows {
  /** Moves the steps of x [batch, length, ...] that are padding to the end of their row. */
  close(x: Tensor): Tensor;
  /** Moves the steps of a result back to where they were. */
  open(y: Tensor): Tensor;
  /** i32 [batch, length], of closed rows: not 0 at padding; undefined if there is none. */
  readonly padding: Tensor | undefined;
  /** i32 [batch, length], of closed rows: not 0 where a document begins. */
  readonly reset: Tensor | undefined;
  /**
   * The last step that counts, [batch, ...], of closed steps [batch, length, ...] with what came
   * before them, [batch, ...]; zeros, where a document began after it.
   */
  last(before: Tensor, closed: Tensor): Tensor;
  /** What there is after each of the steps i32 [batch, count]; −1 is before the first one. */
  after(steps: Tensor): AfterSteps;
}

/** The rows up to some of their steps, [batch, count]. */
export interface AfterSteps {
  /** How many closed steps there are up to each, i32 [batch, count]. */
  readonly done: Tensor;
  /** Of closed steps [batch, length, ...] and what came before them, the last up to each. */
  take(before: Tensor, closed: Tensor): Tensor;
  /** Such values [batch, count, ...], or others, where a document began after that last step. */
  current(values: Tensor, others: Tensor | number): Tensor;
}

/** Checks flags in the name of `op`, and closes the gaps of rows [batch, length]. */
export function closeGaps(
  op: string, flags: SequenceFlags, [batch, length]: readonly number[],
): ClosedRows {
  const { reset, mask } = readFlags(op, flags, [batch, length]);
  const all = (before: Tensor, steps: Tensor) => concat([before.unsqueeze(1), steps], 1);
  if (!mask) {
    const same = (x: Tensor) => x;
    const last = (before: Tensor, steps: Tensor) =>
      all(before, steps).narrow(1, length, 1).squeeze(1);
    const after = (steps: Tensor): AfterSteps => {
      const done = steps.add(1);
      const take = (before: Tensor, closed: Tensor) => takeSteps(all(before, closed), done);
      return { done, take, current: same };
    };
    return { close: same, open: same, padding: undefined, reset, last, after };
  }
  // A stable sort keeps the order of the steps that count; sorting the places restores it.
  const order = mask.equal(0).argsort();
  const close = (x: Tensor) => takeSteps(x, order);
  const count = mask.sum(1, true);
  const lastOf = (rows: Tensor) => takeSteps(rows, count).squeeze(1);
  const padding = arange(0, length, 1, { dtype: 'i32' }).greaterEqual(count);
  // The numbers of the documents that began before each step, and before padding all of them. What
  // came before is document 0.
  const begun = reset?.cast('f32').cumsum(1);
  const closed = begun && padding.where(begun.max(1, true), close(begun));
  const documents = closed && concat([zeros([batch, 1]), closed], 1);
  const isCurrent = documents && lastOf(documents).equal(documents.max(1));
  return {
    close,
    open: (y) => takeSteps(y, order.argsort()),
    padding,
    reset: documents && closed?.notEqual(documents.narrow(1, 0, length)),
    last: (before, steps) => {
      const found = lastOf(all(before, steps));
      const isWanted = isCurrent?.reshape([batch, ...found.shape.slice(1).map(() => 1)]);
      return isWanted ? isWanted.where(found, 0) : found;
    },
    after: (steps) => {
      const isUpTo = arange(0, length, 1, { dtype: 'i32' }).lessEqual(steps.unsqueeze(-1));
      const counted = (flags: Tensor) => isUpTo.mul(flags.unsqueeze(1)).sum(-1);
      const done = counted(mask);
      const isLatest = documents && reset &&
        takeSteps(documents, done).equal(counted(reset).cast('f32'));
      return {
        done,
        take: (before, steps) => takeSteps(all(before, steps), done),
        current: (values, others) => {
          const rest = values.shape.slice(2).map(() => 1);
          const isWanted = isLatest?.reshape([...done.shape, ...rest]);
          return isWanted ? isWanted.where(values, others) : values;
        },
      };
    },
  };
}
