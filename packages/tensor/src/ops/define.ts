/**
 * Definers for families of primitives. Elementwise ops differ in a function of numbers: from that,
 * its form in the loop language and its derivative follow the shape rule, the broadcasting loop and
 * the gradient rule. Ops that move elements differ in a rule that says where each comes from.
 */
import type { Expr } from '@mambagrad/kernel';
import { allocate, type DType, isFloat, type TypedArray } from '../core/dtype.ts';
import type { Index } from '../core/lowering.ts';
import { checkArgument, show, tensors } from '../core/options.ts';
import { type Apply, definePrimitive, type SinglePrimitive } from '../core/primitive.ts';
import {
  broadcastShapes, check, failure, type Shape, type Spec, stridesOf,
} from '../core/shape.ts';
import { broadcastRows, copyBlock, layoutOf, type NumberArray, ownLoop } from '../core/strided.ts';
import { Tensor } from '../core/tensor.ts';

/** An argument that may be a plain number, which takes the dtype of the other operand. */
export type Operand = Tensor | number;

/**
 * An operand as a tensor, for the named op and argument: a number becomes a 0-d constant. Throws if
 * it is neither, or an i32 cannot hold the number.
 *
 *     tensorOf('mine.scale', 2, x.dtype, 'factor')
 */
export function tensorOf(op: string, value: Operand, dtype: DType, name = 'b'): Tensor {
  if (value instanceof Tensor) return value;
  if (typeof value !== 'number') {
    throw failure`${op}: ${name} is ${show(value)}, expected a tensor or a number`;
  }
  const isHeld = dtype !== 'i32' || (value | 0) === value;
  check(isHeld)`${op}: ${value} is not an i32; use cast on the tensor beside it first`;
  return new Tensor({ shape: [], dtype }, allocate(dtype, 1).fill(value));
}

/**
 * The values of a tensor, for checks of them; undefined in a trace, where it has none.
 *
 *     valuesOf(tokens)?.every((token) => token < vocabSize)
 */
export function valuesOf(x: Tensor): TypedArray | undefined {
  try {
    return x.data;
  } catch {
    return undefined;
  }
}

/**
 * Throws unless an argument is a tensor.
 *
 *     requireTensor('softsign', 'x', x);    // softsign: x is 3, expected a tensor
 */
export function requireTensor(op: string, name: string, x: Tensor): void {
  if (!(x instanceof Tensor)) checkArgument(op, name, x, tensors);
}

/**
 * Throws unless the argument is a tensor of `f32` or `f64`.
 *
 *     requireFloat('softsign', 'x', x);    // softsign: x is i32[2], expected f32 or f64; …
 */
export function requireFloat(op: string, name: string, x: Tensor): void {
  requireTensor(op, name, x);
  check(isFloat(x.dtype))`${op}: ${name} is ${x}, expected f32 or f64; use cast first`;
}

/**
 * Throws unless the argument is a tensor of `i32`.
 *
 *     requireIndices('gather', 'index', index);
 */
export function requireIndices(op: string, name: string, x: Tensor): void {
  requireTensor(op, name, x);
  check(x.dtype === 'i32')`${op}: ${name} is ${x}, expected i32; use cast('i32') first`;
}

/**
 * Throws unless two arguments are tensors of the same dtype.
 *
 *     requireSameDType('linear', x, weight, ['x', 'weight']);
 */
export function requireSameDType(
  op: string, a: Tensor, b: Tensor, names: Names = ['a', 'b'],
): void {
  requireTensor(op, names[0], a);
  requireTensor(op, names[1], b);
  check(a.dtype === b.dtype)`${op}: dtypes differ: ${names[0]} is ${a}, ${names[1]} is ${b}; use
    cast to make them equal`;
}

/** The names of two arguments in errors. */
type Names = readonly [string, string];

function isCount(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}

/** Throws unless a number is whole, and at least `least`. */
export function requireCount(
  op: string, name: string, value: number, least: number = -Infinity,
): void {
  if (isCount(value, least)) return;
  const range = least === -Infinity ? '' : ` from ${least}`;
  throw failure`${op}: ${name} is ${show(value)}, expected a whole number${range}`;
}

