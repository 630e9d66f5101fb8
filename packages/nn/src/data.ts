/**
 * Data, a batch at a time: samples from an array, in its order or shuffled, or as a function makes
 * them, gathered into tensors with a leading batch axis.
 *
 * Where a loader stands is three numbers: the seed, the epoch, and how many of its samples have
 * been given. The order within an epoch follows from seed and epoch alone, so with these three a
 * run goes on exactly where another stopped.
 */
import { Generator, permutation, TensorError } from '@mambagrad/tensor';
import { collate, type Collated } from './collate.ts';

/** Where a loader stands: plain numbers, to be kept in a checkpoint. */
export interface LoaderState {
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

export interface DataLoaderOptions<Sample, Batch> {
  /** Samples in a batch. Default 1. */
  readonly batchSize?: number;
  /** Whether an array's samples come in another random order in each epoch. Default false. */
  readonly shuffle?: boolean;
  /** Where the random numbers start, a whole number from 0. Default 0. */
  readonly seed?: number;
  /** Whether to leave out the last batch of an epoch if it is not full. Default false. */
  readonly dropLast?: boolean;
  /** Makes a batch of samples. Default `collate` without options. */
  readonly collate?: (samples: readonly Sample[]) => Batch;
}

/**
 * Batches, made as they are asked for: `for (const batch of loader)` runs to the end of an epoch. A
 * loop that was left early is taken up by the next one where it stopped.
 */
export class DataLoader<Sample, Batch = Collated<Sample>> implements Iterable<Batch> {
  readonly #source: DataSource<Sample>;
  readonly #options: Required<DataLoaderOptions<Sample, Batch>>;
  #state: LoaderState;

  /** Throws if a function's samples are to be shuffled, or if a number is not whole. */
  constructor(source: DataSource<Sample>, options: DataLoaderOptions<Sample, Batch> = {}) {
    const defaults = { batchSize: 1, shuffle: false, seed: 0, dropLast: false };
    const gather = collate as (samples: readonly Sample[]) => Batch;
    this.#source = source;
    this.#options = { ...defaults, collate: gather, ...options };
    if (this.#options.shuffle && typeof source === 'function') {
      throw new TensorError('DataLoader: shuffle takes an array; a function gives its own order');
    }
    requireWhole({ batchSize: this.#options.batchSize }, 1);
    this.#state = requireWhole({ seed: this.#options.seed, epoch: 0, index: 0 });
  }

  /** The number of batches in an epoch; undefined for a function, which may not end. */
  get length(): number | undefined {
    if (typeof this.#source === 'function') return undefined;
    const batches = this.#source.length / this.#options.batchSize;
    return this.#options.dropLast ? Math.floor(batches) : Math.ceil(batches);
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
    this.#state = requireWhole({ seed, epoch, index });
  }

  *[Symbol.iterator](): Iterator<Batch> {
    const { seed, epoch, index } = this.#state;
    const { batchSize, dropLast, collate: gather } = this.#options;
    const samples: Sample[] = [];
    let given = 0;
    const finish = (): Batch => {
      const batch = gather(samples.splice(0));
      this.#state = { seed, epoch, index: given };
      return batch;
    };
    for (const sample of this.#samples(seed, epoch)) {
      given += 1;
      if (given > index) samples.push(sample);
      if (samples.length === batchSize) yield finish();
    }
    if (samples.length > 0 && !dropLast) yield finish();
    this.#state = { seed, epoch: epoch + 1, index: 0 };
  }

  *#samples(seed: number, epoch: number): Iterable<Sample> {
    const source = this.#source;
    const generator = new Generator(seed).split(epoch + 1)[epoch];
    if (typeof source === 'function') yield* source(generator, epoch);
    else if (!this.#options.shuffle) yield* source;
    else for (const i of permutation(source.length, generator).data) yield source[i];
  }
}

/** The numbers as they are, if they are whole and not less than `least`. */
function requireWhole<T extends object>(numbers: T, least = 0): T {
  const wrong = Object.entries(numbers).find(([, n]) => !Number.isSafeInteger(n) || n < least);
  if (wrong === undefined) return numbers;
  const [name, value] = wrong;
  throw new TensorError(`DataLoader: ${name} is ${value}, expected a whole number from ${least}`);
}
