/**
 * Categories: strings or numbers that are names, not amounts. A model gets the index of each, from
 * 0 on, for an `Embedding`, for `oneHot`, or as the target of `crossEntropy`.
 *
 *     const species = new Categories(['cat', 'dog']);
 *     species.encode(['dog', 'cat'])    // Int32Array [1, 0]
 */
import { TensorError } from '@mambagrad/tensor';
import {
  checkArgument, Kind, oneOf, readOptions, show, type Table,
} from '@mambagrad/tensor/options';

/** Options of `Categories`. */
export interface CategoriesOptions {
  /**
   * Whether a value that is not among the categories is an error, or gets the index after the last
   * one, which all such values share. Default 'error'.
   */
  readonly unknown?: 'error' | 'extra' | undefined;
}

const categoriesOptions = {
  unknown: oneOf('error', 'extra').orElse('error'),
} satisfies Table<CategoriesOptions>;

const iterables = new Kind<Iterable<unknown>>(
  'an array of strings or numbers',
  (x) => typeof x === 'object' && x !== null && Symbol.iterator in x,
);
const categoryValues = new Kind<string | number>(
  'a string or a number that is not NaN',
  (x) => typeof x === 'string' || (typeof x === 'number' && !Number.isNaN(x)),
);

/** A fixed list of categories, with their indices. To save them, save `values`. */
export class Categories<Value extends string | number = string> {
  /** The categories, each once, in the order of their indices. */
  readonly values: readonly Value[];
  /** The number of different indices: that of the categories, and with 'extra' one more. */
  readonly size: number;
  readonly #indices: ReadonlyMap<string | number, number>;

  /**
   * Takes the categories from values in the order in which each is first there, such as those of a
   * column; sort them first for an order that does not depend on the data. Use values of the
   * training part alone, or all that there can be.
   */
  constructor(values: Iterable<Value>, options: CategoriesOptions = {}) {
    checkArgument('Categories', 'values', values, iterables);
    const { unknown } = readOptions('Categories', options, categoriesOptions);
    this.values = [...new Set(values)];
    this.values.forEach((value, i) => {
      checkArgument('Categories', `values[${i}]`, value, categoryValues);
    });
    this.size = this.values.length + (unknown === 'extra' ? 1 : 0);
    this.#indices = new Map(this.values.map((value, i) => [value, i]));
  }

  /** The index of a value. Throws if it is unknown, unless unknown ones have an index. */
  indexOf(value: string | number): number {
    return this.#indexOf('indexOf', value);
  }

  /** The index of each value. Throws if one is unknown, unless unknown ones have an index. */
  encode(values: Iterable<string | number>): Int32Array {
    checkArgument('Categories.encode', 'values', values, iterables);
    return Int32Array.from(values, (value) => this.#indexOf('encode', value));
  }

  /** The value of each index; undefined for that of unknown ones. */
  decode(indices: Iterable<number>): (Value | undefined)[] {
    checkArgument('Categories.decode', 'indices', indices, iterables);
    return Array.from(indices, (index) => {
      if (Number.isInteger(index) && index >= 0 && index < this.size) return this.values[index];
      throw new TensorError(
        `Categories.decode: there is no index ${show(index)}, expected 0 to ${this.size - 1}`,
      );
    });
  }

  #indexOf(op: string, value: string | number): number {
    const { length } = this.values;
    const index = this.#indices.get(value) ?? length;
    if (index < this.size) return index;
    const known = this.values.slice(0, 8).map((each) => show(each)).join(', ');
    const more = length > 8 ? `, … (${length} in all)` : '';
    throw new TensorError(
      `Categories.${op}: ${show(value)} is unknown, expected one of ${known}${more}; ` +
        "with { unknown: 'extra' } unknown values share an index",
    );
  }
}
