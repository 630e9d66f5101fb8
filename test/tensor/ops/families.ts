/**
 * Families of rows for the table of ops: how calls of ops of the same kind are drawn, at points
 * where they are differentiable.
 */
import {
  concat,
  type ScanAlgorithm,
  type SortOptions,
  type Tensor,
  type VarianceOptions,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import {
  type Draw,
  drawApart,
  drawAxes,
  drawAxis,
  drawBroadcastable,
  drawInteger,
  drawShape,
  drawTensor,
} from '../../support/draw.ts';

/** A call of an op: its tensors (f64, or i32 where it wants those), and the call itself. */
export interface Call {
  readonly inputs: readonly Tensor[];
  readonly apply: (...inputs: Tensor[]) => Tensor;
}

export type Attributes = Readonly<Record<string, unknown>>;

export interface Row {
  readonly draw: (g: Draw) => Call;
  /** How a call is drawn that loses no digits, if not all calls of the op are such. */
  readonly drawAccurate?: (g: Draw) => Call;
  /** Whether the result is a constant to the backward pass. */
  readonly constant?: boolean;
  /** PyTorch's name of the op in the golden values, where it differs. */
  readonly golden?: string;
  /** How a golden case is called. Default: the op on all inputs, no attributes. */
  readonly call?: (attributes: Attributes, inputs: readonly Tensor[]) => Tensor;
  /** The error allowed in float32, of numbers around 1. Default 1e-6. */
  readonly float32?: number;
}

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Tensor, b: Tensor) => Tensor;

/** A smooth function of one tensor, with elements drawn between the bounds. */
export function smooth(apply: Unary, low = -2, high = 2): Row {
  return { draw: (g) => ({ inputs: [drawTensor(g, drawShape(g), low, high)], apply }) };
}

/** A function of one tensor with kinks. */
export function kinked(apply: Unary, kinks: readonly number[] = [0]): Row {
  return { draw: (g) => ({ inputs: drawApart(g, [drawShape(g)], kinks), apply }) };
}

export function drawPairOfShapes(g: Draw): [number[], number[]] {
  const shape = drawShape(g);
  const other = drawBroadcastable(g, shape);
  return g(fc.boolean) ? [shape, other] : [other, shape];
}

/** A smooth function of two tensors that broadcast, with elements between the bounds of each. */
export function pair(
  apply: Binary, a: [number, number] = [-2, 2], b: [number, number] = [-2, 2],
): Row {
  return {
    draw: (g) => {
      const [first, second] = drawPairOfShapes(g);
      return { inputs: [drawTensor(g, first, ...a), drawTensor(g, second, ...b)], apply };
    },
  };
}

/** A function of two tensors that has a kink, or jumps, where they are equal. */
export function kinkedPair(apply: Binary): Row {
  return { draw: (g) => ({ inputs: drawApart(g, drawPairOfShapes(g)), apply }) };
}

interface ReduceAttributes {
  readonly axes: readonly number[] | null;
  readonly keepDims: boolean;
}

type Reduce = (x: Tensor, axes?: readonly number[], keepDims?: boolean) => Tensor;

export function reduction(op: Reduce, { empty = false } = {}): Row {
  return {
    draw: (g) => {
      const shape = drawShape(g, { empty });
      const axes = drawAxes(g, shape);
      const keepDims = g(fc.boolean);
      return { inputs: drawApart(g, [shape]), apply: (x) => op(x, axes, keepDims) };
    },
    call: (attributes, [x]) => {
      const { axes, keepDims } = attributes as unknown as ReduceAttributes;
      return op(x, axes ?? undefined, keepDims);
    },
  };
}

export function alongAxis(op: (x: Tensor, axis: number) => Tensor): Row {
  return {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1, empty: false });
      const axis = drawAxis(g, shape);
      return { inputs: [drawTensor(g, shape)], apply: (x) => op(x, axis) };
    },
    call: ({ axis }, [x]) => op(x, axis as number),
  };
}

export const algorithm = () =>
  fc.constantFrom<ScanAlgorithm>('sequential', 'blelloch', 'hillisSteele', 'chunked');
export const exponent = () => fc.constantFrom(1, 2, 3, Infinity);
export const integers = [-2, -1, 0, 1, 2];

export function variance(
  op: (x: Tensor, axes?: number[], options?: VarianceOptions) => Tensor,
): Row {
  return {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1, empty: false });
      // Two elements at least along the axes, as one alone has no variance.
      const axis = shape.findIndex((size) => size > 1);
      const whole = axis < 0 ? [...shape, 2] : shape;
      const axes = [axis < 0 ? shape.length : axis];
      const options = { correction: drawInteger(g, 0, 1), keepDims: g(fc.boolean) };
      return { inputs: drawApart(g, [whole]), apply: (x) => op(x, axes, options) };
    },
    call: ({ axes, ...options }, [x]) => op(x, axes as number[], options),
  };
}

export function argReduction(op: (x: Tensor, axis?: number, keepDims?: boolean) => Tensor): Row {
  return {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1, empty: false });
      const axis = g(fc.boolean) ? drawAxis(g, shape) : undefined;
      const keepDims = g(fc.boolean);
      return { inputs: drawApart(g, [shape]), apply: (x) => op(x, axis, keepDims) };
    },
    constant: true,
  };
}

export function sorting(apply: (x: Tensor, options: SortOptions) => Tensor): Row {
  return {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1 });
      const options = { axis: drawAxis(g, shape), descending: g(fc.boolean) };
      return { inputs: drawApart(g, [shape]), apply: (x) => apply(x, options) };
    },
  };
}

export function triangle(op: (x: Tensor, diagonal?: number) => Tensor): Row {
  return {
    draw: (g) => {
      const diagonal = drawInteger(g, -3, 3);
      const inputs = [drawTensor(g, drawShape(g, { minRank: 2 }))];
      return { inputs, apply: (x) => op(x, diagonal) };
    },
  };
}

/** Pieces put together again, weighted differently, so that none can stand for another. */
export function joinWeighted(pieces: readonly Tensor[], axis: number): Tensor {
  return concat(
    pieces.map((piece, i) => piece.mul(i + 1)),
    axis,
  );
}

/** Start, stop and step along each axis of a shape. */
export function drawSlice(g: Draw, shape: readonly number[]) {
  const start = shape.map((size) => drawInteger(g, 0, size));
  const stop = shape.map((size, axis) => drawInteger(g, start[axis], size));
  return { start, stop, step: shape.map(() => drawInteger(g, 1, 3)) };
}

/** The shape of an index into x for gather: any length along the axis, at most x's elsewhere. */
export function drawIndexShape(g: Draw, shape: readonly number[], axis: number): number[] {
  const at = axis < 0 ? axis + shape.length : axis;
  return shape.map((size, other) => drawInteger(g, 0, other === at ? 5 : size));
}
