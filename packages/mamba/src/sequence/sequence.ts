/**
 * Sequences in pieces. A recurrent module processes a sequence from left to right and summarises
 * the past in a state. So a sequence can be processed whole, in pieces, or step by step, with the
 * same results:
 *
 *     (y₁, s₁) = scan(x₁, s₀),   (y₂, s₂) = scan(x₂, s₁)   ⇔   (y₁ ∥ y₂, s₂) = scan(x₁ ∥ x₂, s₀)
 *
 * A state is a plain object of tensors, which are immutable. To return to a state, or to continue
 * from it in several ways, keep it.
 *
 * A row of a batch may hold several documents (packing), or fewer steps than the others (padding).
 * Flags mark the first steps of documents, and padding.
 */
import { Module } from '@mambagrad/nn';
import {
  arange, concat, describe, type DType, ones, type Shape, type Spec, Tensor, TensorError,
} from '@mambagrad/tensor';
import { valuesOf } from '@mambagrad/tensor/extend';
import {
  anything, checkArgument, Kind, readOptions, show, type Table, tensors,
} from '@mambagrad/tensor/options';

/** Marks steps of sequences; each tensor is i32 [batch, length]. */
export interface SequenceFlags {
  /** Not 0 where the state is reset: this and later steps do not depend on earlier ones. */
  readonly reset?: Tensor | undefined;
  /** The document of each step, as a number: where it changes, the state is reset. */
  readonly segmentIds?: Tensor | undefined;
  /**
   * 0 at padding: such steps leave the state as it is, and their results are meaningless. Their
   * inputs may be anything, even NaN: they affect no other step and no gradient.
   */
  readonly mask?: Tensor | undefined;
}

/** The table of these flags. */
export const flagOptions: Table<SequenceFlags> = {
  reset: tensors.optional(), segmentIds: tensors.optional(), mask: tensors.optional(),
};

/** A layer that maps [batch, length, width] to the same shape. */
export interface SequenceLayer extends Module {
  /** x and the result [batch, length, width]; flags as in `SequenceFlags`, or none. */
  forward(x: Tensor, flags?: SequenceFlags): Tensor;
}

/** Options of `scan` of what is recurrent: the state to continue from, and flags. */
export interface SequenceOptions<State> extends SequenceFlags {
  /** The state to continue from; only the first document sees it. Default the initial state. */
  readonly state?: State | undefined;
  /**
   * Steps after which states are wanted, i32 [batch, count], such as the ends of documents
   * (`documentEnds`); −1 is before the first step. Default none.
   */
  readonly statesAt?: Tensor | undefined;
}

/** One table for states of all types: making one for every step of a text would cost time. */
const anySequenceOptions: Table<SequenceOptions<never>> = {
  ...flagOptions, state: anything<never>().optional(), statesAt: tensors.optional(),
};

/** The table of the options of `scan`. */
export function sequenceOptions<State>(): Table<SequenceOptions<State>> {
  return anySequenceOptions;
}

/** Any state: its structure is checked by the module that made it. */
const states: Kind<unknown> = new Kind(
  'the state that an earlier call gave, or initialState(batch)',
  (state) => state !== undefined && state !== null,
);

/** The results of a piece of a sequence, and the state to continue from. */
export interface Scanned<State> {
  /** The result of each step, [batch, length, ...], or of the last step only, [batch, ...]. */
  readonly y: Tensor;
  /** The state after the last step; it is immutable, so it can be used several times. */
  readonly state: State;
  /**
   * The states after the steps of the option `statesAt`, if it was given, as a state of
   * batch · count rows: that after the k-th step of row b is row b · count + k.
   */
  readonly statesAt?: State;
}

/** A module that can process a sequence in pieces. */
export abstract class Recurrent<State> extends Module {
  /** Maps x [batch, length, ...] to y [batch, length, ...], the result of each step. */
  abstract scan(x: Tensor, options?: SequenceOptions<State>): Scanned<State>;

  /** The state of `batch` rows before the first step. */
  abstract initialState(batch: number): State;

  /** Maps a whole sequence to the result of each step. */
  forward(x: Tensor, flags: SequenceFlags = {}): Tensor {
    return this.scan(x, readOptions(`${this.constructor.name}.forward`, flags, flagOptions)).y;
  }

  /** Processes a single step, x and y [batch, ...], in constant time and memory. */
  step(x: Tensor, state: State): Scanned<State> {
    requireState(`${this.constructor.name}.step`, state);
    checkArgument(`${this.constructor.name}.step`, 'x', x, tensors);
    const { y, state: next } = this.scan(x.unsqueeze(1), { state });
    return { y: y.squeeze(1), state: next };
  }
}

/** Throws in the name of `op` if the state is missing. */
export function requireState(op: string, state: unknown): void {
  checkArgument(op, 'state', state, states);
}

/**
 * Whether x is a tensor of this dtype and shape; an axis that is given by a name may have any size.
 * This runs for each step of a text, so error messages are made elsewhere.
 */
function isTensorOf(x: unknown, dtype: DType, axes: readonly (string | number)[]): x is Tensor {
  return x instanceof Tensor && x.dtype === dtype && x.ndim === axes.length &&
    axes.every((size, axis) => typeof size === 'string' || x.shape[axis] === size);
}

