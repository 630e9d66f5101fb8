/**
 * The order in which selective copying is learned at the paper's size. Sixteen tokens scattered
 * among 4,096 places teach next to nothing at first: whatever the model writes, most of what it
 * has read is noise. So it begins with what it can learn, and its task becomes harder in steps
 * (curriculum learning: Bengio, Louradour, Collobert and Weston (2009)).
 *
 *     first quarter    1/4, 2/4, then 3/4 of the tokens, among few places: what it is to copy
 *     second quarter   all tokens among few places: how to keep them apart
 *     second half      twice as many places again and again: how to ignore noise for longer
 *
 * A model that keeps its memory over n places of noise needs few steps to keep it over 2n: its
 * gates are shut nearly tightly enough. Over 4n or 16n at once it would have lost all, and would
 * learn anew.
 */

export interface CopyingSizes {
  readonly tokens: number;
  readonly places: number;
}

/** Few places are this many for each token. */
const FEWEST = 2;

/** While places are few, a batch has as many sequences as have this many places in all. */
const PLACES_OF_BATCH = 4096;

/** And at most so many sequences. */
const MOST_SEQUENCES = 64;

/**
 * Tokens, places and sequences of a batch when the share `progress`, from 0 to 1, of all steps is
 * done. At full size a batch has `batch` sequences, before it as many or more.
 */
export function sizesAt(
  progress: number, full: CopyingSizes, batch: number,
): CopyingSizes & { readonly count: number } {
  const few = Math.min(full.places, FEWEST * full.tokens);
  const doublings = Math.ceil(Math.log2(full.places / few));
  const tokens = Math.ceil(full.tokens * Math.min(1, (1 + Math.floor(12 * progress)) / 4));
  const double = Math.max(0, 1 + Math.floor((2 * progress - 1) * doublings));
  const places = progress < 0.5 ? few : Math.min(full.places, few * 2 ** double);
  const many = Math.min(MOST_SEQUENCES, Math.floor(PLACES_OF_BATCH / places));
  return { tokens, places, count: Math.max(batch, many) };
}
