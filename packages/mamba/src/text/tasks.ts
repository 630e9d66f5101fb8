/**
 * Selective copying, the task with which the Mamba paper opens (section 4.1.1): a few tokens to
 * remember stand at random places among noise, and have to be written out in order once the input
 * says so.
 *
 *     input    . . 3 . . . 5 . 1 . . 2 | ? ? ? ?         . noise   ? now
 *     target                             3 5 1 2
 *
 * As the gaps vary, no fixed convolution or recurrence solves it: the state must take in tokens and
 * pass over noise, by content.
 */
import {
  concat, full, Generator, integers, type Tensor, TensorError, uniform, zeros,
} from '@mambagrad/tensor';
import {
  checkArgument, instanceOf, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';

/**
 * The sizes of `selectiveCopying`, each from 1, `vocabSize` from 3; `tokens` is at most `places`.
 */
export interface SelectiveCopyingOptions {
  /** How many tokens are to be remembered. Default 4. */
  readonly tokens?: number | undefined;
  /** Among how many places they are put. Default 24. */
  readonly places?: number | undefined;
  /** Tokens there are, noise (0) and the sign to write (the last) included. Default 8. */
  readonly vocabSize?: number | undefined;
  /** The source of chance. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

const selectiveCopyingOptions = {
  tokens: whole(1).orElse(4),
  places: whole(1).orElse(24),
  vocabSize: whole(3).orElse(8),
  generator: instanceOf(Generator).optional(),
} satisfies Table<SelectiveCopyingOptions>;

/** A batch of the task: what is read, and what is to be answered. */
export interface SelectiveCopyingBatch {
  /** i32 [batch, places + tokens] */
  readonly inputs: Tensor;
  /** i32 [batch, tokens]: what is to be written at the last positions */
  readonly targets: Tensor;
}

/** A batch of `count` fresh sequences. Throws if the sizes leave nothing to remember or no room. */
export function selectiveCopying(
  count: number, options: SelectiveCopyingOptions = {},
): SelectiveCopyingBatch {
  const op = 'selectiveCopying';
  checkArgument(op, 'count', count, whole());
  const { tokens, places, vocabSize, generator } =
    readOptions(op, options, selectiveCopyingOptions);
  if (tokens > places) {
    throw new TensorError(`${op}: ${tokens} tokens do not fit into ${places} places`);
  }
  // The first of the places in a random order, in ascending order, are filled.
  const shuffled = uniform([count, places], 0, 1, { generator }).argsort();
  const chosen = shuffled.narrow(1, 0, tokens).sort().values;
  const targets = integers([count, tokens], 1, vocabSize - 1, generator);
  const noise = zeros([count, places], { dtype: 'i32' });
  const sign = full([count, tokens], vocabSize - 1, { dtype: 'i32' });
  return { inputs: concat([noise.scatterAdd(1, chosen, targets), sign], 1), targets };
}
