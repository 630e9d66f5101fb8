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
import { defaultGenerator, type Generator, type Tensor, tensor, uniform } from '@mambagrad/tensor';

export interface SelectiveCopyingOptions {
  /** How many tokens are to be remembered. Default 4. */
  readonly tokens?: number;
  /** Among how many places they are put. Default 24. */
  readonly places?: number;
  /** Tokens there are, noise (0) and the sign to write (the last) included. Default 8. */
  readonly vocabSize?: number;
  /** Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator;
}

export interface SelectiveCopyingBatch {
  /** i32 [batch, places + tokens] */
  readonly inputs: Tensor;
  /** i32 [batch, tokens]: what is to be written at the last positions */
  readonly targets: Tensor;
}

/** A batch of `count` fresh sequences. Throws if the sizes leave nothing to remember or no room. */
export function selectiveCopying(
  count: number,
  options: SelectiveCopyingOptions = {},
): SelectiveCopyingBatch {
  const { tokens = 4, places = 24, vocabSize = 8, generator = defaultGenerator } = options;
  if (tokens < 1 || tokens > places) {
    throw new RangeError(`selectiveCopying: ${tokens} tokens do not fit into ${places} places`);
  }
  if (vocabSize < 3) {
    throw new RangeError(
      `selectiveCopying: a vocabulary of ${vocabSize} has no token beside the noise and the sign`,
    );
  }
  const length = places + tokens;
  const inputs = new Int32Array(count * length);
  const targets = new Int32Array(count * tokens);
  const keys = uniform([count, places], 0, 1, { generator }).data;
  const values = uniform([count, tokens], 0, 1, { generator }).data;
  for (let row = 0; row < count; row++) {
    const key = (place: number) => keys[row * places + place];
    const order = Array.from({ length: places }, (_, place) => place);
    // The places with the smallest keys are a random choice; in ascending order they are filled.
    const chosen = order.sort((a, b) => key(a) - key(b)).slice(0, tokens).sort((a, b) => a - b);
    chosen.forEach((place, i) => {
      const token = 1 + Math.floor(values[row * tokens + i] * (vocabSize - 2));
      inputs[row * length + place] = token;
      targets[row * tokens + i] = token;
    });
    inputs.fill(vocabSize - 1, row * length + places, (row + 1) * length);
  }
  return {
    inputs: tensor(inputs, { shape: [count, length] }),
    targets: tensor(targets, { shape: [count, tokens] }),
  };
}
