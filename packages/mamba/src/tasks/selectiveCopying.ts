/**
 * Selective copying, a synthetic task of the Mamba paper (section 4.1.1): a few tokens to remember
 * are at random positions among noise, and the model has to output them in order when the input
 * asks for it.
 *
 *     input    . . 3 . . . 5 . 1 . . 2 | ? ? ? ?         . noise   ? now
 *     target                             3 5 1 2
 *
 * The gaps vary, so no convolution or recurrence with fixed coefficients solves it: the state must
 * remember tokens and ignore noise, depending on the content.
 */
import {
  concat, full, type Generator, integers, type Tensor, TensorError, zeros,
} from '@mambagrad/tensor';
import { checkArgument, readOptions, type Table, whole } from '@mambagrad/tensor/options';
import { generatorOption, randomPlaces } from './batch.ts';

/**
 * The sizes of `selectiveCopying`, each from 1, `vocabSize` from 3; `tokens` is at most `places`.
 */
export interface SelectiveCopyingOptions {
  /** The number of tokens to remember. Default 4. */
  readonly tokens?: number | undefined;
  /** The number of positions among which they are scattered. Default 24. */
  readonly places?: number | undefined;
  /** The number of different tokens, including noise (0) and the request (the last). Default 8. */
  readonly vocabSize?: number | undefined;
  /** The source of random numbers. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

const selectiveCopyingOptions = {
  tokens: whole(1).orElse(4),
  places: whole(1).orElse(24),
  vocabSize: whole(3).orElse(8),
  generator: generatorOption,
} satisfies Table<SelectiveCopyingOptions>;

/** A batch of the task. */
export interface SelectiveCopyingBatch {
  /** i32 [batch, places + tokens] */
  readonly inputs: Tensor;
  /** i32 [batch, tokens]: the correct outputs at the last positions */
  readonly targets: Tensor;
}

/** A batch of `count` random sequences. Throws if there are more tokens than positions. */
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
  const chosen = randomPlaces(count, tokens, places, generator).sort().values;
  const targets = integers([count, tokens], 1, vocabSize - 1, generator);
  const noise = zeros([count, places], { dtype: 'i32' });
  const request = full([count, tokens], vocabSize - 1, { dtype: 'i32' });
  return { inputs: concat([noise.scatterAdd(1, chosen, targets), request], 1), targets };
}