/** Throws unless the argument is an array; its elements are checked elsewhere. */
export function requireList(op: string, name: string, list: readonly number[]): void {
  if (Array.isArray(list)) return;
  throw failure`${op}: ${name} is ${show(list)}, expected an array of whole numbers`;
}

/** Throws unless a list has `length` whole numbers, each at least `least`. */
export function requireCounts(
  op: string, name: string, list: readonly number[], least: number, length?: number,
): void {
  requireList(op, name, list);
  const isRight = length === undefined || list.length === length;
  if (!isRight) throw failure`${op}: ${name} is ${list}, expected ${length} numbers, one an axis`;
  for (let i = 0; i < list.length; i++) {
    if (!isCount(list[i], least)) requireCount(op, `${name}[${i}]`, list[i], least);
  }
}

/**
 * The shape to which both broadcast, or an error that names the op and the shapes.
 *
 *     const shape = requireBroadcast('hypot', a, b);
 */
export function requireBroadcast(op: string, a: Spec, b: Spec, names: Names = ['a', 'b']): Shape {
  const shape = broadcastShapes(a.shape, b.shape);
  if (shape !== undefined) return shape;
  throw failure`${op}: shapes do not broadcast: ${names[0]} is ${a}, ${names[1]} is ${b}; from the
    last axis on, sizes must be equal or 1`;
}

/** Throws if one of the axes has no elements. */
export function requireNonEmpty(op: string, x: Tensor, axes: readonly number[]): void {
  const axis = axes.find((each) => x.shape[each] === 0);
  check(axis === undefined)`${op}: axis ${axis} of ${x} is empty; the ${op} of zero elements is
    undefined`;
}

/** A function of one number or two, in double precision; the result is rounded to the dtype. */
type ScalarFunction = (a: number, b: number) => number;

/**
 * The reference loop of an elementwise op of one input or two, which broadcast. Where the result is
 * i32, `integers` is used instead of `f`.
 */
export function elementwise(
  name: string, f: ScalarFunction, integers: ScalarFunction = f,
): SinglePrimitive<unknown>['compute'] {
  const loops = [ownLoop(name, mapLoop, f), ownLoop(`${name} i32`, mapLoop, integers)];
  return (inputs, { shape, data }) => {
    const [a, b = a] = inputs;
    const { length, starts, steps } = broadcastRows(shape, [a, b]);
    loops[data instanceof Int32Array ? 1 : 0](a.data, b.data, data, length, starts, steps);
  };
}

