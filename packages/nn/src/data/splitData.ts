/**
 * Splits: a data set is cut into parts, such as one to train on and one to test on. Each sample is
 * in exactly one part, and which one depends on the seed alone, so that a model is never tested on
 * samples that it was trained on in another run.
 */
import { Generator, permutation, TensorError } from '@mambagrad/tensor';
import {
  boolean, callable, checkArgument, listOf, number, readOptions, show, type Table, whole,
} from '@mambagrad/tensor/options';
import { warn } from '@mambagrad/tensor/host';
import { type Dataset, datasets, type LazyDataset, selectFrom } from './dataset.ts';
import type { DataTable, TableRow } from './dataTable.ts';

/** A part for each of these sizes: of an array literal a tuple, as long as it is. */
export type PartsFor<Sizes extends readonly number[], Part> = number extends Sizes['length']
  ? Part[]
  : { -readonly [I in keyof Sizes]: Part };

/** Options of `splitData`, of which either `fractions` or `counts` is given. */
export interface SplitDataOptions<Sample, Sizes extends readonly number[] = readonly number[]> {
  /** The fraction of samples in each part; they add up to 1, as in [0.8, 0.1, 0.1]. */
  readonly fractions?: Sizes | undefined;
  /** The number of samples in each part; they add up to the number of all. */
  readonly counts?: Sizes | undefined;
  /** The seed of the random choice, a whole number from 0. Default 0. */
  readonly seed?: number | undefined;
  /**
   * Whether samples are chosen at random. Without it the first part has the first samples, and so
   * on: so a series is split in time. Default true.
   */
  readonly shuffle?: boolean | undefined;
  /**
   * The class of a sample. Each class is then divided as all samples are (a stratified split), so
   * that a rare one is in every part. Default: classes do not matter.
   */
  readonly stratifyBy?: ((sample: Sample) => string | number | boolean) | undefined;
  /**
   * The place of a sample in an order, such as its time; then the first part has the samples that
   * are first in this order, and so on, and nothing is random. Default none.
   */
  readonly orderBy?: ((sample: Sample) => number) | undefined;
}

const splitDataOptions = {
  fractions: listOf(number({ from: 0, to: 1 })).optional(),
  counts: listOf(whole()).optional(),
  seed: whole().orElse(0),
  shuffle: boolean.orElse(true),
  stratifyBy: callable<(sample: never) => string | number | boolean>().optional(),
  orderBy: callable<(sample: never) => number>().optional(),
} satisfies Table<SplitDataOptions<never>>;

/**
 * Cuts a data set into parts, one for each fraction or count. An array gives arrays, a table gives
 * tables, and any other data set gives views of it. Within a part, samples keep the order that they
 * have in `data`.
 */
export function splitData<Row extends TableRow, const Sizes extends readonly number[]>(
  data: DataTable<Row>, options: SplitDataOptions<Row, Sizes>,
): PartsFor<Sizes, DataTable<Row>>;
export function splitData<Sample, const Sizes extends readonly number[]>(
  data: readonly Sample[], options: SplitDataOptions<Sample, Sizes>,
): PartsFor<Sizes, Sample[]>;
export function splitData<Sample, const Sizes extends readonly number[]>(
  data: Dataset<Sample>, options: SplitDataOptions<Sample, Sizes>,
): PartsFor<Sizes, LazyDataset<Sample>>;
export function splitData<Sample>(
  data: Dataset<Sample>, options: SplitDataOptions<Sample>,
): Dataset<Sample>[] {
  checkArgument('splitData', 'data', data, datasets);
  const given = readOptions('splitData', options, splitDataOptions);
  const { length } = data;
  const counts = countsOf(length, given.fractions, given.counts);
  for (const [part, count] of counts.entries()) {
    if (count > 0 || (given.fractions ?? given.counts)?.[part] === 0) continue;
    warn(`splitData: part ${part} has no samples, as there are only ${length} in all`);
  }
  const all = Array.from({ length }, (_, i) => i);
  const sampleAt = (i: number) => data.at(i) as never;
  const order = orderOf(all, given, sampleAt);
  const parts = given.stratifyBy
    ? stratified(order, counts, (i) => given.stratifyBy?.(sampleAt(i)))
    : cut(order, counts);
  return parts.map((part) => selectFrom('splitData', data, part.sort((a, b) => a - b)));
}

/** The order in which samples are given to the parts. */
function orderOf(
  all: readonly number[],
  { seed, shuffle, orderBy }: Pick<SplitDataOptions<never>, 'seed' | 'shuffle' | 'orderBy'>,
  sampleAt: (index: number) => never,
): number[] {
  if (orderBy) {
    const keys = all.map((i) => orderBy(sampleAt(i)));
    keys.forEach((key, i) => {
      checkArgument('splitData', `the result of orderBy for sample ${i}`, key, number());
    });
    return all.toSorted((a, b) => keys[a] - keys[b]);
  }
  return shuffle ? [...permutation(all.length, new Generator(seed)).data] : [...all];
}

/** The number of samples in each part. */
function countsOf(
  length: number, fractions: readonly number[] | undefined, counts: readonly number[] | undefined,
): readonly number[] {
  if ((fractions === undefined) === (counts === undefined)) {
    throw new TensorError('splitData: expected either fractions or counts');
  }
  const sum = (numbers: readonly number[]) => numbers.reduce((total, x) => total + x, 0);
  if (counts) {
    if (sum(counts) === length) return counts;
    throw new TensorError(
      `splitData: counts ${show(counts)} add up to ${sum(counts)}, expected ${length}, the ` +
        'number of samples',
    );
  }
  const given = fractions ?? [];
  if (Math.abs(sum(given) - 1) > 1e-9) {
    throw new TensorError(
      `splitData: fractions ${show(given)} add up to ${sum(given)}, expected 1`,
    );
  }
  return apportioned(length, given.map((fraction) => length * fraction));
}

/**
 * Whole numbers near the given ones that add up to `total`, by largest remainders: each is rounded
 * down, and those with the largest remainders get the rest.
 */
function apportioned(total: number, ideal: readonly number[]): number[] {
  // 0.29 · 100 is 28.999999999999996: what is so near a whole number is meant to be it.
  const near = ideal.map((x) => (Math.abs(x - Math.round(x)) < 1e-9 * total ? Math.round(x) : x));
  const counts = near.map(Math.floor);
  const rest = total - counts.reduce((sum, count) => sum + count, 0);
  const byRemainder = near.map((x, i) => [x - counts[i], i]).sort((a, b) => b[0] - a[0]);
  for (const [, i] of byRemainder.slice(0, rest)) counts[i] += 1;
  return counts;
}

function cut(order: readonly number[], counts: readonly number[]): number[][] {
  let from = 0;
  return counts.map((count) => order.slice(from, (from += count)));
}

/**
 * Parts that have of each class as large a share as of all samples. Part by part, the classes get
 * what their share of the samples that are left is, rounded to whole numbers.
 */
function stratified(
  order: readonly number[], counts: readonly number[], classOf: (index: number) => unknown,
): number[][] {
  const byClass = new Map<unknown, number[]>();
  for (const i of order) {
    const key = classOf(i);
    const members = byClass.get(key);
    if (members) members.push(i);
    else byClass.set(key, [i]);
  }
  const classes = [...byClass.values()];
  let left = order.length;
  return counts.map((count) => {
    const ideal = classes.map((members) => (members.length * count) / Math.max(left, 1));
    const shares = apportioned(count, ideal);
    left -= count;
    return classes.flatMap((members, i) => members.splice(0, shares[i]));
  });
}
