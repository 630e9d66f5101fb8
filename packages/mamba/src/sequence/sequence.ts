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
  arange, concat, describe, type DType, ones, type Shape, type Spec, Tensor, TensorError,
  type TypedArray,
} from '@mambagrad/tensor';
import {
  anything, checkArgument, Kind, readOptions, show, type Table, tensors,
} from '@mambagrad/tensor/options';

/** What each step of a sequence is; every tensor i32 [batch, length]. */
export interface SequenceFlags {
  /** Not 0 where the state starts anew: nothing from before reaches this step or later ones. */
  readonly reset?: Tensor | undefined;
  /** The number of each step's document: where it changes, the state starts anew. */
  readonly segmentIds?: Tensor | undefined;
  /**
   * 0 at padding: such steps leave the state as it is, and their results mean nothing. Their inputs
   * may be anything, NaN too: they reach no other step and no gradient.
   */
  readonly mask?: Tensor | undefined;
}

/** The table of these, for functions that read them through theirs. */
export const flagOptions: Table<SequenceFlags> = {
  reset: tensors.optional(), segmentIds: tensors.optional(), mask: tensors.optional(),
};

/** A layer from [batch, length, width] to the same shape. */
export interface SequenceLayer extends Module {
  /** x and the result [batch, length, width]; flags as in `SequenceFlags`, or none. */
  forward(x: Tensor, flags?: SequenceFlags): Tensor;
}

/** Options of `scan`: what the sequence goes on from, and which of its steps count. */
export interface ScanOptions<State> extends SequenceFlags {
  /** What to go on from; it reaches the first document only. Default the initial state. */
  readonly state?: State | undefined;
}

/** One table for all kinds of states, as each step of a text is read through it. */
const anyScanOptions: Table<ScanOptions<never>> = {
  ...flagOptions, state: anything<never>().optional(),
};

/** The table of these. */
export function scanOptions<State>(): Table<ScanOptions<State>> {
  return anyScanOptions;
}

/** A state, which only what made it knows. */
const states: Kind<unknown> = new Kind(
  'the state that an earlier call gave, or initialState(batch)',
  (state) => state !== undefined && state !== null,
);

/** The results of a piece of a sequence, and what the next piece goes on from. */
export interface Scanned<State> {
  /**
   * The result of each step, [batch, length, ...]; where only the last is asked for, [batch, ...].
   */
  readonly y: Tensor;
  /** The state after the last step; it never changes, so it can be used again. */
  readonly state: State;
}

/** A module that can read a sequence in pieces. */
export abstract class Recurrent<State> extends Module {
  /** Reads x [batch, length, ...]: the result of each step, y [batch, length, ...]. */
  abstract scan(x: Tensor, options?: ScanOptions<State>): Scanned<State>;

  /** The state of so many rows before anything was read. */
  abstract initialState(batch: number): State;

  /** The results of a whole sequence. */
  forward(x: Tensor, flags: SequenceFlags = {}): Tensor {
    return this.scan(x, readOptions(`${this.constructor.name}.forward`, flags, flagOptions)).y;
  }

  /** A single step, [batch, ...], in time and memory that do not depend on those before. */
  step(x: Tensor, state: State): Scanned<State> {
    requireState(`${this.constructor.name}.step`, state);
    const { y, state: next } = this.scan(x.unsqueeze(1), { state });
    return { y: y.squeeze(1), state: next };
  }
}

/** Throws in the name of `op` if there is no state. */
export function requireState(op: string, state: unknown): void {
  checkArgument(op, 'state', state, states);
}

/**
 * Whether x is a tensor of the dtype and shape, in which an axis with a name has any size. Each
 * step of a text is checked like this, so that text is only made of what is wrong.
 */
function isTensorOf(x: unknown, dtype: DType, axes: readonly (string | number)[]): x is Tensor {
  return x instanceof Tensor && x.dtype === dtype && x.ndim === axes.length &&
    axes.every((size, axis) => typeof size === 'string' || x.shape[axis] === size);
}

/**
 * Throws in the name of `op` unless x is steps of vectors, [batch, length, width], of the dtype.
 * `axes` names them otherwise.
 */
