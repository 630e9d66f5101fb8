/**
 * Creating tensors: from arrays, constants and ranges.
 */
import type { DType, TypedArray } from './dtype.ts';
import { arrayFor } from './memory.ts';
import {
  anyNumber, boolean, checkArgument, dtypes, number, type Read, readOptions, shapes, show,
  type Table, tensors, whole,
} from './options.ts';
import { check, checkShape, failure, numelOf, type Shape } from './shape.ts';
import { type NestedArray, Tensor } from './tensor.ts';

/** Options of `zeros`, `ones`, `full`, `arange`, `linspace` and `eye`. */
export interface CreateOptions {
  /** Default 'f32'. */
  readonly dtype?: DType | undefined;
  /** Whether `backward()` sets `grad` of this tensor. Default false. */
  readonly requiresGrad?: boolean | undefined;
}

const createOptions = {
  dtype: dtypes.orElse('f32'),
  requiresGrad: boolean.orElse(false),
} satisfies Table<CreateOptions>;

/** Options of `tensor`; dtype and shape can follow from the numbers. */
export interface TensorOptions extends CreateOptions {
  /** By default that of a typed array, else `f32`. */
  readonly dtype?: DType | undefined;
  /** The shape for the numbers of a flat array; by default it has one axis. */
  readonly shape?: Shape | undefined;
}

const tensorOptions = {
  dtype: dtypes.optional(),
  requiresGrad: boolean.orElse(false),
  shape: shapes.optional(),
} satisfies Table<TensorOptions>;

/** Options of `zerosLike`, `onesLike` and `fullLike`. */
export interface LikeOptions extends CreateOptions {
  /** By default that of the given tensor. */
  readonly dtype?: DType | undefined;
}

const likeOptions = {
  dtype: dtypes.optional(),
  requiresGrad: boolean.orElse(false),
} satisfies Table<LikeOptions>;

/** A number, arrays of numbers nested as deep as there are axes, or a typed array. */
export type TensorData = NestedArray | readonly NestedArray[] | TypedArray;

/**
 * A tensor of the given numbers, which are copied. `tensor([[1, 2], [3, 4]])` has the shape [2, 2].
 * Throws if nested arrays are ragged, or if an i32 cannot hold a number where i32 is asked for.
 */
export function tensor(from: TensorData, options: TensorOptions = {}): Tensor {
  const given = readOptions('tensor', options, tensorOptions);
  const [numbers, found] = ArrayBuffer.isView(from) ? [from, [from.length]] : readNested(from);
  const own = ArrayBuffer.isView(from) ? dtypeOfArray(from) : 'f32';
  const shape = given.shape ?? found;
  const count = numbers.length;
  check(numelOf(shape) === count)`tensor: ${count} numbers do not fill the shape ${shape}`;
  const settings = { dtype: given.dtype ?? own, requiresGrad: given.requiresGrad };
  return generate('tensor', shape, settings, (i) => numbers[i]);
}

/** The dtype for the numbers of a typed array. Throws if no dtype holds them (BigInt64Array). */
function dtypeOfArray(array: ArrayBufferView): DType {
  const name = String((array as Partial<TypedArray>)[Symbol.toStringTag]);
  const isRight = /^(Float|U?[iI]nt)\d/.test(name);
  check(isRight)`tensor: a ${name} holds no numbers; expected an array such as Float32Array`;
  return name === 'Float64Array' ? 'f64' : name.startsWith('Float') ? 'f32' : 'i32';
}

/** As many axes as NumPy and PyTorch allow; deeper nesting is most likely a cycle. */
const MOST_AXES = 64;
/** More elements than any typed array can have. */
const MOST_ELEMENTS = 2 ** 33;

/** The numbers in nested arrays, and their shape, which every array must match. */
function readNested(from: NestedArray | readonly NestedArray[]): [numbers: number[], Shape] {
  const found: number[] = [];
  for (let level: unknown = from; Array.isArray(level); level = level[0]) {
    found.push(level.length);
    const isRight = found.length <= MOST_AXES;
    check(isRight)`tensor: arrays are nested more than ${MOST_AXES} deep, or contain themselves`;
  }
  check(numelOf(found) < MOST_ELEMENTS)`tensor: ${found} are more numbers than an array can hold`;
  const numbers: number[] = [];
  const indices: number[] = [];
  const read = (part: unknown, axis: number): void => {
    if (Array.isArray(part) && axis < found.length && part.length === found[axis]) {
      for (let i = 0; i < part.length; i++) {
        indices[axis] = i;
        read(part[i], axis + 1);
      }
    } else if (typeof part === 'number' && axis === found.length) {
      numbers.push(part);
    } else {
      const right = axis < found.length ? `an array of ${found[axis]}` : 'a number';
      const wrong = Array.isArray(part) ? `an array of ${part.length}` : show(part);
      const where = indices.slice(0, axis).map((i) => `[${i}]`).join('');
      const expected = axis === 0 ? 'a number, nested arrays of numbers or a typed array' : right;
      throw failure`tensor: from${where} is ${wrong}, expected ${expected}`;
    }
  };
  read(from, 0);
  return [numbers, found];
}

/** The options that all creation functions share. */
type Settings = Read<typeof createOptions>;

