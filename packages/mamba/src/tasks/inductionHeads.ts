/**
 * Induction heads, a synthetic task of the Mamba paper (section 4.1.2) after Olsson et al.,
 * "In-context learning and induction heads" (2022): among random tokens a special one stands once,
 * with another token behind it. At the end the special token comes again, and the model has to say
 * what followed it the first time.
 *
 *     input    b a f c S d e b a c f e S        S the special token
 *     target                           d
 *
 * The answer may be any distance away, so the model must write the one token that matters and let
 * all others pass. A model that has learned this at length 256 can be tested at a million: such
 * sequences are drawn in pieces, as a recurrent model reads them.
 */
import { arange, type Generator, integers, type Tensor } from '@mambagrad/tensor';
import {
  checkArgument, type FullTable, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';
import { generatorOption, type TaskBatch } from './batch.ts';

/** Options of `inductionHeads`. */
export interface InductionHeadsOptions {
  /** The number of tokens in a sequence, from 3. Default 256, as the paper trains at. */
  readonly length?: number | undefined;
  /** The number of different tokens, from 2; the special one is the last. Default 16. */
  readonly vocabSize?: number | undefined;
  /** The source of random numbers. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/** Options of `inductionHeadsInPieces`. */
export interface InductionHeadsInPiecesOptions extends InductionHeadsOptions {
  /** The number of tokens in each piece but the last, which may have fewer. Default 4096. */
  readonly pieceLength?: number | undefined;
}

const inductionHeadsOptions: FullTable<InductionHeadsOptions, 'generator'> = {
  length: whole(3, 2 ** 31 - 1).orElse(256),
  vocabSize: whole(2, 2 ** 31 - 1).orElse(16),
  generator: generatorOption,
};

const inductionHeadsInPiecesOptions = {
  ...inductionHeadsOptions, pieceLength: whole(1).orElse(4096),
} satisfies Table<InductionHeadsInPiecesOptions>;

/** Sequences of the task in pieces. */
export interface InductionHeadsPieces {
  /** The pieces in order, i32 [batch, pieceLength], each drawn when it is asked for, once. */
  readonly pieces: IterableIterator<Tensor>;
  /** The tokens to be predicted after the last piece, i32 [batch] */
  readonly targets: Tensor;
}

/** A batch of `count` random sequences: inputs i32 [count, length], targets i32 [count]. */
export function inductionHeads(count: number, options: InductionHeadsOptions = {}): TaskBatch {
  const op = 'inductionHeads';
  checkArgument(op, 'count', count, whole());
  const { length, ...given } = readOptions(op, options, inductionHeadsOptions);
  const { pieces, targets } = draw(count, { ...given, length, pieceLength: length });
  const [inputs] = pieces;
  return { inputs, targets };
}

/**
 * The same task for sequences that need not fit into memory: the state of a recurrent model goes
 * from piece to piece. Between the pieces nothing else may be drawn from the generator, if equal
 * seeds are to give equal sequences.
 */
export function inductionHeadsInPieces(
  count: number, options: InductionHeadsInPiecesOptions = {},
): InductionHeadsPieces {
  const op = 'inductionHeadsInPieces';
  checkArgument(op, 'count', count, whole());
  return draw(count, readOptions(op, options, inductionHeadsInPiecesOptions));
}

interface Plan {
  readonly length: number;
  readonly vocabSize: number;
  readonly pieceLength: number;
  readonly generator: Generator | undefined;
}

function draw(count: number, plan: Plan): InductionHeadsPieces {
  const { length, vocabSize, generator } = plan;
  // At least one token stands between the two special ones.
  const places = integers([count, 1], 0, length - 2, generator);
  const answers = integers([count, 1], 0, vocabSize - 1, generator);
  return { pieces: drawPieces(plan, places, answers), targets: answers.squeeze(1) };
}

/** The pieces of sequences with the special token at `places`, and `answers` behind it. */
function* drawPieces(plan: Plan, places: Tensor, answers: Tensor): IterableIterator<Tensor> {
  const { length, vocabSize, pieceLength, generator } = plan;
  const [count] = places.shape;
  for (let start = 0; start < length; start += pieceLength) {
    const end = Math.min(start + pieceLength, length);
    const position = arange(start, end, 1, { dtype: 'i32' });
    const tokens = integers([count, end - start], 0, vocabSize - 1, generator);
    const withAnswer = position.equal(places.add(1)).where(answers, tokens);
    const isSpecial = position.equal(places).add(position.equal(length - 1));
    yield isSpecial.where(vocabSize - 1, withAnswer);
  }
}
