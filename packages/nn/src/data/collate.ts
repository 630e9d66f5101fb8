/**
 * Collating: samples of one structure become a batch of the same structure, in which each number or
 * array is a tensor with a batch axis in front. Shorter samples are padded.
 *
 *     [{ tokens: [1, 2], label: 0 }, { tokens: [3], label: 1 }]
 *       → { tokens: [[1, 2], [3, 0]], label: [0, 1] }
 */
import { type DType, describe, stack, Tensor, tensor, TensorError } from '@mambagrad/tensor';
import type { TensorData, TypedArray } from '@mambagrad/tensor';
import {
  checkArgument, dtypes, Kind, readOptions, show, type Table, whole,
} from '@mambagrad/tensor/options';
import { stackNumbers } from './stackNumbers.ts';

/** A number, or nested arrays of numbers, one level for each axis. */
type Numbers = number | readonly Numbers[];

/** The batch made of samples of a type. */
export type Collated<Sample> = Sample extends Tensor | TypedArray | Numbers
  ? Tensor
  : { [Field in keyof Sample]: Collated<Sample[Field]> };

/** One value for all fields, or an object with a value for each field. */
export type PerField<T extends DType | number> =
  T | { readonly [field: string]: PerField<T> } | undefined;

/** Options of `collate`; each may differ from field to field of the samples. */
export interface CollateOptions {
  /**
   * The dtype of plain numbers, such as 'i32' for tokens and labels. Default f32; typed arrays keep
   * their own.
   */
  readonly dtype?: PerField<DType>;
  /** The value that shorter samples are padded with, at the end of each axis. Default 0. */
  readonly padding?: PerField<number>;
  /**
   * The length of samples, which is the size of their first axis, is padded to a multiple of this,
   * from 1; then batches have few different shapes, and a compiled function few programs. Numbers
   * have no length. Default 1.
   */
  readonly padToMultipleOf?: PerField<number>;
}

const numbers = new Kind<number>('a number', (x) => typeof x === 'number');
const integers = whole(-(2 ** 31), 2 ** 31 - 1);
const multiples = whole(1);

function perField<T extends DType | number>(kind: Kind<T>): Kind<NonNullable<PerField<T>>> {
  return new Kind(
    `${kind.expected}, or one for each field`, (x) => kind.accepts(x) || isPlain(x),
  );
}

const collateOptions = {
  dtype: perField(dtypes).optional(),
  padding: perField(numbers).orElse(0),
  padToMultipleOf: perField(multiples).orElse(1),
} satisfies Table<CollateOptions>;

/**
 * Makes a batch of at least one sample. Samples are numbers, arrays of numbers (nested or typed),
 * tensors, or plain objects of these. Along each axis a tensor of the batch has the size of the
 * largest sample, rounded up to `padToMultipleOf` along the first. Throws if samples differ in
 * their fields or in their number of axes, or if the dtype cannot represent the padding.
 */
export function collate<Sample>(
  samples: readonly Sample[], options: CollateOptions = {},
): Collated<Sample> {
  const samplesKind = new Kind('an array of samples', Array.isArray);
  checkArgument('collate', 'samples', samples, samplesKind);
  if (samples.length === 0) {
    throw new TensorError('collate: samples is empty, expected at least one');
  }
  const read = readOptions('collate', options, collateOptions);
  return gather('', samples, read) as Collated<Sample>;
}

/** The field `path` of a batch, from the values of that field in all samples. */
function gather(path: string, samples: readonly unknown[], options: CollateOptions): unknown {
  const where = path === '' ? 'collate' : `collate: ${path}`;
  if (!samples.some(isPlain)) return stackPadded(where, samples, options);
  const names = fieldsOf(where, samples);
  const { dtype, padding, padToMultipleOf } = options;
  for (const option of [dtype, padding, padToMultipleOf]) {
    const unknown = isPlain(option) ? Object.keys(option).find((key) => !names.includes(key)) : '';
    if (unknown) throw new TensorError(`${where}: no sample has the field '${unknown}'`);
  }
  const fields = names.map((name) => {
    const values = samples.map((sample): unknown => Reflect.get(Object(sample), name));
    const inner = path === '' ? name : `${path}.${name}`;
    return [name, gather(inner, values, {
      dtype: optionOf(dtype, name),
      padding: optionOf(padding, name),
      padToMultipleOf: optionOf(padToMultipleOf, name),
    })];
  });
  return Object.fromEntries(fields);
}

