/**
 * What the layers of this folder have in common. Each is a linear RNN: it reads a sequence from
 * left to right and carries a state, of which the next state is a linear function,
 *
 *     state_t = decay_t · state_{t−1} + input_t,     y_t = read_t(state_t)
 *
 * where decay, input and readout may depend on x_t, but not on the state. So the steps associate,
 * and can be computed in any grouping: a whole sequence at once, in pieces, or step by step.
 *
 * A layer is a `Recurrent` of the mamba package: it implements `scan`, and has `forward` and
 * `step`, which call it.
 */
import { Recurrent, type Scanned } from '@mambagrad/mamba';
import type { Linear } from '@mambagrad/nn';
import {
  describe, type DType, Generator, type Shape, type Tensor, TensorError, zeros,
} from '@mambagrad/tensor';
import {
  anything, checkArgument, instanceOf, readOptions, show, type Table, tensors, whole,
} from '@mambagrad/tensor/options';

/** A record whose entries are all tensors. */
export type Tensors<State> = { readonly [Name in keyof State]: Tensor };

/** Options of every layer of this folder. */
export interface LinearRNNOptions {
  /** The width of x and y. */
  readonly hiddenSize: number;
  /** N, the numbers of state: in all, or for each channel of a head. Default hiddenSize, or 16. */
  readonly stateSize?: number | undefined;
  /** The source of random initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/** The table of these options. */
export const linearRNNOptions = {
  hiddenSize: whole(1).required(),
  stateSize: whole(1).optional(),
  generator: instanceOf(Generator).optional(),
} satisfies Table<LinearRNNOptions>;

/** Options of `scan`. */
export interface PieceOptions<State> {
  /** i32 [batch, length]: 0 at steps that are padding, which change nothing. Default all count. */
  readonly mask?: Tensor | undefined;
  /** The state to go on from, such as an earlier call gave. Default zeros. */
  readonly state?: State | undefined;
}

const pieceOptions: Table<PieceOptions<never>> = {
  mask: tensors.optional(),
  state: anything<never>().optional(),
};

/** A layer of x [batch, length, hidden] to the same shape, with a state that can be carried. */
export abstract class LinearRNN<State extends Tensors<State>> extends Recurrent<State> {
  /** The last map, to the width of the layer; weight [hidden, …] */
  abstract readonly outProj: Linear;

  /** The shapes of the tensors of a state, for a number of rows. */
  abstract stateShapes(batch: number): { readonly [Name in keyof State]: Shape };

  /** Reads all steps of x, of which there is at least one, from a state on; padding is 0. */
  protected abstract read(x: Tensor, state: State, mask: Tensor | undefined): Scanned<State>;

  /** Zeros of the shapes of `stateShapes`. */
  initialState(batch: number): State {
    const { dtype } = this.outProj.weight;
    const tensors = shapesOf(this.stateShapes(batch)).map(([name, shape]) => [
      name, zeros(shape, { dtype }),
    ]);
    return Object.fromEntries(tensors) as State;
  }

  /** x and y [batch, length, hidden]; flags of documents are not supported. */
  scan(x: Tensor, options: PieceOptions<State> = {}): Scanned<State> {
    const op = this.constructor.name;
    const given: PieceOptions<State> = readOptions(op, options, pieceOptions);
    const { shape: [hidden], dtype } = this.outProj.weight;
    checkArgument(op, 'x', x, tensors);
    if (x.dtype !== dtype || x.ndim !== 3 || x.shape[2] !== hidden) {
      const wanted = `${dtype}[batch, length, ${hidden}]`;
      throw new TensorError(`${op}: x is ${describe(x)}, expected ${wanted}`);
    }
    const [batch, length] = x.shape;
    const state = given.state ?? this.initialState(batch);
    for (const [name, shape] of shapesOf(this.stateShapes(batch))) {
      const part = (state as Record<string, unknown>)[name];
      requireTensor(op, `state.${name}`, part, shape, dtype);
    }
    const { mask } = given;
    if (mask) requireTensor(op, 'mask', mask, [batch, length], 'i32');
    return length === 0 ? { y: x, state } : this.read(whereCounts(mask, x, 0), state, mask);
  }
}

/** The shapes with their names. */
function shapesOf(shapes: object): [string, Shape][] {
  return Object.entries(shapes);
}

/** Throws in the name of `op` unless this argument is a tensor of this dtype and shape. */
function requireTensor(
  op: string, name: string, given: unknown, shape: Shape, dtype: DType,
): void {
  const wanted = describe({ shape, dtype });
  if (tensors.accepts(given) && describe(given as Tensor) === wanted) return;
  throw new TensorError(`${op}: ${name} is ${show(given)}, expected ${wanted}`);
}

/** The state after the last of all states [batch, length, ...]. */
export function lastOf(states: Tensor): Tensor {
  return states.narrow(1, states.shape[1] - 1, 1).squeeze(1);
}

/** x [batch, length, ...] at steps that count, and a number at padding. */
export function whereCounts(mask: Tensor | undefined, x: Tensor, padding: number): Tensor {
  return mask ? mask.reshape([...mask.shape, ...x.shape.slice(2).map(() => 1)]).where(x, padding)
    : x;
}
