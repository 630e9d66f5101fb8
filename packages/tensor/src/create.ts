/**
 * Tensors from nothing: from arrays, constants and ranges.
 */
import { allocate, type DType, dtypeOf, type TypedArray } from './dtype.ts';
import { checkShape, formatShape, numelOf, type Shape, TensorError } from './shape.ts';
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
  const { numbers, found } = ArrayBuffer.isView(from)
    ? { numbers: from, found: [from.length] }
    : readNested(from);
  const shape = checkShape('tensor', options.shape ?? found);
  if (numelOf(shape) !== numbers.length) {
    throw new TensorError(
      `tensor: ${numbers.length} numbers do not fill the shape ${formatShape(shape)}`,
    );
  }
  const dtype = options.dtype ?? (ArrayBuffer.isView(from) ? dtypeOf(from) : 'f32');
  const data = allocate(dtype, numbers.length);
  data.set(numbers);
  if (dtype === 'i32') {
    const wrong = data.findIndex((value: number, i: number) => value !== numbers[i]);
    if (wrong >= 0) {
      throw new TensorError(`tensor: ${numbers[wrong]} (element ${wrong}) is not an i32`);
    }
  }
  return finish(shape, data, options);
}

/** The numbers in nested arrays, and their shape: read off the first ones, checked everywhere. */
function readNested(from: NestedArray | readonly NestedArray[]): {
  numbers: number[];
  found: number[];
} {
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
      throw new TensorError(`tensor: found ${what} at depth ${axis}, expected ${right}`);
    }
  };
  read(from, 0);
  return { numbers, found };
}

function finish(shape: Shape, data: TypedArray, options: CreateOptions): Tensor {
  const result = new Tensor({ shape: [...shape], dtype: dtypeOf(data) }, data);
  if (options.requiresGrad) result.requiresGrad = true;
  return result;
}

/** Every element `value`. */
export function full(shape: Shape, value: number, options: CreateOptions = {}): Tensor {
  const data = allocate(options.dtype ?? 'f32', numelOf(checkShape('full', shape)));
  return finish(shape, data.fill(value), options);
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
  if (!Number.isFinite(count)) {
    throw new TensorError(`arange: cannot count from ${start} to ${stop} in steps of ${step}`);
  }
  const data = allocate(options.dtype ?? 'f32', Math.max(0, count));
  return finish([data.length], data.map((_, i) => start + i * step), options);
}

/** `count` numbers from start to stop, both included, evenly apart. */
export function linspace(
  start: number,
  stop: number,
  count: number,
  options: CreateOptions = {},
): Tensor {
  const data = allocate(options.dtype ?? 'f32', numelOf(checkShape('linspace', [count])));
  const step = count > 1 ? (stop - start) / (count - 1) : 0;
  return finish(
    [count],
    data.map((_, i) => (i === count - 1 && i > 0 ? stop : start + i * step)),
    options,
  );
}

/** The identity matrix [n, n], or the [n, m] one with ones on its diagonal. */
export function eye(n: number, m: number = n, options: CreateOptions = {}): Tensor {
  const data = allocate(options.dtype ?? 'f32', numelOf(checkShape('eye', [n, m])));
  for (let i = 0; i < Math.min(n, m); i++) data[i * m + i] = 1;
  return finish([n, m], data, options);
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