/** The names of the fields of the samples. Throws unless they are the same in all. */
function fieldsOf(where: string, samples: readonly unknown[]): string[] {
  const present = (sample: unknown): string[] =>
    Object.entries(Object(sample)).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  const names = present(samples[0]);
  const known = new Set(names);
  for (const [i, sample] of samples.entries()) {
    if (!isPlain(sample)) {
      throw new TensorError(`${where}: sample ${i} is ${show(sample)}, others have fields`);
    }
    const found = present(sample);
    const extra = found.find((name) => !known.has(name));
    const missing =
      found.length < known.size ? names.find((name) => !found.includes(name)) : undefined;
    const [has, lacks] = extra === undefined ? [0, i] : [i, 0];
    if ((extra ?? missing) === undefined) continue;
    throw new TensorError(
      `${where}: sample ${has} has the field '${extra ?? missing}', sample ${lacks} has not`,
    );
  }
  return names;
}

/** Numbers, arrays or tensors, padded to one shape and stacked. */
function stackPadded(
  where: string, samples: readonly unknown[],
  { dtype, padding = 0, padToMultipleOf: multiple = 1 }: CollateOptions,
): Tensor {
  if (dtype !== undefined) checkArgument(where, 'dtype', dtype, dtypes);
  checkArgument(where, 'padding', padding, numbers);
  checkArgument(where, 'padToMultipleOf', multiple, multiples);
  const options = dtype === undefined ? {} : { dtype: dtype as DType };
  const plain = { dtype: dtype as DType | undefined, padding: padding as number };
  const batch = stackNumbers(samples, { ...plain, multiple: Number(multiple) });
  if (batch) {
    if (batch.dtype === 'i32') checkArgument(where, 'padding', padding, integers);
    return batch;
  }
  // Plain numbers, such as labels, make one tensor and need no padding.
  const areNumbers = samples.length > 0 && samples.every((sample) => typeof sample === 'number');
  const tensors = (areNumbers ? [samples] : samples).map((sample, i) =>
    sample instanceof Tensor ? sample : tensorOf(`${where}: sample ${i}`, sample, options),
  );
  const [first] = tensors;
  if (first?.dtype === 'i32') checkArgument(where, 'padding', padding, integers);
  if (areNumbers) return first;
  for (const [i, x] of tensors.entries()) {
    if (x.ndim === first.ndim && x.dtype === first.dtype) continue;
    throw new TensorError(
      `${where}: sample ${i} is ${describe(x)}, sample 0 is ${describe(first)}; expected the ` +
        'same number of axes and the same dtype',
    );
  }
  const largest = [...(tensors[0]?.shape ?? [])];
  for (const { shape } of tensors) {
    shape.forEach((size, axis) => (largest[axis] = Math.max(largest[axis] ?? 0, size)));
  }
  if (largest.length > 0) largest[0] = Math.ceil(largest[0] / Number(multiple)) * Number(multiple);
  const padded = tensors.map((x) => {
    const missing = x.shape.map((size, axis) => largest[axis] - size);
    if (missing.every((count) => count === 0)) return x;
    return x.pad(missing.map(() => 0), missing, { value: padding as number });
  });
  return stack(padded);
}

/** A tensor of what a sample holds; throws in the name of `where` if it is no numbers. */
function tensorOf(where: string, sample: unknown, options: { dtype?: DType }): Tensor {
  try {
    return tensor(sample as TensorData, options);
  } catch (cause) {
    if (!(cause instanceof TensorError)) throw cause;
    throw new TensorError(`${where}: ${cause.message}`, { cause });
  }
}

function isPlain(value: unknown): value is object {
  const isArray = Array.isArray(value) || ArrayBuffer.isView(value);
  return typeof value === 'object' && value !== null && !isArray && !(value instanceof Tensor);
}

/** The value of an option for the field `name`. */
function optionOf<T extends DType | number>(option: PerField<T>, name: string): PerField<T> {
  return typeof option === 'object' ? option[name] : option;
}
