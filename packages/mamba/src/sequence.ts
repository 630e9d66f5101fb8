/**
 * Sequences in pieces. A recurrent module reads from left to right, and what it remembers is its
 * state; so a sequence may come whole, in pieces, or step by step:
 *
 *     (y₁, s₁) = scan(x₁, s₀),   (y₂, s₂) = scan(x₂, s₁)   ⇔   (y₁ ∥ y₂, s₂) = scan(x₁ ∥ x₂, s₀)
 *
 * A state is a plain object of tensors, whose values never change. To come back to it, or to go on
 * from it in several ways, it is enough to have kept it.
 *
 * A row of a batch may hold several documents (packing), or fewer steps than there are (padding).
 * Flags say which step is what.
 */
import { Module } from '@mambagrad/nn';
import {
  arange, concat, describe, type DType, ones, type Shape, type Tensor, TensorError,
} from '@mambagrad/tensor';
import { type Table, tensors } from '@mambagrad/tensor/options';

/** What each step of a sequence is; every tensor i32 [batch, length]. */
export interface SequenceFlags {
  /** Not 0 where the state starts anew: nothing from before reaches this step or later ones. */
  readonly reset?: Tensor | undefined;
  /** The number of each step's document: where it changes, the state starts anew. */
  readonly segmentIds?: Tensor | undefined;
  /**
   * 0 at padding: such steps leave the state as it is, and their results mean nothing. What is
   * written there does not matter, even NaN: it reaches no other step and no gradient.
   */
  readonly mask?: Tensor | undefined;
}

/** The table of these, for functions that read them through theirs. */
export const flagOptions: Table<SequenceFlags> = {
  reset: tensors.optional(), segmentIds: tensors.optional(), mask: tensors.optional(),
};

/** A layer from [batch, length, width] to the same shape. */
export interface SequenceLayer extends Module {
  forward(x: Tensor, flags?: SequenceFlags): Tensor;
}

export interface ScanOptions<State> extends SequenceFlags {
  /** What to go on from; it reaches the first document only. Default the initial state. */
  readonly state?: State | undefined;
}

/** The results of a piece of a sequence, and what the next piece goes on from. */
export interface Scanned<State> {
  readonly y: Tensor;
  readonly state: State;
}

/** A module that can read a sequence in pieces. */
export abstract class Recurrent<State> extends Module {
  /** Reads x [batch, length, ...]: the result of each step, y [batch, length, ...]. */
  abstract scan(x: Tensor, options?: ScanOptions<State>): Scanned<State>;

  /** The state of so many rows before anything was read. */
  abstract initialState(batch: number): State;

  /** The results of a whole sequence. */
  forward(x: Tensor, flags?: SequenceFlags): Tensor {
    return this.scan(x, flags).y;
  }

  /** A single step, [batch, ...], in time and memory that do not depend on those before. */
  step(x: Tensor, state: State): Scanned<State> {
    const { y, state: next } = this.scan(x.unsqueeze(1), { state });
    return { y: y.squeeze(1), state: next };
  }
}

/** Arguments by name, those that are there and those that are not, with the shapes they need. */
type Expected = Readonly<Record<string, readonly [given: Tensor | undefined, shape: Shape]>>;

/** Throws in the name of `op` unless all that is there has the dtype and its shape. */
export function requireShapes(op: string, dtype: DType, expected: Expected): void {
  for (const [name, [given, shape]] of Object.entries(expected)) {
    const wanted = describe({ dtype, shape });
    if (given && describe(given) !== wanted) {
      throw new TensorError(`${op}: ${name} is ${describe(given)}, expected ${wanted}`);
    }
  }
}

/** x [batch, length, ...] with zeros at the steps that are padding. */
export function keepSteps(x: Tensor, mask: Tensor | undefined): Tensor {
  return mask ? mask.reshape([...mask.shape, ...x.shape.slice(2).map(() => 1)]).where(x, 0) : x;
}

/** Checks flags, for the named op, and brings them to 0 and 1: two are left of the three. */
export function readFlags(
  op: string, { reset, segmentIds, mask }: SequenceFlags, [batch, length]: Shape,
): { reset: Tensor | undefined; mask: Tensor | undefined } {
  for (const [name, flag] of Object.entries({ reset, segmentIds, mask })) {
    requireShapes(op, 'i32', { [name]: [flag, [batch, length]] });
  }
  // The first step has none before it from which it could differ.
  const changes = segmentIds
    ?.notEqual(segmentIds.pad([0, 1], [0, -1]))
    .mul(arange(0, length, 1, { dtype: 'i32' }).greater(0));
  const starts = reset?.notEqual(0);
  return {
    reset: starts && changes ? starts.maximum(changes) : (starts ?? changes),
    mask: mask?.notEqual(0),
  };
}

/** The steps of x [batch, length, ...] with the given indices, i32 [batch, count]. */
export function takeSteps(x: Tensor, index: Tensor): Tensor {
  const rest = x.shape.slice(2);
  const column = index.reshape([...index.shape, ...rest.map(() => 1)]);
  return x.gather(1, column.broadcastTo([...index.shape, ...rest]));
}

/** What stands for a whole sequence: its last step, the mean, both ends side by side, or all. */
export type Pool = 'last' | 'mean' | 'ends' | 'none';

/** The same of x [batch, length, width], without the steps that are padding. */
export function pooled(x: Tensor, pool: Pool, mask?: Tensor): Tensor {
  const [batch, length] = x.shape;
  if (pool === 'none') return x;
  if (pool === 'last' && !mask) return x.narrow(1, length - 1, 1).squeeze(1);
  const counts = mask?.notEqual(0) ?? ones([batch, length], { dtype: 'i32' });
  if (pool === 'mean') {
    return counts.unsqueeze(-1).where(x, 0).sum(1).div(counts.sum(1, true).cast(x.dtype));
  }
  const ranks = arange(1, length + 1, 1, { dtype: 'i32' });
  const [last, first] = [ranks, ranks.flip()].map((rank) =>
    takeSteps(x, counts.mul(rank).argmax(1, true)).squeeze(1),
  );
  return pool === 'last' ? last : concat([first, last], -1);
}
