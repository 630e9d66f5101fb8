/**
 * The data of a trainer: batches in epochs, with a position that checkpoints keep.
 */
import { Kind, objectWith } from '@mambagrad/tensor/options';
import type { DataLoader } from '../data/loader.ts';

/** Batches in epochs, with a position that can be saved and loaded, such as a `DataLoader`. */
export type Batches<Batch> =
  & Pick<DataLoader<never, Batch>, 'state' | 'load' | typeof Symbol.iterator>
  & Partial<Pick<
    DataLoader<never, Batch>, 'settings' | 'length' | 'samplesPerEpoch' | 'isEpochOver'
  >>;

/** Loaders, as errors name them. */
export const loaders: Kind<Batches<never>> = new Kind(
  'a DataLoader',
  (x) =>
    objectWith<Batches<never>>('', 'state', 'load').accepts(x) && Symbol.iterator in Object(x),
);
/** The data of an evaluation. */
export const batches: Kind<Batches<never> | readonly never[]> =
  loaders.or(new Kind<readonly never[]>('an array of batches', Array.isArray));
