/**
 * Collating: many samples of one form become one batch of that form, in which each number or tensor
 * has become a tensor with one more axis in front. What is shorter is padded.
 *
 *     [{ tokens: [1, 2], label: 0 }, { tokens: [3], label: 1 }]
 *       → { tokens: [[1, 2], [3, 0]], label: [0, 1] }
 */
import { type DType, stack, Tensor, tensor } from '@mambagrad/tensor';
import type { TensorData, TypedArray } from '@mambagrad/tensor';

/** Numbers, nested in arrays as deep as there are axes. */
type Numbers = number | readonly Numbers[];

/** The batch that samples of a form become. */
export type Collated<Sample> = Sample extends Tensor | TypedArray | Numbers
  ? Tensor
  : { [Field in keyof Sample]: Collated<Sample[Field]> };

/** One value for all, or one for each field by its name. */
export type PerField<T extends DType | number> =
  T | { readonly [field: string]: PerField<T> } | undefined;

export interface CollateOptions {
  /** The dtype of plain numbers, such as `i32` for tokens and labels. Default `f32`. */
  readonly dtype?: PerField<DType>;
  /** What samples are filled up with, at the end of each axis. Default 0. */
  readonly padding?: PerField<number>;
}

/**
 * A batch of at least one sample. Samples are numbers, arrays of numbers (nested or typed),
 * tensors, or plain objects of such; each tensor of the batch is as long in every axis as the
 * longest sample. Throws if samples differ in their number of axes.
 */
export function collate<Sample>(
  samples: readonly Sample[], { dtype, padding }: CollateOptions = {},
): Collated<Sample> {
  const [first] = samples;
  if (isPlain(first)) {
    const field = (name: string): unknown => {
      const values = samples.map((sample): unknown => Reflect.get(Object(sample), name));
      return collate(values, { dtype: at(dtype, name), padding: at(padding, name) });
    };
    const fields = Object.keys(first).map((name) => [name, field(name)]);
    return Object.fromEntries(fields) as Collated<Sample>;
  }
  const options = typeof dtype === 'string' ? { dtype } : {};
  const value = typeof padding === 'number' ? padding : 0;
  const tensors = samples.map((sample) =>
    sample instanceof Tensor ? sample : tensor(sample as TensorData, options),
  );
  const longest = (axis: number): number => Math.max(...tensors.map(({ shape }) => shape[axis]));
  const padded = tensors.map((x) => {
    const missing = x.shape.map((size, axis) => longest(axis) - size);
    return x.pad(missing.map(() => 0), missing, { value });
  });
  return stack(padded) as Collated<Sample>;
}

function isPlain(value: unknown): value is object {
  const isArray = Array.isArray(value) || ArrayBuffer.isView(value);
  return typeof value === 'object' && value !== null && !isArray && !(value instanceof Tensor);
}

function at<T extends DType | number>(option: PerField<T>, name: string): PerField<T> {
  return typeof option === 'object' ? option[name] : option;
}
