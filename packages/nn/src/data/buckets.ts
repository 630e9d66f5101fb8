/**
 * Buckets: batches of samples of similar lengths. A batch is padded to its longest sample, so a
 * batch of lengths 3, 5 and 90 is mostly padding; and each length that occurs is another shape, for
 * which a compiled function has another program. In buckets, a sample waits for others like it:
 *
 *     lengths  3 90 5 80 4 …     buckets to 8 and to 100     batches  [3 5 4] [90 80 …]
 */
import { TensorError } from '@mambagrad/tensor';
import { checkArgument, Kind, number } from '@mambagrad/tensor/options';
import type { Dataset } from './dataset.ts';

/** The most buckets that are made where none are given. */
const MOST_BUCKETS = 8;

const lengths = number({ from: 0 });

/** The lengths at which buckets end: numbers from 0, each larger than the one before. */
export const bucketEnds: Kind<readonly number[]> = new Kind(
  'an array of lengths, from 0 and ascending',
  (x) => Array.isArray(x) && x.length > 0 &&
    x.every((end, i) => lengths.accepts(end) && (i === 0 || end > x[i - 1])),
);

/** How samples are put into buckets. */
export interface Buckets<Sample> {
  readonly lengthOf: (sample: Sample) => number;
  /** The greatest length of each. */
  readonly ends: readonly number[];
  /** The bucket of each sample of a data set. */
  readonly ofSamples: readonly number[];
  /** The number of these samples in each bucket. */
  readonly sizes: readonly number[];
}

/**
 * The buckets that the options of a loader ask for, if any. `samples` is its data set; undefined if
 * it has a function.
 */
export function bucketsFor<Sample>(
  samples: Dataset<Sample> | undefined,
  { bucketBy, buckets }: {
    readonly bucketBy?: ((sample: Sample) => number) | undefined;
    readonly buckets?: readonly number[] | undefined;
  },
  batchSize: number,
): Buckets<Sample> | undefined {
  if (bucketBy === undefined) {
    if (buckets === undefined) return undefined;
    throw new TensorError('DataLoader: buckets need bucketBy, which gives the length of a sample');
  }
  const ofSample = (sample: Sample): number => lengthOf(bucketBy, sample);
  if (samples === undefined) {
    if (buckets) return { lengthOf: ofSample, ends: buckets, ofSamples: [], sizes: [] };
    throw new TensorError(
      'DataLoader: bucketBy with a function needs buckets, as the lengths are not known ahead',
    );
  }
  const { length } = samples;
  const lengths = Array.from({ length }, (_, i) => ofSample(samples.at(i) as Sample));
  const ends = buckets ?? evenBuckets(lengths, batchSize);
  const ofSamples = lengths.map((each) => bucketOf(ends, each));
  const sizes = new Array<number>(ends.length + 1).fill(0);
  for (const bucket of ofSamples) sizes[bucket]++;
  return { lengthOf: ofSample, ends, ofSamples, sizes };
}

/** The length of a sample, as the user's function gives it. Throws if that is no length. */
function lengthOf<Sample>(bucketBy: (sample: Sample) => number, sample: Sample): number {
  const length = bucketBy(sample);
  checkArgument('DataLoader', 'the result of bucketBy', length, lengths);
  return length;
}

/** The number of the bucket of a length: the first that ends there or later, or one after all. */
export function bucketOf(ends: readonly number[], length: number): number {
  const bucket = ends.findIndex((end) => length <= end);
  return bucket < 0 ? ends.length : bucket;
}

/**
 * Ends for buckets of about equally many samples, at most eight. Each has samples for a batch,
 * and samples of one length are in one bucket.
 */
function evenBuckets(found: readonly number[], batchSize: number): number[] {
  const sorted = found.toSorted((a, b) => a - b);
  const count = Math.max(1, Math.min(MOST_BUCKETS, Math.floor(sorted.length / batchSize)));
  const ends = Array.from(
    { length: count }, (_, i) => sorted[Math.ceil(((i + 1) * sorted.length) / count) - 1],
  );
  return [...new Set(ends)].filter((end) => end !== undefined);
}

/**
 * Batches of samples, given with their buckets, in the order in which they are full. After the last
 * sample come those that are not full, but for `dropLast`.
 */
export function* grouped<Sample>(
  samples: Iterable<readonly [sample: Sample, bucket: number]>,
  batchSize: number, dropLast: boolean,
): Iterable<Sample[]> {
  const waiting: Sample[][] = [];
  for (const [sample, bucket] of samples) {
    const batch = (waiting[bucket] ??= []);
    batch.push(sample);
    if (batch.length < batchSize) continue;
    waiting[bucket] = [];
    yield batch;
  }
  // Buckets that no sample was in are holes, which `filter` skips.
  if (!dropLast) yield* waiting.filter((batch) => batch.length > 0);
}

/** The batches after the first `count` samples. Throws if these do not end with a batch. */
export function* after<Sample>(batches: Iterable<Sample[]>, count: number): Iterable<Sample[]> {
  let given = 0;
  for (const batch of batches) {
    if (given >= count) yield batch;
    else given += batch.length;
    if (given <= count) continue;
    throw new TensorError(
      `DataLoader: index is ${count}, in the middle of a batch that ends at ${given}; expected ` +
        'the index of a loader with the same buckets',
    );
  }
}
