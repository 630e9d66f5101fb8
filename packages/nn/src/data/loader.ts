/**
 * Data in batches. Samples come from an array or another data set (dataset.ts), in order or
 * shuffled, or from a function, and are collated into tensors with a leading batch axis. A batch
 * can be made of samples of similar lengths (buckets.ts).
 *
 * The state of a loader is three numbers: the seed, the epoch, and how many samples of the epoch
 * have been used. The order of an epoch is a function of seed and epoch, so a run that is given
 * these three continues exactly where another stopped.
 */
import { Generator, permutation, tensor, TensorError, threefry2x32 } from '@mambagrad/tensor';
import {
  boolean, callable, checkArgument, Kind, type Read, readOptions, show, type Table, whole,
} from '@mambagrad/tensor/options';
import { warn } from '@mambagrad/tensor/host';
import { type Dataset, datasets } from './dataset.ts';
import { after, bucketEnds, bucketOf, type Buckets, bucketsFor, grouped } from './buckets.ts';
import { collate, type Collated } from './collate.ts';
import { Peekable } from './peekable.ts';

/** The position of a loader, as plain numbers for a checkpoint. */
export interface LoaderState {
  /** The seed of the order, a whole number from 0. */
  readonly seed: number;
  /** The number of epochs that are finished. */
  readonly epoch: number;
  /** The number of samples of this epoch that are in earlier batches. */
  readonly index: number;
}

/**
 * Samples: an array or anything else with `length` and `at`, which may make each sample when it is
 * asked for; or a function that yields those of an epoch one by one, such as a generator function.
 * It gets a generator of random numbers that depends only on the seed and the epoch; if
 * it uses no other source of randomness, it can be resumed.
 */
export type DataSource<Sample> =
  Dataset<Sample> | ((generator: Generator, epoch: number) => Iterable<Sample>);

/** The number of batches of a source: a number, unless it is a function. */
type LengthOf<Source> = Source extends (...given: never) => unknown ? undefined : number;

/** Options of `DataLoader`. `shuffle` is not for functions, which decide their order themselves. */
export interface DataLoaderOptions<Sample, Batch> {
  /** Samples in a batch, from 1. Default 1. */
  readonly batchSize?: number | undefined;
  /** Whether the samples of a data set are in a new random order in each epoch. Default false. */
  readonly shuffle?: boolean | undefined;
  /** The seed of the random numbers, a whole number from 0. Default 0. */
  readonly seed?: number | undefined;
  /**
   * Whether to drop the last batch of an epoch, or of a bucket, if it is not full. Default false.
   */
  readonly dropLast?: boolean | undefined;
  /**
   * The length of a sample. A batch then holds samples of one bucket, whose lengths are similar: it
   * needs little padding, and with `padToMultipleOf` of `collate` batches have few shapes. Samples
   * wait in their buckets, and batches come in the order in which they are full; at the end of an
   * epoch each bucket can have one that is not. A data set makes each sample once at the beginning,
   * to find its length. Without it lengths do not matter.
   */
  readonly bucketBy?: ((sample: Sample) => number) | undefined;
  /**
   * The greatest length of each bucket, ascending; what is longer is in one bucket more. Default:
   * up to eight buckets with about as many samples in each. A function's samples need them given.
   */
  readonly buckets?: readonly number[] | undefined;
  /**
   * Makes a batch of samples. Default `collate` without options, for which data sets with a
   * `batchAt` make whole batches.
   */
  readonly collate?: ((samples: readonly Sample[]) => Batch) | undefined;
}

const wholeNumbers = whole();

const loaderOptions = {
  batchSize: whole(1).orElse(1),
  shuffle: boolean.orElse(false),
  seed: wholeNumbers.orElse(0),
  dropLast: boolean.orElse(false),
  bucketBy: callable<(sample: never) => number>().optional(),
  buckets: bucketEnds.optional(),
  collate: callable<(samples: readonly never[]) => unknown>().orElse(collate),
} satisfies Table<DataLoaderOptions<never, unknown>>;

const sources: Kind<DataSource<unknown>> = datasets.or(
  new Kind('a function that gives them', (x) => typeof x === 'function'),
);

const loaderStates = new Kind<LoaderState>(
  '{ seed, epoch, index }', (x) => typeof x === 'object' && x !== null,
);