/** The tensor whose i-th element is `valueAt(i)`, which its dtype must be able to hold. */
function generate(
  op: string, shape: Shape, { dtype, requiresGrad }: Settings, valueAt: (i: number) => number,
): Tensor {
  const data = arrayFor(op, { shape: checkShape(op, shape), dtype });
  for (let i = 0; i < data.length; i++) data[i] = valueAt(i);
  const isWrong = (value: number, i: number): boolean => value !== valueAt(i);
  const wrong = dtype === 'i32' ? data.findIndex(isWrong) : -1;
  if (wrong >= 0) throw failure`${op}: ${valueAt(wrong)} (element ${wrong}) is not an i32`;
  return finish(shape, data, requiresGrad, dtype);
}

function finish(shape: Shape, data: TypedArray, requiresGrad: boolean, dtype: DType): Tensor {
  const result = new Tensor({ shape: [...shape], dtype }, data);
  result.requiresGrad = requiresGrad;
  return result;
}

/** A constant for `full` and its variants; errors name `op`. */
function fill(
  op: string, shape: Shape, value: number, { dtype, requiresGrad }: Settings,
): Tensor {
  checkArgument(op, 'value', value, anyNumber);
  const data = arrayFor(op, { shape: checkShape(op, shape), dtype }).fill(value);
  const isHeld = dtype !== 'i32' || (value | 0) === value;
  check(isHeld)`${op}: value is ${value}, which is not an i32`;
  return finish(shape, data, requiresGrad, dtype);
}

/** Every element `value`. */
export function full(shape: Shape, value: number, options: CreateOptions = {}): Tensor {
  return fill('full', shape, value, readOptions('full', options, createOptions));
}

/** Every element 0: `zeros([2, 3])` is f32[2, 3]. Throws if a size is not a whole number from 0. */
export function zeros(shape: Shape, options: CreateOptions = {}): Tensor {
  return fill('zeros', shape, 0, readOptions('zeros', options, createOptions));
}

/** Every element 1, as `zeros`. */
export function ones(shape: Shape, options: CreateOptions = {}): Tensor {
  return fill('ones', shape, 1, readOptions('ones', options, createOptions));
}

const finite = number();
const counts = whole();

/**
 * start, start + step, … up to, not including, stop: `arange(3)` and `arange(0, 3)` are [0, 1, 2].
 * `start` is 0 and `step` is 1 unless given. Throws if a number is not finite, or the step is 0.
 */
export function arange(stop: number, options?: CreateOptions): Tensor;
export function arange(
  start: number, stop: number, step?: number, options?: CreateOptions,
): Tensor;
export function arange(...given: [number, (number | CreateOptions)?, number?, CreateOptions?]) {
  const hasStopOnly = given.length === 1 || (given.length === 2 && typeof given[1] === 'object');
  const all = hasStopOnly ? [0, given[0], 1, given[1]] : given;
  const [start, stop, step = 1, options = {}] = all as [number, number, number?, CreateOptions?];
  checkArgument('arange', 'start', start, finite);
  checkArgument('arange', 'stop', stop, finite);
  checkArgument('arange', 'step', step, finite);
  const settings = readOptions('arange', options, createOptions);
  const count = Math.ceil((stop - start) / step);
  check(Number.isFinite(count))`arange: cannot count from ${start} to ${stop} in steps of ${step}`;
  return generate('arange', [Math.max(0, count)], settings, (i) => start + i * step);
}

/** `count` numbers from start to stop, both included, evenly apart. */
export function linspace(
  start: number, stop: number, count: number, options: CreateOptions = {},
): Tensor {
  checkArgument('linspace', 'start', start, finite);
  checkArgument('linspace', 'stop', stop, finite);
  checkArgument('linspace', 'count', count, counts);
  const settings = readOptions('linspace', options, createOptions);
  const last = Math.max(1, count - 1);
  const step = (stop - start) / last;
  return generate('linspace', [count], settings, (i) => (i === last ? stop : start + i * step));
}

/** The identity matrix [n, n], or the [n, m] one with ones on its diagonal. */
export function eye(n: number, m: number = n, options: CreateOptions = {}): Tensor {
  checkArgument('eye', 'n', n, counts);
  checkArgument('eye', 'm', m, counts);
  const settings = readOptions('eye', options, createOptions);
  return generate('eye', [n, m], settings, (i) => Number(Math.floor(i / m) === i % m));
}

function fillLike(op: string, x: Tensor, value: number, options: LikeOptions): Tensor {
  checkArgument(op, 'x', x, tensors);
  const { dtype = x.dtype, requiresGrad } = readOptions(op, options, likeOptions);
  return fill(op, x.shape, value, { dtype, requiresGrad });
}

/** Every element `value`, in the shape of x, and in its dtype unless another is given. */
export function fullLike(x: Tensor, value: number, options: LikeOptions = {}): Tensor {
  return fillLike('fullLike', x, value, options);
}

/** Every element 0, in the shape of x, and in its dtype unless another is given. */
export function zerosLike(x: Tensor, options: LikeOptions = {}): Tensor {
  return fillLike('zerosLike', x, 0, options);
}

/** Every element 1, in the shape of x, and in its dtype unless another is given. */
export function onesLike(x: Tensor, options: LikeOptions = {}): Tensor {
  return fillLike('onesLike', x, 1, options);
}
