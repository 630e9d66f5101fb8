/**
 * The end of a call of `fit`: a number of steps or of epochs. Both count from the beginning of the
 * run, not of the call, so that a run that was interrupted is called again with the same number.
 */
import { TensorError } from '@mambagrad/tensor';
import {
  boolean, checkArgument, oneOf, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';

/** Options of `fit`: where it ends. One of `steps` and `epochs` is needed. */
export interface FitOptions {
  /** The number of steps taken in all, counting those of earlier calls, at which it ends. */
  readonly steps?: number | undefined;
  /**
   * The number of epochs of the data, in all, at the end of which it ends. No step then reaches
   * from one epoch into the next: with `accumulate`, the last one of an epoch has fewer batches.
   */
  readonly epochs?: number | undefined;
  /**
   * Whether to show the report of the run while it trains, as a page that is served on this
   * machine alone, until `fit` ends; its address is printed. In Node, Bun and Deno. Default false.
   */
  readonly live?: boolean | undefined;
}

const counts = whole().or(oneOf(Infinity));

const fitOptions = {
  steps: counts.optional(),
  epochs: counts.optional(),
  live: boolean.orElse(false),
} satisfies Table<FitOptions>;

/** Where `fit` ends: one of the two is given. */
export type Target = { readonly steps: number } | { readonly epochs: number };

/** The target that `fit` was called with. `hasEpochs` says whether the data has any. */
export function readTarget(given: number | FitOptions, hasEpochs: boolean): Target {
  if (typeof given === 'number') {
    checkArgument('fit', 'steps', given, counts);
    return { steps: given };
  }
  const { steps, epochs } = readOptions('fit', given, fitOptions);
  if (steps !== undefined && epochs === undefined) return { steps };
  if (epochs === undefined || steps !== undefined) {
    const found = steps === undefined ? 'neither steps nor epochs' : 'both steps and epochs';
    throw new TensorError(`fit: ${found} are given, expected one of them`);
  }
  if (hasEpochs) return { epochs };
  throw new TensorError(
    'fit: epochs are given, but the data is a function, which has none; give steps, or make the ' +
      'data a DataLoader',
  );
}
