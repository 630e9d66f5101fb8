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
import { arange, type Shape, type Spec, type Tensor, TensorError } from '@mambagrad/tensor';

/** What each step of a sequence is; every tensor i32 [batch, length]. */
export interface SequenceFlags {
  /** Not 0 where the state starts anew: nothing from before reaches this step or later ones. */
  readonly reset?: Tensor | undefined;
  /** The number of each step's document: where it changes, the state starts anew. */
  readonly segmentIds?: Tensor | undefined;
  /** 0 at padding: such steps leave the state as it is, and their results mean nothing. */
  readonly mask?: Tensor | undefined;
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

/** Throws unless an argument, if it is there, has the dtype and shape expected. */
export function requireSpec(op: string, name: string, given: Spec | undefined, spec: Spec): void {
  const [found, expected] = [given ?? spec, spec].map((x) => `${x.dtype}[${x.shape.join(', ')}]`);
  if (found !== expected) throw new TensorError(`${op}: ${name} is ${found}, expected ${expected}`);
}

/** Checks flags, for the named op, and brings them to 0 and 1: two are left of the three. */
export function readFlags(
  op: string,
  { reset, segmentIds, mask }: SequenceFlags,
  [batch, length]: Shape,
): { reset: Tensor | undefined; mask: Tensor | undefined } {
  for (const [name, flag] of Object.entries({ reset, segmentIds, mask })) {
    requireSpec(op, name, flag, { dtype: 'i32', shape: [batch, length] });
  }
  // The first step has none before it from which it could differ.
  const hasBefore = arange(0, length, 1, { dtype: 'i32' }).greater(0);
  const changes = segmentIds?.notEqual(segmentIds.pad([0, 1], [0, -1])).mul(hasBefore);
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

/** The last step of each row of x [batch, length, ...] that is no padding, [batch, ...]. */
export function lastStep(x: Tensor, mask?: Tensor): Tensor {
  const length = x.shape[1];
  if (!mask) return x.narrow(1, length - 1, 1).squeeze(1);
  const places = mask.notEqual(0).mul(arange(1, length + 1, 1, { dtype: 'i32' }));
  return takeSteps(x, places.argmax(1, true)).squeeze(1);
}
