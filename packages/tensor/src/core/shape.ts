/**
 * Shapes: how many elements, how axes are named and how two shapes broadcast; and the one error
 * class, whose messages name the op, the argument and the shapes, and say what would be right.
 *
 * Arrays are row-major: element (i₀, …, iₖ) of a tensor of shape (d₀, …, dₖ) sits at Σ iⱼ·strideⱼ
 * with strideₖ = 1 and strideⱼ = strideⱼ₊₁·dⱼ₊₁.
 */
import { show } from '@mambagrad/wasm/options';
import type { DType } from './dtype.ts';

/** The size of each axis, the first one outermost; [] for a single number. */
export type Shape = readonly number[];

/** One axis, several, or all of them when left out. Negative axes count from the end. */
export type Axes = number | readonly number[] | undefined;

/** What is known of a tensor before it has a value. */
export interface Spec {
  /** The size of each axis. */
  readonly shape: Shape;
  /** The type of the elements. */
  readonly dtype: DType;
}

/** Every error that this library throws for a wrong argument. */
export class TensorError extends Error {
  /** Tells it from other errors, where the class cannot be asked for. */
  override readonly name: string = 'TensorError';
}

/**
 * An error whose message is a template. A tensor in it is printed as `f32[2, 3]`, a list as
 * `[2, 3]`, and a line break with its indentation as a space; long values are cut short.
 *
 *     throw failure`softsign: x is ${x}, expected f32 or f64`;
 */
export function failure(parts: TemplateStringsArray, ...values: readonly unknown[]): TensorError {
  const raw = parts.map((part) => part.replaceAll(/\s*\n\s*/g, ' '));
  return new TensorError(String.raw({ raw }, ...values.map(inMessage)));
}

/** The longest text that stands as it is in an error, and the most sizes of a shape. */
const LONGEST_TEXT = 200;
const MOST_SIZES = 16;

