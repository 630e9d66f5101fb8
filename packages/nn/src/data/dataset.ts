/**
 * Data sets: samples by number. An array is one, and so is anything else with a `length` and a
 * method `at`. Most of those here are lazy: they make a sample when it is asked for, so a data set
 * can be far larger than the memory that its samples would take.
 *
 *     const scaled = mapDataset(rows, (row) => ({ x: row.size / 100, y: row.price }));
 *     scaled.at(7)    // only now is row 7 scaled
 *
 * A third method, `batchAt`, is optional: it makes a whole batch, for which a data set of tensors
 * copies some rows of each tensor, instead of making a tensor of each row and joining them again.
 */
import { TensorError } from '@mambagrad/tensor';
import { callable, checkArgument, Kind, whole } from '@mambagrad/tensor/options';
import { collate, type Collated } from './collate.ts';

/** Samples by number, from 0 to length − 1: an array, or anything that has these two. */
export interface Dataset<Sample> {
  /** The number of samples. */
  readonly length: number;
  /** The sample of a number from 0 to length − 1, the same each time. */
  at(index: number): Sample | undefined;
  /**
   * The samples of these numbers, at least one, as the batch that `collate` makes of them. A data
   * set has this method if it can make a batch faster than sample by sample; `DataLoader` then
   * calls it instead of `at`, unless it was given a `collate` function.
   */
  batchAt?(indices: readonly number[]): Collated<Sample>;
}

/** Whether a value is a data set. */
export function isDataset(value: unknown): value is Dataset<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const { length, at } = value as Partial<Dataset<unknown>>;
  return Number.isSafeInteger(length) && typeof at === 'function';
}

/** A data set, in errors. */
export const datasets: Kind<Dataset<unknown>> = new Kind(
  'an array of samples or an object with length and at', isDataset,
);

const numbers = whole();

/** Whole numbers in an array of any kind. */
export const indexLists: Kind<ArrayLike<number>> = new Kind(
  'an array of whole numbers',
  (x) => (Array.isArray(x) || ArrayBuffer.isView(x)) &&
    Array.from(x as ArrayLike<unknown>).every((i) => numbers.accepts(i)),
);

/** The base of data sets that make each sample when it is asked for. */
export abstract class LazyDataset<Sample> implements Dataset<Sample>, Iterable<Sample> {
  abstract readonly length: number;

  /** Makes the sample of a number from 0 to length − 1. */
  protected abstract make(index: number): Sample;

  /** The sample of a number; negative ones count from the end. Throws if there is none. */
  at(index: number): Sample {
    const { length } = this;
    if (Number.isInteger(index) && index >= -length && index < length) {
      return this.make(index < 0 ? index + length : index);
    }
    throw new TensorError(
      `${this.constructor.name}.at: index is ${String(index)}, expected a whole number ` +
        `from ${-length} to ${length - 1}, as there are ${length} samples`,
    );
  }

  /**
   * The samples of these numbers, from 0 to length − 1, as the batch that `collate` makes of them.
   * Tensors, windows, images and tables are copied into it without a tensor for each sample.
   */
  batchAt(indices: ArrayLike<number>): Collated<Sample> {
    const op = `${this.constructor.name}.batchAt`;
    requireIndices(op, indices, this.length);
    if (indices.length > 0) return this.makeBatch(indices);
    throw new TensorError(`${op}: indices is empty, expected at least one`);
  }

  /**
   * Makes the batch of these samples. Override it where a batch can be made faster than sample by
   * sample, and, in a subclass of such a data set, where `make` is overridden.
   */
  protected makeBatch(indices: ArrayLike<number>): Collated<Sample> {
    return collate(Array.from(indices, (i) => this.at(i)));
  }

  /** The samples of these numbers, from 0 to length − 1, in this order. */
  select(indices: ArrayLike<number>): LazyDataset<Sample> {
    return new Subset(this.constructor.name, this, indices);
  }

  /** Applies a function to each sample when that is asked for. */
  map<Result>(f: (sample: Sample, index: number) => Result): LazyDataset<Result> {
    return mapDataset(this, f);
  }

  *[Symbol.iterator](): Iterator<Sample> {
    for (let i = 0; i < this.length; i++) yield this.make(i);
  }
}

/** Some samples of another data set. */
class Subset<Sample> extends LazyDataset<Sample> {
  readonly #data: Dataset<Sample>;
  readonly #indices: ArrayLike<number>;

  constructor(op: string, data: Dataset<Sample>, indices: ArrayLike<number>) {
    super();
    requireIndices(`${op}.select`, indices, data.length);
    this.#data = data;
    // A copy, as the caller's array may change.
    this.#indices = Array.from(indices);
  }

  get length(): number {
    return this.#indices.length;
  }

  protected make(index: number): Sample {
    return this.#data.at(this.#indices[index]) as Sample;
  }

  protected override makeBatch(indices: ArrayLike<number>): Collated<Sample> {
    const chosen = Array.from(indices, (i) => this.#indices[i]);
    return this.#data.batchAt?.(chosen) ?? super.makeBatch(indices);
  }
}

/** Throws in the name of `op` unless all indices are whole numbers from 0 to below `length`. */
export function requireIndices(op: string, indices: ArrayLike<number>, length: number): void {
  checkArgument(op, 'indices', indices, indexLists);
  for (let i = 0; i < indices.length; i++) {
    if (indices[i] < length) continue;
    throw new TensorError(
      `${op}: indices[${i}] is ${indices[i]}, expected one below the length, ${length}`,
    );
  }
}

/** Some samples of a data set: an array of them for an array, else a view that makes them later. */
export function selectFrom<Sample>(
  op: string, data: Dataset<Sample>, indices: ArrayLike<number>,
): Dataset<Sample> {
  if (data instanceof LazyDataset) return (data as LazyDataset<Sample>).select(indices);
  if (Array.isArray(data)) return Array.from(indices, (i) => data[i] as Sample);
  return new Subset(op, data, indices);
}

class MappedDataset<Sample, Result> extends LazyDataset<Result> {
  readonly #data: Dataset<Sample>;
  readonly #f: (sample: Sample, index: number) => Result;

  constructor(data: Dataset<Sample>, f: (sample: Sample, index: number) => Result) {
    super();
    this.#data = data;
    this.#f = f;
  }

  get length(): number {
    return this.#data.length;
  }

  protected make(index: number): Result {
    return this.#f(this.#data.at(index) as Sample, index);
  }
}

/**
 * A data set of f(sample, index) for each sample of another. f is called when a sample is asked
 * for, each time, so it should depend on nothing but its arguments.
 */
export function mapDataset<Sample, Result>(
  data: Dataset<Sample>, f: (sample: Sample, index: number) => Result,
): LazyDataset<Result> {
  checkArgument('mapDataset', 'data', data, datasets);
  checkArgument('mapDataset', 'f', f, callable());
  return new MappedDataset(data, f);
}
