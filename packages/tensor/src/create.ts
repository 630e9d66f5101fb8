/**
 * Tensors from nothing: from arrays, constants and ranges.
 */
import { type DType, dtypeOf, type TypedArray } from './dtype.ts';
import { arrayFor } from './memory.ts';
import { check, checkShape, failure, numelOf, type Shape } from './shape.ts';
import { type NestedArray, Tensor } from './tensor.ts';

export interface CreateOptions {
  /** Default `f32`, or that of a typed array that is given. */
  readonly dtype?: DType;
  /** Whether `backward()` shall leave a gradient here. Default false. */
  readonly requiresGrad?: boolean;
}

export interface TensorOptions extends CreateOptions {
  /** The shape of the elements of a flat array. Default one axis. */
  readonly shape?: Shape;
}

/** Numbers as they come: alone, nested in arrays as deep as there are axes, or in a typed array. */
export type TensorData = NestedArray | readonly NestedArray[] | TypedArray;

/**
 * A tensor of the given numbers, which are copied. `tensor([[1, 2], [3, 4]])` has the shape [2, 2].
 * Throws if nested arrays are ragged, or if numbers are not whole where i32 is asked for.
 */
export function tensor(from: TensorData, options: TensorOptions = {}): Tensor {
  const [numbers, found] = ArrayBuffer.isView(from) ? [from, [from.length]] : readNested(from);
  const shape = checkShape('tensor', options.shape ?? found);
  const count = numbers.length;
  check(numelOf(shape) === count)`tensor: ${count} numbers do not fill the shape ${shape}`;
  const dtype = options.dtype ?? (ArrayBuffer.isView(from) ? dtypeOf(from) : 'f32');
  const result = generate('tensor', shape, { ...options, dtype }, (i) => numbers[i]);
  const isWrong = (value: number, i: number): boolean => value !== numbers[i];
  const wrong = dtype === 'i32' ? result.data.findIndex(isWrong) : -1;
  check(wrong < 0)`tensor: ${numbers[wrong]} (element ${wrong}) is not an i32`;
  return result;
}

/** The numbers in nested arrays, and their shape: read off the first ones, checked everywhere. */
function readNested(from: NestedArray | readonly NestedArray[]): [numbers: number[], Shape] {
  const found: number[] = [];
  for (let level: unknown = from; Array.isArray(level); level = level[0]) found.push(level.length);
  const numbers: number[] = [];
  const read = (part: unknown, axis: number): void => {
    if (Array.isArray(part) && axis < found.length && part.length === found[axis]) {
      part.forEach((inner) => read(inner, axis + 1));
    } else if (typeof part === 'number' && axis === found.length) {
      numbers.push(part);
    } else {
      const what = Array.isArray(part) ? `an array of ${part.length}` : String(part);
      const right = axis < found.length ? `an array of ${found[axis]}` : 'a number';
      throw failure`tensor: found ${what} at depth ${axis}, expected ${right}`;
    }
  };
  read(from, 0);
  return [numbers, found];
}

/** The tensor whose i-th element is `valueAt(i)`. */
function generate(
  op: string, shape: Shape, options: CreateOptions, valueAt: (i: number) => number,
): Tensor {
  const { dtype = 'f32', requiresGrad = false } = options;
  const data = arrayFor(op, { shape: checkShape(op, shape), dtype });
  for (let i = 0; i < data.length; i++) data[i] = valueAt(i);
  const result = new Tensor({ shape: [...shape], dtype }, data);
  result.requiresGrad = requiresGrad;
  return result;
}

/** Every element `value`. */
export function full(shape: Shape, value: number, options: CreateOptions = {}): Tensor {
  return generate('full', shape, options, () => value);
}

export function zeros(shape: Shape, options: CreateOptions = {}): Tensor {
  return full(shape, 0, options);
}

export function ones(shape: Shape, options: CreateOptions = {}): Tensor {
  return full(shape, 1, options);
}

/** start, start + step, … up to, not including, stop: `arange(0, 3)` is [0, 1, 2]. */
export function arange(start: number, stop: number, step = 1, options: CreateOptions = {}): Tensor {
  const count = Math.ceil((stop - start) / step);
  check(Number.isFinite(count))`arange: cannot count from ${start} to ${stop} in steps of ${step}`;
  return generate('arange', [Math.max(0, count)], options, (i) => start + i * step);
}

/** `count` numbers from start to stop, both included, evenly apart. */
export function linspace(
  start: number, stop: number, count: number, options: CreateOptions = {},
): Tensor {
  const last = Math.max(1, count - 1);
  const step = (stop - start) / last;
  return generate('linspace', [count], options, (i) => (i === last ? stop : start + i * step));
}

/** The identity matrix [n, n], or the [n, m] one with ones on its diagonal. */
export function eye(n: number, m: number = n, options: CreateOptions = {}): Tensor {
  return generate('eye', [n, m], options, (i) => Number(Math.floor(i / m) === i % m));
}

/** Every element `value`, in the shape of x, and in its dtype unless another is given. */
export function fullLike(x: Tensor, value: number, options: CreateOptions = {}): Tensor {
  return full(x.shape, value, { dtype: x.dtype, ...options });
}

export function zerosLike(x: Tensor, options: CreateOptions = {}): Tensor {
  return fullLike(x, 0, options);
}

export function onesLike(x: Tensor, options: CreateOptions = {}): Tensor {
  return fullLike(x, 1, options);
}
