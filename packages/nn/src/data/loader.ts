/**
 * Data, a batch at a time: samples from an array, in its order or shuffled, or as a function makes
 * them, gathered into tensors with a leading batch axis.
 *
 * Where a loader stands is three numbers: the seed, the epoch, and how many of its samples have
 * been given. The order within an epoch follows from seed and epoch alone, so with these three a
 * run goes on exactly where another stopped.
 */
import { Generator, permutation, tensor, TensorError, threefry2x32 } from '@mambagrad/tensor';
import {
  boolean, callable, checkArgument, Kind, type Read, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';
import { warn } from '@mambagrad/tensor/host';
import { collate, type Collated } from './collate.ts';

/** Where a loader stands: plain numbers, to be kept in a checkpoint. */
export interface LoaderState {
  /** The seed of the order, a whole number from 0. */
  readonly seed: number;
  /** How many epochs are over: how many times all samples have been given. */
  readonly epoch: number;
  /** How many samples of this epoch have been given. */
  readonly index: number;
}

/**
 * Samples: an array, or a function that gives those of an epoch one by one, such as a generator
 * function. It is handed a generator of random numbers, another for each epoch, the same for the
 * same seed; with no other source of chance it can be resumed.
 */
export type DataSource<Sample> =
  readonly Sample[] | ((generator: Generator, epoch: number) => Iterable<Sample>);

/** Options of `DataLoader`. `shuffle` is for arrays: a function decides its order itself. */
export interface DataLoaderOptions<Sample, Batch> {
  /** Samples in a batch, from 1. Default 1. */
  readonly batchSize?: number | undefined;
  /** Whether an array's samples come in another random order in each epoch. Default false. */
  readonly shuffle?: boolean | undefined;
  /** Where the random numbers start, a whole number from 0. Default 0. */
  readonly seed?: number | undefined;
  /** Whether to leave out the last batch of an epoch if it is not full. Default false. */
  readonly dropLast?: boolean | undefined;
  /** Makes a batch of samples. Default `collate` without options. */
  readonly collate?: ((samples: readonly Sample[]) => Batch) | undefined;
}

const wholeNumbers = whole();

const loaderOptions = {
  batchSize: whole(1).orElse(1),
  shuffle: boolean.orElse(false),
  seed: wholeNumbers.orElse(0),
  dropLast: boolean.orElse(false),
  collate: callable<(samples: readonly never[]) => unknown>().orElse(collate),
} satisfies Table<DataLoaderOptions<never, unknown>>;

const sources = new Kind<DataSource<unknown>>(
  'an array of samples or a function that gives them',
  (x) => Array.isArray(x) || typeof x === 'function',
);

/** What decides the order in which a loader gives its samples, besides where it stands. */
export interface LoaderSettings {
  /** Undefined for a function, which may not end. */
  readonly samples: number | undefined;
  /** Samples in a batch, from 1. */
  readonly batchSize: number;
  /** Whether each epoch has a random order. */
  readonly shuffle: boolean;
  /** Whether a last batch that is not full is left out. */
  readonly dropLast: boolean;
}

/**
 * Batches, made as they are asked for: `for (const batch of loader)` runs to the end of an epoch. A
 * loop that was left early is taken up by the next one where it stopped.
 */
export class DataLoader<Sample, Batch = Collated<Sample>> implements Iterable<Batch> {
  readonly #source: DataSource<Sample>;
  readonly #options: Read<typeof loaderOptions>;
  #state: LoaderState;
  /** The order of an epoch, kept for the loops that take it up. */
  #order: { readonly epochOf: string; readonly places: ArrayLike<number> } | undefined;
  #isWarned = false;

  /** Throws if a function's samples are to be shuffled, or if an option is out of its range. */
  constructor(source: DataSource<Sample>, options: DataLoaderOptions<Sample, Batch> = {}) {
    checkArgument('DataLoader', 'samples', source, sources);
    this.#source = source;
    this.#options = readOptions('DataLoader', options, loaderOptions);
    const { shuffle, seed } = this.#options;
    if (shuffle && typeof source === 'function') {
      throw new TensorError('DataLoader: shuffle takes an array; a function gives its own order');
    }
    this.#state = { seed, epoch: 0, index: 0 };
  }

  /** The number of batches in an epoch; undefined for a function, which may not end. */
  get length(): number | undefined {
    if (typeof this.#source === 'function') return undefined;
    const batches = this.#source.length / this.#options.batchSize;
    return this.#options.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /** What a loader must share with another to go on from where that one stood. */
  get settings(): LoaderSettings {
    const { batchSize, shuffle, dropLast } = this.#options;
    const samples = typeof this.#source === 'function' ? undefined : this.#source.length;
    return { samples, batchSize, shuffle, dropLast };
  }

  /** Where this loader stands: in a loop, behind the batch at hand. */
  state(): LoaderState {
    return this.#state;
  }

  /**
   * Goes to where another loader of the same data stood: the next loop gives what was left of the
   * epoch. A function is run from the start of the epoch, and what was given before passed over.
   */
  load({ seed, epoch, index }: LoaderState): void {
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

  *[Symbol.iterator](): Iterator<Batch> {
    const { seed, epoch, index } = this.#state;
    const { batchSize, dropLast, collate: gather } = this.#options;
    const samples: Sample[] = [];
    let given = index;
    const finish = (): Batch => {
      const batch = gather(samples.splice(0) as never[]) as Batch;
      this.#state = { seed, epoch, index: given };
      return batch;
    };
    for (const sample of this.#samples(seed, epoch, index)) {
      given += 1;
      samples.push(sample);
      if (samples.length === batchSize) yield finish();
    }
    if (samples.length > 0 && !dropLast) yield finish();
    this.#state = { seed, epoch: epoch + 1, index: 0 };
    if (index === 0 && (given === 0 || (dropLast && given < batchSize))) this.#warnOfEmpty(given);
  }

  /** The samples of an epoch from a place on. */
  *#samples(seed: number, epoch: number, from: number): Iterable<Sample> {
    const source = this.#source;
    if (typeof source === 'function') {
      let passed = 0;
      for (const sample of source(generatorOf(seed, epoch), epoch)) {
        if (passed++ >= from) yield sample;
      }
      return;
    }
    const places = this.#options.shuffle ? this.#shuffled(source.length, seed, epoch) : undefined;
    for (let i = from; i < source.length; i++) yield source[places ? places[i] : i];
  }

  #shuffled(count: number, seed: number, epoch: number): ArrayLike<number> {
    const epochOf = `${count} ${seed} ${epoch}`;
    if (this.#order?.epochOf !== epochOf) {
      this.#order = { epochOf, places: permutation(count, generatorOf(seed, epoch)).data };
    }
    return this.#order.places;
  }

  #warnOfEmpty(samples: number): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    const { batchSize } = this.#options;
    const why = samples === 0 ? 'no samples' : `${samples} samples, fewer than batchSize`;
    warn(`DataLoader: an epoch has no batch: ${why} (batchSize ${batchSize})`);
  }
}

/**
 * The generator of an epoch: of those that `new Generator(seed).split(epochs)` would give, the one
 * with this number. As each random word is a function of its position, the others need not be made.
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