/**
 * Throws in the name of `op` unless x is a sequence of this dtype with these axes, such as
 * ['batch', 'length', width].
 */
export function requireSteps(
  op: string, x: unknown, dtype: DType, axes: readonly (string | number)[],
): asserts x is Tensor {
  if (isTensorOf(x, dtype, axes)) return;
  throw new TensorError(`${op}: x is ${show(x)}, expected ${dtype}[${axes.join(', ')}]`);
}

/**
 * Throws in the name of `op` unless all tokens [batch, length] that are not padding are from 0 to
 * below `vocabSize`. While tracing they have no values: then the embedding checks them at run time.
 */
export function requireTokens(op: string, tokens: Tensor, vocabSize: number, mask?: Tensor): void {
  const [values, flags] = [valuesOf(tokens), mask && valuesOf(mask)];
  if (!values || (mask && !flags)) return;
  const wrong = values.findIndex((token, i) =>
    !(token >= 0 && token < vocabSize) && flags?.[i] !== 0,
  );
  if (wrong < 0) return;
  const [row, step] = [Math.floor(wrong / tokens.shape[1]), wrong % tokens.shape[1]];
  throw new TensorError(
    `${op}: token [${row}, ${step}] is ${values[wrong]}, expected one from 0 to ${vocabSize - 1}`,
  );
}

/** Arguments by name, each with its value, undefined if it is absent, and its expected shape. */
type Expected = Readonly<Record<string, readonly [given: unknown, shape: Shape]>>;

/** Throws in the name of `op` unless each argument that is present has the dtype and its shape. */
export function requireShapes(op: string, dtype: DType, expected: Expected): void {
  for (const name of Object.keys(expected)) {
    const [given, shape] = expected[name];
    if (given !== undefined) requireShape(op, name, given, { dtype, shape });
  }
}

/** Throws in the name of `op` unless its argument `name` is a tensor of this dtype and shape. */
export function requireShape(op: string, name: string, given: unknown, wanted: Spec): void {
  if (isTensorOf(given, wanted.dtype, wanted.shape)) return;
  throw new TensorError(`${op}: ${name} is ${show(given)}, expected ${describe(wanted)}`);
}

/** Sets the steps of x [batch, length, ...] that are padding to 0. */
export function clearPadding(x: Tensor, mask: Tensor | undefined): Tensor {
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

/** Checks flags in the name of `op`, and reduces the three to `reset` and `mask`, each 0 or 1. */
export function readFlags(
  op: string, flags: SequenceFlags, [batch, length]: Shape,
): { reset: Tensor | undefined; mask: Tensor | undefined } {
  const { reset, segmentIds, mask } = flags;
  requireFlags(op, flags, [batch, length]);
  // The first step never counts as a change: there is none before it.
  const changes = segmentIds
    ?.notEqual(segmentIds.pad([0, 1], [0, -1]))
    .mul(arange(0, length, 1, { dtype: 'i32' }).greater(0));
  const starts = reset?.notEqual(0);
  return {
    reset: starts && changes ? starts.maximum(changes) : (starts ?? changes),
    mask: mask?.notEqual(0),
  };
}

/** x [batch, count, ...] with a row for each of the batch · count. */
export function asRows(x: Tensor): Tensor {
  const [batch, count, ...rest] = x.shape;
  return x.reshape([batch * count, ...rest]);
}

/** The steps of x [batch, length, ...] with the given indices, i32 [batch, count]. */
export function takeSteps(x: Tensor, index: Tensor): Tensor {
  const rest = x.shape.slice(2);
  const column = index.reshape([...index.shape, ...rest.map(() => 1)]);
  return x.gather(1, column.broadcastTo([...index.shape, ...rest]));
}

/**
 * How the results of all steps are reduced to one: the last step, the mean of all, the first and
 * last concatenated, or not at all.
 */
export type Pool = 'last' | 'mean' | 'ends' | 'none';

/**
 * Pools the steps of x [batch, length, width] that are not padding; a row of padding only gives
 * zeros. Throws in the name of `op` if the length is 0.
 */
export function pooled(op: string, x: Tensor, pool: Pool, mask?: Tensor): Tensor {
  const [batch, length] = x.shape;
  if (pool === 'none') return x;
  if (length === 0) {
    throw new TensorError(`${op}: x has no steps, expected at least one for pool '${pool}'`);
  }
  if (pool === 'last' && !mask) return x.narrow(1, length - 1, 1).squeeze(1);
  const counts = mask?.notEqual(0) ?? ones([batch, length], { dtype: 'i32' });
  const count = counts.sum(1, true);
  if (pool === 'mean') {
    return clearPadding(x, counts).sum(1).div(count.maximum(1).cast(x.dtype));
  }
  const ranks = arange(1, length + 1, 1, { dtype: 'i32' });
  const [last, first] = [ranks, ranks.flip()].map((rank) => {
    const step = takeSteps(x, counts.mul(rank).argmax(1, true)).squeeze(1);
    return mask ? count.notEqual(0).where(step, 0) : step;
  });
  return pool === 'last' ? last : concat([first, last], -1);
}
