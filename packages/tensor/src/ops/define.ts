/**
 * Families of primitives that differ only in a scalar function: give the function and its
 * derivative, and the shape rule, the broadcasting loop and the gradient rule follow.
 */
import type { Value as Scalar } from '@mambagrad/kernel';
import { type DType, isFloat } from '../dtype.ts';
import { type Apply, definePrimitive } from '../primitive.ts';
import { broadcastShapes, broadcastStrides, describe, type Spec, TensorError } from '../shape.ts';
import { ownLoop, rowsOf } from '../strided.ts';
import { Tensor } from '../tensor.ts';

/** An argument that may be a plain number: it takes the dtype of the tensors beside it. */
export type Operand = Tensor | number;

/** A 0-d constant, for the named op. */
export function scalar(op: string, value: number, dtype: DType): Tensor {
  if (dtype === 'f32') return new Tensor({ shape: [], dtype }, Float32Array.of(value));
  if (dtype === 'f64') return new Tensor({ shape: [], dtype }, Float64Array.of(value));
  if (!Number.isInteger(value)) {
    throw new TensorError(`${op}: ${value} is no i32; use cast on the tensor beside it first`);
  }
  return new Tensor({ shape: [], dtype }, Int32Array.of(value));
}

/** Throws unless the tensor is `f32` or `f64`. */
export function requireFloat(op: string, name: string, x: Spec): void {
  if (!isFloat(x.dtype)) {
    throw new TensorError(`${op}: ${name} is ${describe(x)}, expected f32 or f64; use cast first`);
  }
}

/** Throws unless the tensor is `i32`. */
export function requireIndices(op: string, name: string, x: Spec): void {
  if (x.dtype !== 'i32') {
    throw new TensorError(`${op}: ${name} is ${describe(x)}, expected i32; use cast('i32') first`);
  }
}

/** Throws unless two tensors have the same dtype. */
export function requireSameDType(
  op: string,
  a: Spec,
  b: Spec,
  names: readonly string[] = ['a', 'b'],
): void {
  if (a.dtype !== b.dtype) {
    throw new TensorError(
      `${op}: dtypes differ: ${names[0]} is ${describe(a)}, ${names[1]} is ${describe(b)}; ` +
        'use cast to make them equal',
    );
  }
}

interface UnaryDefinition {
  /** The function of one number, in double precision; the result is rounded to the dtype. */
  readonly compute: (x: number) => number;
  /** From `g`, `y = f(x)` and `x`, the gradient `g · f′(x)`. Left out: piecewise constant. */
  readonly gradient?: (g: Tensor, y: Tensor, x: Tensor) => Tensor;
  /** The same function in the loop language. */
  readonly lower: (x: Scalar) => Scalar;
  /** Whether i32 is accepted besides f32 and f64. */
  readonly integers?: boolean;
}

/** An op that maps each element by itself. */
export function unary(name: string, definition: UnaryDefinition): (x: Tensor) => Tensor {
  const { compute, gradient, lower, integers = false } = definition;
  const loop = ownLoop(name, unaryLoop, compute);
  const apply: Apply<null> = definePrimitive<null>({
    name,
    infer: ([x]) => {
      if (!integers) requireFloat(name, 'x', x);
      return x;
    },
    compute: ([x], output) => loop(x.data, output.data),
    lower: () => ({ map: lower }),
    ...(gradient && { gradient: (g, y, [x]) => [() => gradient(g, y, x)] }),
  });
  return (x) => apply([x], null);
}

type NumberArray = { readonly length: number; [index: number]: number };

function unaryLoop(f: (x: number) => number) {
  return (x: NumberArray, out: NumberArray): void => {
    for (let i = 0; i < out.length; i++) out[i] = f(x[i]);
  };
}

type BinaryRule = (g: Tensor, y: Tensor, a: Tensor, b: Tensor) => Tensor;

interface BinaryDefinition {
  readonly compute: (a: number, b: number) => number;
  /** The same function in the loop language. */
  readonly lower: (a: Scalar, b: Scalar) => Scalar;
  /** The gradients with respect to `a` and `b`, in the broadcast shape. */
  readonly gradients?: readonly [BinaryRule, BinaryRule];
  /** Whether i32 is accepted besides f32 and f64; a function if it takes another one. */
  readonly integers?: boolean | ((a: number, b: number) => number);
  /** Whether the result is i32, 0 or 1, whatever the inputs. */
  readonly isComparison?: boolean;
}

/** An op that maps pairs of elements, broadcasting its two inputs by NumPy's rule. */
export function binary(
  name: string,
  definition: BinaryDefinition,
): (a: Tensor, b: Operand) => Tensor {
  const { compute, gradients, lower, integers = false, isComparison = false } = definition;
  const loop = ownLoop(name, binaryLoop, compute);
  const integerLoop =
    typeof integers === 'function' ? ownLoop(`${name} i32`, binaryLoop, integers) : loop;
  const apply: Apply<null> = definePrimitive<null>({
    name,
    infer: ([a, b]) => {
      requireSameDType(name, a, b);
      if (!integers) requireFloat(name, 'a', a);
      const shape = requireBroadcast(name, a, b);
      return { shape, dtype: isComparison ? 'i32' : a.dtype };
    },
    compute: ([a, b], { shape, data }) => {
      const { length, starts, steps } = rowsOf(shape, [
        broadcastStrides(a.shape, shape),
        broadcastStrides(b.shape, shape),
      ]);
      const run = data instanceof Int32Array ? integerLoop : loop;
      run(a.data, b.data, data, length, starts[0], starts[1], steps[0], steps[1]);
    },
    lower: () => ({ map: lower }),
    ...(gradients && {
      gradient: (g, y, [a, b]) => gradients.map((rule) => () => rule(g, y, a, b)),
    }),
  });
  return (a, b) => apply([a, typeof b === 'number' ? scalar(name, b, a.dtype) : b], null);
}

function binaryLoop(f: (a: number, b: number) => number) {
  return (
    a: NumberArray,
    b: NumberArray,
    out: NumberArray,
    length: number,
    aStarts: NumberArray,
    bStarts: NumberArray,
    aStep: number,
    bStep: number,
  ): void => {
    for (let row = 0, write = 0; row < aStarts.length; row++) {
      let i = aStarts[row];
      let j = bStarts[row];
      for (const end = write + length; write < end; write++) {
        out[write] = f(a[i], b[j]);
        i += aStep;
        j += bStep;
      }
    }
  };
}

/** The shape to which both broadcast, or an error that names the op and the shapes. */
export function requireBroadcast(
  op: string,
  a: Spec,
  b: Spec,
  names: readonly string[] = ['a', 'b'],
): number[] {
  const shape = broadcastShapes(a.shape, b.shape);
  if (shape === undefined) {
    throw new TensorError(
      `${op}: shapes do not broadcast: ${names[0]} is ${describe(a)}, ${names[1]} is ` +
        `${describe(b)}; from the last axis on, sizes must be equal or 1`,
    );
  }
  return shape;
}

/** Throws if one of the axes has no elements. */
export function requireNonEmpty(op: string, x: Tensor, axes: readonly number[]): void {
  for (const axis of axes) {
    if (x.shape[axis] === 0) {
      throw new TensorError(
        `${op}: axis ${axis} of ${describe(x)} is empty, and nothing has no ${op}`,
      );
    }
  }
}
