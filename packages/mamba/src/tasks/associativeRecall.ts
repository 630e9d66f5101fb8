/**
 * Associative recall with several queries (Arora et al., "Zoology: measuring and improving recall
 * in efficient language models" (2023), section 3): a sequence begins with pairs of a key and its
 * value; later each key comes once more, at a random place, and the model has to say its value.
 *
 *     input    b 7 d 3 a 9 | . . d . a . . b        . noise
 *     target                     3   9     7
 *
 * All pairs have to be remembered until they are asked for, so the size of the state limits how
 * many a recurrent model can learn; attention looks them up. In the paper the queries are near the
 * pairs more often than far from them; here all places are equally likely.
 */
import {
  concat, full, type Generator, integers, stack, TensorError, zeros,
} from '@mambagrad/tensor';
import { checkArgument, readOptions, type Table, whole } from '@mambagrad/tensor/options';
import { generatorOption, randomPlaces, type TaskBatch } from './batch.ts';

/** Options of `associativeRecall`; `pairs` is at most `places`, and at most the number of keys. */
export interface AssociativeRecallOptions {
  /** The number of pairs, from 1. Default 4. */
  readonly pairs?: number | undefined;
  /** The number of positions after the pairs, among which the queries are. Default 24. */
  readonly places?: number | undefined;
  /**
   * The number of different tokens, from 3: noise is 0, then come the keys, of which there are
   * ⌊(vocabSize − 1) / 2⌋, and the values. Default 16.
   */
  readonly vocabSize?: number | undefined;
  /** The source of random numbers. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

const associativeRecallOptions = {
  pairs: whole(1).orElse(4),
  places: whole(1).orElse(24),
  vocabSize: whole(3).orElse(16),
  generator: generatorOption,
} satisfies Table<AssociativeRecallOptions>;

/** The target of a position where nothing is asked. */
const IGNORED = -100;

/**
 * A batch of `count` random sequences: inputs and targets i32 [count, 2 · pairs + places], where
 * targets are the value at each query and -100 elsewhere. Throws if there are more pairs than
 * places or keys.
 */
export function associativeRecall(
  count: number, options: AssociativeRecallOptions = {},
): TaskBatch {
  const op = 'associativeRecall';
  checkArgument(op, 'count', count, whole());
  const { pairs, places, vocabSize, generator } =
    readOptions(op, options, associativeRecallOptions);
  const keyCount = Math.floor((vocabSize - 1) / 2);
  if (pairs > places) {
    throw new TensorError(`${op}: ${pairs} queries do not fit into ${places} places`);
  }
  if (pairs > keyCount) {
    throw new TensorError(
      `${op}: ${pairs} pairs need as many different keys; with vocabSize ${vocabSize} there are ` +
        `${keyCount}, expected vocabSize from ${2 * pairs + 1}`,
    );
  }
  const keys = randomPlaces(count, pairs, keyCount, generator).add(1);
  const values = integers([count, pairs], keyCount + 1, vocabSize, generator);
  const queries = randomPlaces(count, pairs, places, generator);
  const shown = stack([keys, values], 2).reshape([count, 2 * pairs]);
  const noise = zeros([count, places], { dtype: 'i32' });
  const silence = full([count, 2 * pairs], IGNORED, { dtype: 'i32' });
  const answers = noise.scatterAdd(1, queries, values.sub(IGNORED)).add(IGNORED);
  return {
    inputs: concat([shown, noise.scatterAdd(1, queries, keys)], 1),
    targets: concat([silence, answers], 1),
  };
}