function mapLoop(f: ScalarFunction) {
  return (
    a: NumberArray, b: NumberArray, out: NumberArray, length: number,
    [aStarts, bStarts]: readonly NumberArray[], [aStep, bStep]: readonly number[],
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

/** A function for f32 and f64; or two, of which the second makes the op accept i32. */
type ForFloats<F> = F | readonly [floats: F, integers: F];

/** The gradient with respect to one input, in the shape of y, from `g`, `y` and the inputs. */
type Rule = (g: Tensor, y: Tensor, a: Tensor, b: Tensor) => Tensor;

/** An op of one input or two, whose result is i32 if it is a comparison. */
function pointwise(
  name: string, f: ForFloats<ScalarFunction>, lower: ForFloats<(a: Expr, b: Expr) => Expr>,
  rules: readonly Rule[] | null, isComparison: boolean,
): Apply<null> {
  const [floats, integers] = [f].flat();
  const maps = [lower].flat();
  return definePrimitive<null>({
    name,
    infer: (inputs) => {
      const [a, b = a] = inputs;
      requireSameDType(name, a, b);
      if (maps.length === 1) requireFloat(name, inputs.length === 1 ? 'x' : 'a', a);
      return { shape: requireBroadcast(name, a, b), dtype: isComparison ? 'i32' : a.dtype };
    },
    compute: elementwise(name, floats, integers),
    lower: ([{ dtype }]) => ({ map: maps[dtype === 'i32' ? 1 : 0] }),
    ...(rules && { gradient: (g, y, [a, b = a]) => rules.map((rule) => () => rule(g, y, a, b)) }),
  });
}

/** An op of one tensor, as `unary` defines it. */
export type Unary = (x: Tensor) => Tensor;
/** An op of a tensor and a tensor or number, as `binary` defines it. */
export type Binary = (a: Tensor, b: Operand) => Tensor;

/**
 * Defines an op that maps each element by itself. It takes the function of a number; the same in
 * the loop language; and the gradient `g · f′(x)` from `g`, `y = f(x)` and `x`, or null if the
 * result is a constant to the backward pass. The op is for f32 and f64; a second form in the loop
 * language makes it one for i32 as well.
 *
 *     const cube = unary(
 *       'mine.cube', (x) => x ** 3, (x) => k.mul(x, k.mul(x, x)),
 *       (g, _y, x) => g.mul(x).mul(x).mul(3),
 *     );
 */
export function unary(
  name: string, f: (x: number) => number, lower: ForFloats<(x: Expr) => Expr>,
  rule: ((g: Tensor, y: Tensor, x: Tensor) => Tensor) | null,
): Unary {
  const apply = pointwise(name, f, lower, rule && [rule], false);
  return (x) => {
    requireTensor(name, 'x', x);
    return apply([x], null);
  };
}

/**
 * Defines an op that maps pairs of elements and broadcasts its inputs by NumPy's rule. It takes
 * what `unary` takes, for two numbers; the gradients are those with respect to `a` and `b`, in the
 * shape of the result. A comparison gives i32.
 *
 *     const hypot = binary(
 *       'mine.hypot', Math.hypot, (a, b) => k.sqrt(k.add(k.mul(a, a), k.mul(b, b))),
 *       [(g, y, a) => g.mul(a).div(y), (g, y, _a, b) => g.mul(b).div(y)],
 *     );
 */
export function binary(
  name: string, f: ForFloats<ScalarFunction>, lower: ForFloats<(a: Expr, b: Expr) => Expr>,
  rules: readonly [Rule, Rule] | null, isComparison = false,
): Binary {
  const apply = pointwise(name, f, lower, rules, isComparison);
  return (a, b) => {
    requireTensor(name, 'a', a);
    return apply([a, tensorOf(name, b, a.dtype)], null);
  };
}

/** What `move` needs to know of an op. */
export interface MoveDefinition<Attributes> {
  /** The result's shape, or an error. */
  readonly shape: (x: Tensor, attributes: Attributes) => Shape;
  /** The index in x of the element at an index of the result: an affine function of it. */
  readonly from: (attributes: Attributes, x: Shape) => (index: Index) => Index;
  /** The gradient with respect to x, from that with respect to the result and both shapes. */
  readonly gradient: (g: Tensor, attributes: Attributes, x: Shape, y: Shape) => Tensor;
}

/**
 * Defines an op that moves elements, each by the same rule: one strided copy, or none at all where
 * the elements stay in order. This one takes every second element of a vector:
 *
 *     const evens = move<null>('mine.evens', {
 *       shape: (x) => [Math.ceil(x.shape[0] / 2)],
 *       from: () => ([i]) => [k.times(i, 2)],
 *       gradient: (g, _attributes, x) => g.pad([0], [1 - (x[0] % 2)], { spread: [2] }),
 *     });
 */
export function move<Attributes>(
  name: string, { shape, from, gradient }: MoveDefinition<Attributes>,
): Apply<Attributes> {
  return definePrimitive<Attributes>({
    name,
    infer: ([x], attributes) => ({ shape: shape(x, attributes), dtype: x.dtype }),
    compute: ([x], output, attributes) =>
      copyBlock(output.shape, { array: x, at: from(attributes, x.shape) }, { array: output }),
    lower: ([x], attributes, { shape: sizes }) => {
      const at = from(attributes, x.shape);
      const { offset, strides } = layoutOf(at, sizes.length, x.shape);
      const own = stridesOf(sizes);
      const isOnePiece = sizes.every((size, axis) => size === 1 || strides[axis] === own[axis]);
      return { move: at, offset: isOnePiece ? offset : undefined };
    },
    gradient: (g, y, [x], attributes) => [() => gradient(g, attributes, x.shape, y.shape)],
  });
}
