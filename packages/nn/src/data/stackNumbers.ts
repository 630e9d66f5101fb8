/**
 * A batch of plain arrays, in one pass: the numbers of all samples are written straight into the
 * array of the batch, between the padding. A tensor for each sample would cost more than the copy.
 *
 * Samples of any other kind are left to `collate`, which makes tensors of them or throws.
 */
import { type DType, Tensor, type TypedArray } from '@mambagrad/tensor';

/** What a batch of plain arrays is made with. */
export interface StackOptions {
  /** That of plain arrays by default f32, of typed arrays their own. */
  readonly dtype: DType | undefined;
  readonly padding: number;
  /** The first axis of samples is padded to a multiple of this. */
  readonly multiple: number;
}

/** A sample: its numbers, how they are nested, and the dtype of its tensor by default. */
interface Sample {
  readonly data: unknown[] | TypedArray;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** Deeper nesting is most likely a cycle. */
const MOST_AXES = 64;
/** More bytes than this may be more than there is room for. */
const MOST_BYTES = 2 ** 30;

/**
 * The batch of samples, padded to the largest along each axis. Undefined if they are not arrays of
 * numbers of the same depth and dtype, or if anything else is not in order.
 */
export function stackNumbers(
  given: readonly unknown[], { dtype: asked, padding, multiple }: StackOptions,
): Tensor | undefined {
  const samples = samplesOf(given);
  if (!samples) return undefined;
  const dtype = asked ?? samples[0].dtype;
  const { length: rank } = samples[0].shape;
  const isOne = samples.every((sample) =>
    sample.shape.length === rank && (asked ?? sample.dtype) === dtype,
  );
  if (!isOne) return undefined;
  const sizes = samples[0].shape.map((_, axis) =>
    samples.reduce((most, { shape }) => Math.max(most, shape[axis]), 0),
  );
  sizes[0] = Math.ceil(sizes[0] / multiple) * multiple;
  const strides = sizes.map((_, axis) => sizes.slice(axis + 1).reduce((a, b) => a * b, 1));
  const each = sizes[0] * strides[0];
  const shape = [samples.length, ...sizes];
  if (!(each * samples.length * 8 <= MOST_BYTES)) return undefined;
  const target = arrayOf(dtype, each * samples.length);
  if (!Object.is(padding, 0)) target.fill(padding);
  const areRight = samples.every((sample, i) =>
    write(sample.data, 0, { shape: sample.shape, strides, target }, i * each),
  );
  return areRight ? new Tensor({ shape, dtype }, target) : undefined;
}

/** Where the numbers of a sample of some shape go. */
interface Place {
  readonly shape: readonly number[];
  /** How far elements are apart that follow each other along an axis. */
  readonly strides: readonly number[];
  readonly target: TypedArray;
}

/** Writes an axis of a sample from `at` on. Gives whether all was a number that can be held. */
function write(part: unknown, axis: number, place: Place, at: number): boolean {
  const { shape, strides, target } = place;
  if (axis === 0 && dtypeOf(part)) return writeTyped(part as TypedArray, target, at);
  if (!Array.isArray(part) || part.length !== shape[axis]) return false;
  if (axis === shape.length - 1) return writeRow(part, target, at);
  return part.every((each, i) => write(each, axis + 1, place, at + i * strides[axis]));
}

function writeTyped(row: TypedArray, target: TypedArray, at: number): boolean {
  if (row.constructor !== target.constructor) return writeRow(row, target, at);
  target.set(row, at);
  return true;
}

function writeRow(row: ArrayLike<unknown>, target: TypedArray, at: number): boolean {
  const isWhole = target instanceof Int32Array;
  for (let i = 0; i < row.length; i++) {
    const value = row[i];
    if (typeof value !== 'number') return false;
    target[at + i] = value;
    if (isWhole && target[at + i] !== value) return false;
  }
  return true;
}

function arrayOf(dtype: DType, length: number): TypedArray {
  if (dtype === 'f32') return new Float32Array(length);
  return dtype === 'f64' ? new Float64Array(length) : new Int32Array(length);
}

/** The samples, of which there is at least one, or undefined if one is not an array. */
function samplesOf(given: readonly unknown[]): Sample[] | undefined {
  const samples: Sample[] = [];
  for (const data of given) {
    const dtype = dtypeOf(data);
    if (dtype) {
      samples.push({ data: data as TypedArray, shape: [(data as TypedArray).length], dtype });
    } else if (Array.isArray(data)) {
      const shape: number[] = [];
      for (let level: unknown = data; Array.isArray(level); level = level[0]) {
        if (shape.push(level.length) > MOST_AXES) return undefined;
      }
      samples.push({ data, shape, dtype: 'f32' });
    } else {
      return undefined;
    }
  }
  return samples.length > 0 ? samples : undefined;
}

/** The dtype of a tensor with the numbers of a typed array; undefined for all else. */
function dtypeOf(data: unknown): DType | undefined {
  if (data instanceof Float32Array) return 'f32';
  if (data instanceof Float64Array) return 'f64';
  return data instanceof Int32Array || data instanceof Uint8Array ? 'i32' : undefined;
}