export function requireSteps(
  op: string, x: unknown, dtype: DType, axes: readonly (string | number)[],
): asserts x is Tensor {
  if (isTensorOf(x, dtype, axes)) return;
  throw new TensorError(`${op}: x is ${show(x)}, expected ${dtype}[${axes.join(', ')}]`);
}

/**
 * Throws in the name of `op` unless all tokens [batch, length] that are no padding are from 0 to
 * below `vocabSize`; in a trace, where they have no values yet, the program will look.
 */
export function requireTokens(op: string, tokens: Tensor, vocabSize: number, mask?: Tensor): void {
  const [values, counts] = [valuesOf(tokens), mask && valuesOf(mask)];
  if (!values || (mask && !counts)) return;
  const at = values.findIndex((token, i) =>
    !(token >= 0 && token < vocabSize) && counts?.[i] !== 0,
  );
  if (at < 0) return;
  const [row, step] = [Math.floor(at / tokens.shape[1]), at % tokens.shape[1]];
  throw new TensorError(
    `${op}: token [${row}, ${step}] is ${values[at]}, expected one from 0 to ${vocabSize - 1}`,
  );
}

/** The values of a tensor, unless it has none: in a trace it is but a name for them. */
export function valuesOf(x: Tensor): TypedArray | undefined {
  try {
    return x.data;
  } catch {
    return undefined;
  }
}

/** Arguments by name, those that are there and those that are not, with the shapes they need. */
type Expected = Readonly<Record<string, readonly [given: unknown, shape: Shape]>>;

/** Throws in the name of `op` unless all that is there has the dtype and its shape. */
export function requireShapes(op: string, dtype: DType, expected: Expected): void {
  for (const name of Object.keys(expected)) {
    const [given, shape] = expected[name];
    if (given !== undefined) requireShape(op, name, given, { dtype, shape });
  }
}

/** Throws in the name of `op` unless a value is a tensor of the dtype and shape. */
export function requireShape(op: string, name: string, given: unknown, wanted: Spec): void {
  if (isTensorOf(given, wanted.dtype, wanted.shape)) return;
  throw new TensorError(`${op}: ${name} is ${show(given)}, expected ${describe(wanted)}`);
}

/** x [batch, length, ...] with zeros at the steps that are padding. */
export function keepSteps(x: Tensor, mask: Tensor | undefined): Tensor {
  return mask ? mask.reshape([...mask.shape, ...x.shape.slice(2).map(() => 1)]).where(x, 0) : x;
}

/** Throws in the name of `op` unless the flags have the shape [batch, length] and are i32. */
export function requireFlags(
  op: string, { reset, segmentIds, mask }: SequenceFlags, [batch, length]: Shape,
): void {
  const shape = [batch, length];
  requireShapes(op, 'i32', {
    reset: [reset, shape], segmentIds: [segmentIds, shape], mask: [mask, shape],
  });
}

/** Checks flags, for the named op, and brings them to 0 and 1: two are left of the three. */
export function readFlags(
  op: string, flags: SequenceFlags, [batch, length]: Shape,
): { reset: Tensor | undefined; mask: Tensor | undefined } {
  const { reset, segmentIds, mask } = flags;
  requireFlags(op, flags, [batch, length]);
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

/**
 * The same of x [batch, length, width], without the steps that are padding; of a row that is
 * nothing else, zeros. Throws in the name of `op` if there are no steps.
 */
export function pooled(op: string, x: Tensor, pool: Pool, mask?: Tensor): Tensor {
  const [batch, length] = x.shape;
  if (pool === 'none') return x;
  if (length === 0) {
    throw new TensorError(`${op}: x has no steps, of which '${pool}' expects at least one`);
  }
  if (pool === 'last' && !mask) return x.narrow(1, length - 1, 1).squeeze(1);
  const counts = mask?.notEqual(0) ?? ones([batch, length], { dtype: 'i32' });
  const count = counts.sum(1, true);
  if (pool === 'mean') {
    return keepSteps(x, counts).sum(1).div(count.maximum(1).cast(x.dtype));
  }
  const ranks = arange(1, length + 1, 1, { dtype: 'i32' });
  const [last, first] = [ranks, ranks.flip()].map((rank) => {
    const step = takeSteps(x, counts.mul(rank).argmax(1, true)).squeeze(1);
    return mask ? count.notEqual(0).where(step, 0) : step;
  });
  return pool === 'last' ? last : concat([first, last], -1);
}