/** The settings of a loader that a checkpoint depends on: they determine what its state means. */
export interface LoaderSettings {
  /** The number of samples; undefined for a function, which may be endless. */
  readonly samples: number | undefined;
  /** Samples in a batch, from 1. */
  readonly batchSize: number;
  /** Whether each epoch has a new random order. */
  readonly shuffle: boolean;
  /** Whether a last batch that is not full is dropped. */
  readonly dropLast: boolean;
  /** The greatest lengths of the buckets, `8,16`, if samples are in buckets. */
  readonly buckets?: string;
}

/**
 * Batches, made one at a time: `for (const batch of loader)` runs to the end of the epoch. After a
 * loop that ended early, the next one continues where it stopped.
 */
export class DataLoader<Sample, Batch = Collated<Sample>, Source = DataSource<Sample>>
  implements Iterable<Batch> {
  readonly #source: DataSource<Sample>;
  readonly #options: Read<typeof loaderOptions>;
  readonly #buckets: Buckets<Sample> | undefined;
  #state: LoaderState;
  /** The rest of the latest loop, after the batch that led to this state. */
  #current: { readonly state: LoaderState; readonly rest: Peekable<unknown> } | undefined;
  /** The order of an epoch, cached for loops that continue it. */
  #order: { readonly epochOf: string; readonly indices: ArrayLike<number> } | undefined;
  #isWarned = false;
  /** How many samples the latest loop has found, in batches or not. */
  #found = 0;

  /**
   * Throws if a function's samples are to be shuffled, or put into buckets that are not given; or
   * if an option is out of its range.
   */
  constructor(
    source: Source & DataSource<Sample>, options: DataLoaderOptions<Sample, Batch> = {},
  ) {
    checkArgument('DataLoader', 'samples', source, sources);
    this.#source = source;
    this.#options = readOptions('DataLoader', options, loaderOptions);
    const { shuffle, seed } = this.#options;
    if (shuffle && typeof source === 'function') {
      throw new TensorError('DataLoader: shuffle takes an array; a function gives its own order');
    }
    const samples = typeof source === 'function' ? undefined : source;
    this.#buckets = bucketsFor(samples, options, this.#options.batchSize);
    this.#state = { seed, epoch: 0, index: 0 };
  }

  /** The number of batches in an epoch; undefined for a function, which may be endless. */
  get length(): LengthOf<Source> {
    const { batchSize } = this.#options;
    const sizes = this.#bucketSizes();
    const length = sizes?.reduce((sum, size) => sum + Math.ceil(size / batchSize), 0);
    return length as LengthOf<Source>;
  }

  /** The number of samples in these batches; undefined for a function. */
  get samplesPerEpoch(): number | undefined {
    return this.#bucketSizes()?.reduce((sum, size) => sum + size, 0);
  }

  /** The number of samples that an epoch gives from each bucket; one bucket if there are none. */
  #bucketSizes(): number[] | undefined {
    if (typeof this.#source === 'function') return undefined;
    const { batchSize, dropLast } = this.#options;
    const sizes = this.#buckets?.sizes ?? [this.#source.length];
    return sizes.map((size) => (dropLast ? size - (size % batchSize) : size));
  }

  /** The settings in which a loader must agree with another to continue from its state. */
  get settings(): LoaderSettings {
    const { batchSize, shuffle, dropLast } = this.#options;
    const samples = typeof this.#source === 'function' ? undefined : this.#source.length;
    const buckets = this.#buckets?.ends.join();
    return { samples, batchSize, shuffle, dropLast, ...(buckets !== undefined && { buckets }) };
  }

  /** The position of this loader; within a loop, after the current batch. */
  state(): LoaderState {
    return this.#state;
  }

  /**
   * Goes to the position of another loader of the same data: the next loop yields the rest of the
   * epoch. A function is run from the start of the epoch, and its first samples are skipped.
   */
  load(from: LoaderState): void {
    checkArgument('DataLoader.load', 'from', from, loaderStates);
    const { seed, epoch, index } = from;
    const state = { seed, epoch, index };
    for (const [name, value] of Object.entries(state)) {
      checkArgument('DataLoader', name, value, wholeNumbers);
    }
    const { samples = Infinity } = this.settings;
    if (index > samples) {
      throw new TensorError(`DataLoader: index is ${index}, but there are ${samples} samples`);
    }
    this.#state = state;
  }

  /**
   * Whether no batch of the epoch is left, without making a batch. A function's samples have to be
   * read ahead for this. Undefined if that is not possible: in an epoch of theirs that no loop has
   * come to, as after `load`.
   */
  isEpochOver(): boolean | undefined {
    const { samplesPerEpoch } = this;
    if (samplesPerEpoch !== undefined) return this.#state.index >= samplesPerEpoch;
    return this.#current?.state === this.#state ? this.#current.rest.isOver() : undefined;
  }

  *[Symbol.iterator](): Iterator<Batch> {
    const { seed, epoch, index } = this.#state;
    const { batchSize, dropLast } = this.#options;
    // In buckets the first samples are not those of the first batches: all go through them again.
    const isSorted = this.#buckets !== undefined;
    const batches = grouped(this.#items(seed, epoch, isSorted ? 0 : index), batchSize, dropLast);
    let given = index;
    const rest = new Peekable(isSorted ? after(batches, index) : batches);
    try {
      for (let found = rest.next(); !found.done; found = rest.next()) {
        given += found.value.length;
        const batch = this.#batchOf(found.value);
        this.#state = { seed, epoch, index: given };
        this.#current = { state: this.#state, rest };
        yield batch;
      }
    } finally {
      rest.close();
      // Once it is closed, it cannot be read ahead to see whether the epoch is over.
      if (this.#current?.rest === rest) this.#current = undefined;
    }
    this.#state = { seed, epoch: epoch + 1, index: 0 };
    if (index === 0 && given === 0) this.#warnOfEmpty();
  }

  /** A batch of samples of a function, or of the samples of a data set with these numbers. */
  #batchOf(items: readonly (Sample | number)[]): Batch {
    const [source, { collate: gather }] = [this.#source, this.#options];
    if (typeof source === 'function') return gather(items as never[]) as Batch;
    const indices = items as readonly number[];
    if (gather === collate && source.batchAt) return source.batchAt(indices) as Batch;
    return gather(indices.map((i) => source.at(i) as never)) as Batch;
  }

  /**
   * The samples of an epoch with their buckets, from the index `from` on; of a data set their
   * numbers, as it makes them batch by batch.
   */
  *#items(
    seed: number, epoch: number, from: number,
  ): Iterable<readonly [item: Sample | number, bucket: number]> {
    const [source, buckets] = [this.#source, this.#buckets];
    this.#found = 0;
    if (typeof source === 'function') {
      for (const sample of samplesOf(source(generatorOf(seed, epoch), epoch))) {
        if (this.#found++ < from) continue;
        yield [sample, buckets ? bucketOf(buckets.ends, buckets.lengthOf(sample)) : 0];
      }
      return;
    }
    this.#found = source.length;
    const order = this.#options.shuffle ? this.#shuffled(source.length, seed, epoch) : undefined;
    for (let i = from; i < source.length; i++) {
      const sample = order ? order[i] : i;
      yield [sample, buckets ? buckets.ofSamples[sample] : 0];
    }
  }

  #shuffled(count: number, seed: number, epoch: number): ArrayLike<number> {
    const epochOf = `${count} ${seed} ${epoch}`;
    if (this.#order?.epochOf !== epochOf) {
      this.#order = { epochOf, indices: permutation(count, generatorOf(seed, epoch)).data };
    }
    return this.#order.indices;
  }

  #warnOfEmpty(): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    const { batchSize } = this.#options;
    const where = this.#buckets ? 'fewer than batchSize in each bucket' : 'fewer than batchSize';
    const why = this.#found === 0 ? 'no samples' : `${this.#found} samples, ${where}`;
    warn(`DataLoader: an epoch has no batch: ${why} (batchSize ${batchSize})`);
  }
}

/** What a function gives. Throws if it is no list of samples, as that of an async function. */
function samplesOf<Sample>(given: Iterable<Sample>): Iterable<Sample> {
  if (Symbol.iterator in Object(given)) return given;
  throw new TensorError(
    `DataLoader: the function of samples gives ${show(given)}, expected the samples of an epoch, ` +
      'an array or a generator that is not async',
  );
}

/**
 * The generator of an epoch: element `epoch` of `new Generator(seed).split(epochs)`. Each random
 * word is a function of its position, so the others need not be made.
 */
function generatorOf(seed: number, epoch: number): Generator {
  const key = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)] as const;
  const words = [0, 1].map((i) => {
    const position = 2 * epoch + i;
    const [word] = threefry2x32(key, [position % 2 ** 32, Math.floor(position / 2 ** 32)]);
    return word - 2 ** 31;
  });
  const generator = new Generator();
  generator.state.assign(tensor([...words, 0], { dtype: 'i32' }));
  return generator;
}
