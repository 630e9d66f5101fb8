/**
 * Writing: a language model says how likely each token is to come next; one is drawn and read, and
 * so on. As the model's state has a fixed size, a token costs the same after ten or ten thousand
 * others.
 *
 * Logits x become probabilities softmax(x / T). A low temperature T sharpens them; topK and topP
 * (Holtzman et al., "The curious case of neural text degeneration" (2020)) leave unlikely tokens
 * out.
 */
import { type Generator, type Tensor, tensor, TensorError, uniform } from '@mambagrad/tensor';
import type { MambaLM } from './languageModel.ts';
import type { StackState } from './stack.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface SampleOptions {
  /** T; at 0 the likeliest token is taken (greedy). Default 1. */
  readonly temperature?: number;
  /** Draw from this many of the likeliest tokens. Default all. */
  readonly topK?: number;
  /** Draw from the fewest likeliest tokens that have this probability together. Default 1. */
  readonly topP?: number;
  /** The source of chance. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/** A token for each row of logits [batch, vocabSize]: i32 [batch]. */
export function sample(logits: Tensor, options: SampleOptions = {}): Tensor {
  const { temperature = 1, topK = Infinity, topP = 1, generator } = options;
  if (!(temperature >= 0 && topK >= 1 && topP > 0)) {
    const given = `temperature ${temperature}, topK ${topK}, topP ${topP}`;
    throw new TensorError(`sample: ${given}; expected at least 0, at least 1, more than 0`);
  }
  if (temperature === 0) return logits.argmax(-1);
  const { values, indices } = logits.div(temperature).topk(Math.min(topK, logits.shape[1]));
  const probabilities = values.softmax(-1);
  const before = probabilities.cumsum(-1).sub(probabilities);
  // Of clocks that ring at random, at rates p, the first is number i with probability pᵢ.
  const wait = uniform(values.shape, 0, 1, { generator }).neg().log1p().neg();
  const race = before.less(topP).where(values.sub(wait.log().cast(values.dtype)), -Infinity);
  return indices.gather(-1, race.argmax(-1, true)).squeeze(-1);
}

export interface GenerateOptions extends SampleOptions {
  /** Stop after so many tokens. Default 100. */
  readonly maxTokens?: number;
  /** Tokens that end a row; they are not given. Default none. */
  readonly stopTokens?: readonly number[];
  /** What was read before the prompts. Default nothing. */
  readonly state?: StackState;
}

// Known to browsers and Node alike, though not part of the language.
declare function setTimeout(run: () => void, milliseconds: number): unknown;

/** After so many milliseconds of work others get their turn. */
const WORK_TIME = 20;

/**
 * Goes on from prompts, of any lengths from 1, by one token for each row at a time: undefined for
 * rows that have come to an end. Ends when all have.
 */
export async function* generate(
  model: MambaLM,
  prompts: readonly (readonly number[])[],
  { maxTokens = 100, stopTokens = [], state: start, ...sampling }: GenerateOptions = {},
): AsyncGenerator<(number | undefined)[], void> {
  const lengths = prompts.map(({ length }) => length);
  const [shortest, longest] = [Math.min(...lengths), Math.max(...lengths)];
  if (!(shortest > 0 && longest > 0)) throw new TensorError('generate: a prompt is empty, or none');
  // Padding in front, so that all prompts end at the same step.
  const aligned = (rows: readonly (readonly number[])[]) => {
    const padding = lengths.map((length) => new Array<number>(longest - length).fill(0));
    return tensor(rows.map((row, i) => [...padding[i], ...row]), { dtype: 'i32' });
  };
  const isRagged = shortest < longest;
  const mask = isRagged ? aligned(prompts.map((row) => row.map(() => 1))) : undefined;
  let { y, state } = model.prefill(aligned(prompts), { state: start, mask });
  const isOpen = prompts.map(() => true);
  for (let count = 1, turn = Date.now(); count <= maxTokens; count++) {
    const next = sample(y, sampling);
    const tokens = Array.from(next.data, (token, row) => {
      isOpen[row] &&= !stopTokens.includes(token);
      return isOpen[row] ? token : undefined;
    });
    if (!isOpen.includes(true)) return;
    yield tokens;
    if (count < maxTokens) ({ y, state } = model.step(next, state));
    if (Date.now() - turn < WORK_TIME) continue;
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    turn = Date.now();
  }
}

/** Goes on from a text, giving each piece of new text as soon as its last character is complete. */
export async function* generateText(
  model: MambaLM, tokenizer: Tokenizer, prompt: string, options?: GenerateOptions,
): AsyncGenerator<string, void> {
  const tokens: number[] = [];
  let given = 0;
  for await (const [token] of generate(model, [tokenizer.encode(prompt)], options)) {
    if (token !== undefined) tokens.push(token);
    const text = tokenizer.decode(tokens);
    if (text.endsWith('\ufffd')) continue;
    yield text.slice(given);
    given = text.length;
  }
  // Half a character may be left at the end.
  const rest = tokenizer.decode(tokens).slice(given);
  if (rest !== '') yield rest;
}