function inMessage(value: unknown): string {
  if (typeof value === 'string') {
    return value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}…` : value;
  }
  const isShort = (list: unknown): list is Shape =>
    Array.isArray(list) && list.length <= MOST_SIZES &&
    list.every((size) => typeof size === 'number');
  if (isShort(value)) return formatShape(value);
  const isSpec = value instanceof Object && 'shape' in value && 'dtype' in value;
  return isSpec && isShort(value.shape) ? describe(value as Spec) : show(value);
}

/**
 * Throws the error that the template after it describes, unless the condition holds.
 *
 *     check(x.ndim === 2)`softsign: x is ${x}, expected two axes`;
 */
export function check(isRight: boolean): (...template: Parameters<typeof failure>) => void {
  return isRight ? pass : fail;
}

const pass = (): void => {};
const fail = (...template: Parameters<typeof failure>): never => {
  throw failure(...template);
};

/** `f32[2, 3]`, as error messages and printed graphs show a tensor. */
export function describe(spec: Spec): string {
  const { dtype, shape } = Object(spec) as Spec;
  if (!Array.isArray(shape)) throw failure`describe: x is ${show(spec)}, expected a tensor`;
  return `${dtype}[${shape.join(', ')}]`;
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/**
 * The number of elements of an array of this shape.
 *
 *     numelOf([2, 3])    // 6
 */
export function numelOf(shape: Shape): number {
  let product = 1;
  for (let axis = 0; axis < shape.length; axis++) product *= shape[axis];
  return product;
}

/**
 * Whether two shapes have the same axes with the same sizes.
 *
 *     sameShape([2, 3], [2, 3])    // true
 */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/**
 * For each axis, how far apart neighbours are in a row-major array of this shape, in elements.
 *
 *     stridesOf([2, 3, 4])    // [12, 4, 1]
 */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  for (let axis = shape.length - 1, stride = 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** Checks that a user's shape is an array of whole numbers, none negative. */
export function checkShape(op: string, shape: Shape): Shape {
  if (!Array.isArray(shape)) {
    throw failure`${op}: shape is ${show(shape)}, expected an array of sizes such as [2, 3]`;
  }
  // By index: what is wrong may be undefined.
  for (let axis = 0; axis < shape.length; axis++) {
    const isSize = Number.isSafeInteger(shape[axis]) && shape[axis] >= 0;
    if (!isSize) throw failure`${op}: ${shape} is not a shape: size ${axis} is ${shape[axis]},
      expected a whole number from 0`;
  }
  return shape;
}

/**
 * The axis counted from the front, or an error that names the op.
 *
 *     resolveAxis('softsign', -1, 3)    // 2
 */
export function resolveAxis(op: string, axis: number, ndim: number): number {
  if (!Number.isInteger(axis) || axis < -ndim || axis >= ndim) {
    const range = ndim === 0 ? 'a 0-d tensor has none' : `expected ${-ndim} to ${ndim - 1}`;
    if (Number.isInteger(axis)) {
      throw failure`${op}: axis ${axis} is out of range for ${ndim} axes: ${range}`;
    }
    throw failure`${op}: axis is ${show(axis)}, ${range}`;
  }
  return axis < 0 ? axis + ndim : axis;
}

/**
 * Axes counted from the front, in ascending order; all of them if `axes` is left out. Throws in the
 * name of the op if one is out of range or named twice.
 *
 *     resolveAxes('mine.sum', [-1, 0], 3)    // [0, 2]
 */
export function resolveAxes(op: string, axes: Axes, ndim: number): number[] {
  if (axes === undefined) return Array.from({ length: ndim }, (_, axis) => axis);
  const list = Array.isArray(axes) ? Array.from<number>(axes) : [axes as number];
  const resolved = list.map((axis) => resolveAxis(op, axis, ndim)).sort((a, b) => a - b);
  const twice = resolved.findIndex((axis, i) => axis === resolved[i - 1]);
  check(twice < 0)`${op}: axis ${resolved[twice]} is named twice in ${axes}`;
  return resolved;
}

/**
 * The shape with the given axes, counted from the front, removed, or kept with size 1.
 *
 *     reducedShape([2, 3, 4], [1], false)    // [2, 4]
 *     reducedShape([2, 3, 4], [1], true)     // [2, 1, 4]
 */
export function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): number[] {
  if (keepDims) return shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return shape.filter((_, axis) => !axes.includes(axis));
}

/**
 * The shape to which both broadcast, by NumPy's rule: shapes are aligned at their last axis,
 * missing axes count as 1, and sizes must be equal or 1. Undefined if they do not broadcast.
 *
 *     broadcastShapes([2, 1], [3])    // [2, 3]
 */
export function broadcastShapes(a: Shape, b: Shape): number[] | undefined {
  // Nothing repeats, as most often.
  if (b.length === 0 || sameShape(a, b)) return [...a];
  const result: number[] = [];
  for (let back = Math.max(a.length, b.length); back >= 1; back--) {
    const x = a[a.length - back] ?? 1;
    const y = b[b.length - back] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    result.push(x === 1 ? y : x);
  }
  return result;
}

/** Whether an array of `shape` has the shape `target` once it is repeated by that rule. */
export function broadcastsTo(shape: Shape, target: Shape): boolean {
  const missing = target.length - shape.length;
  if (missing < 0) return false;
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] !== 1 && shape[axis] !== target[axis + missing]) return false;
  }
  return true;
}

/**
 * Strides that read an array of `shape` as if it had the shape `target`, to which it broadcasts: 0
 * where it repeats.
 *
 *     broadcastStrides([3], [2, 3])    // [0, 1]
 */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const strides = stridesOf(shape);
  const missing = target.length - shape.length;
  return target.map((_, axis) =>
    axis < missing || shape[axis - missing] === 1 ? 0 : strides[axis - missing],
  );
}
