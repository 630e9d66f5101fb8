/**
 * Writing: a language model says how likely each token is to come next; one is drawn and read, and
 * so on. As the model's state has a fixed size, a token costs the same after ten or ten thousand
 * others.
 *
 * Logits x become probabilities softmax(x / T). A low temperature T sharpens them; topK and topP
 * (Holtzman et al., "The curious case of neural text degeneration" (2020)) leave unlikely tokens
 * out.
 */
import { Generator, type Tensor, tensor, TensorError, uniform } from '@mambagrad/tensor';
import { yieldEvery } from '@mambagrad/tensor/host';
import {
  anything, checkArgument, instanceOf, listOf, number, objectWith, oneOf, readOptions, show, string,
  type Table, tensors, whole,
} from '@mambagrad/tensor/options';
import { MambaLM } from '../models/languageModel.ts';
import type { StackState } from '../models/recurrentStack.ts';
import { valuesOf } from '../sequence/sequence.ts';
import { streamOf, type Tokenizer } from './tokenizer.ts';

/**
 * Options of `sample`. `topK` is applied first, `topP` to what it leaves; both after the
 * temperature.
 */
export interface SampleOptions {
  /** T, from 0; at 0 the likeliest token is taken (greedy). Default 1. */
  readonly temperature?: number | undefined;
  /** Draw from this many of the likeliest tokens. Default Infinity. */
  readonly topK?: number | undefined;
  /** Draw from the fewest likeliest tokens that have this probability together. Default 1. */
  readonly topP?: number | undefined;
  /** The source of chance. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

const sampleOptions = {
  temperature: number({ from: 0 }).orElse(1),
  topK: whole(1).or(oneOf(Infinity)).orElse(Infinity),
  topP: number({ above: 0, to: 1 }).orElse(1),
  generator: instanceOf(Generator).optional(),
} satisfies Table<SampleOptions>;

/** A lower temperature is 0 in float32, or next to it. */
const LEAST_TEMPERATURE = 2 ** -126;

/**
 * A token for each row of logits [batch, vocabSize]: i32 [batch]. A logit may be −∞, which is never
 * drawn; a row of nothing else, or with NaN or ∞, is an error.
 */
export function sample(logits: Tensor, options: SampleOptions = {}): Tensor {
  const { temperature, topK, topP, generator } = readOptions('sample', options, sampleOptions);
  requireLogits(logits);
  if (temperature === 0) return logits.argmax(-1);
  // The largest becomes 0, so that a low temperature makes none of them overflow.
  const scaled = logits.sub(logits.max(-1, true)).div(Math.max(temperature, LEAST_TEMPERATURE));
  const { values, indices } = scaled.topk(Math.min(topK, logits.shape[1]));
  const probabilities = values.softmax(-1);
  const before = probabilities.cumsum(-1).sub(probabilities);
  // Of clocks that ring at random, at rates p, the first is number i with probability pᵢ. A uniform
  // number may be 0, though never 1: a clock waits for ever then, and not for no time at all.
  const wait = uniform(values.shape, 0, 1, { generator }).log().neg();
  const race = before.less(topP).where(values.sub(wait.log().cast(values.dtype)), -Infinity);
  return indices.gather(-1, race.argmax(-1, true)).squeeze(-1);
}

/** Throws unless each row has a largest logit; in a trace there are no values to look at. */
function requireLogits(logits: Tensor): void {
  checkArgument('sample', 'logits', logits, tensors);
  const [, vocabSize] = logits.shape;
  if (logits.ndim !== 2 || vocabSize === 0 || logits.dtype === 'i32') {
    throw new TensorError(
      `sample: logits are ${show(logits)}, expected f32 or f64 [batch, vocabSize], vocabSize ≥ 1`,
    );
  }
  const values = valuesOf(logits);
  for (let start = 0; values && start < values.length; start += vocabSize) {
    let most = -Infinity;
    for (let i = start; i < start + vocabSize; i++) most = Math.max(most, values[i]);
    if (Number.isFinite(most)) continue;
    throw new TensorError(
      `sample: the largest logit of row ${start / vocabSize} is ${most}, expected a finite number`,
    );
  }
}

/** Options of `generate` and `generateText`: how to draw tokens, and when to stop. */
export interface GenerateOptions extends SampleOptions {
  /** Stop after so many tokens. Default 100. */
  readonly maxTokens?: number | undefined;
  /** Tokens that end a row; they are not given. Default []. */
  readonly stopTokens?: readonly number[] | undefined;
  /** What was read before the prompts. Default nothing. */
  readonly state?: StackState | undefined;
}

const generateOptions = {
  ...sampleOptions,
  maxTokens: whole().orElse(100),
  stopTokens: listOf(whole()).orElse([]),
  state: anything<StackState>().optional(),
} satisfies Table<GenerateOptions>;

/** After so many milliseconds of work others get their turn. */
const WORK_TIME = 20;

/** Throws unless there are prompts, none of them is empty, and all tokens are the model's. */
function requirePrompts(model: MambaLM, prompts: readonly (readonly number[])[]): void {
  checkArgument('generate', 'model', model, instanceOf(MambaLM));
  checkArgument('generate', 'prompts', prompts, listOf(listOf(number())));
  const wrong = prompts.findIndex(({ length }) => length === 0);
  if (prompts.length === 0 || wrong >= 0) {
    const found = prompts.length === 0 ? 'there are no prompts' : `prompt ${wrong} is empty`;
    throw new TensorError(`generate: ${found}, expected at least one token in each`);
  }
  const { vocabSize } = model.options;
  const tokens = whole(0, vocabSize - 1);
  prompts.forEach((prompt, row) => {
    const at = prompt.findIndex((token) => !tokens.accepts(token));
    if (at >= 0) checkArgument('generate', `prompts[${row}][${at}]`, prompt[at], tokens);
  });
}

/** Rows of numbers with zeros in front, so that all end at the same step: i32 [rows, length]. */
function aligned(rows: readonly (readonly number[])[], length: number): Tensor {
  const all = new Int32Array(rows.length * length);
  rows.forEach((row, i) => all.set(row, (i + 1) * length - row.length));
  return tensor(all, { shape: [rows.length, length] });
}

/**
 * Goes on from prompts, of any lengths from 1, by one token for each row at a time: undefined for
 * rows that have come to an end. Ends when all have.
 */
export async function* generate(
  model: MambaLM, prompts: readonly (readonly number[])[], options: GenerateOptions = {},
): AsyncGenerator<(number | undefined)[], void> {
  const { maxTokens, stopTokens, state: start, ...sampling } =
    readOptions('generate', options, generateOptions);
  requirePrompts(model, prompts);
  // As many numbers cannot be the arguments of Math.max.
  const longest = prompts.reduce((most, { length }) => Math.max(most, length), 0);
  const isRagged = prompts.some(({ length }) => length < longest);
  const mask = isRagged ? aligned(prompts.map((row) => row.map(() => 1)), longest) : undefined;
  let { y, state } = model.prefill(aligned(prompts, longest), { state: start, mask });
  const isOpen = prompts.map(() => true);
  const pause = yieldEvery(WORK_TIME);
  for (let count = 1; count <= maxTokens; count++) {
    const next = sample(y, sampling);
    const tokens = Array.from(next.data, (token, row) => {
      isOpen[row] &&= !stopTokens.includes(token);
      return isOpen[row] ? token : undefined;
    });
    if (!isOpen.includes(true)) return;
    yield tokens;
    if (count < maxTokens) ({ y, state } = model.step(next, state));
    await pause();
  }
}

/** What the functions here need of a tokenizer. */
const tokenizers = objectWith<Tokenizer>('{ encode, decode }', 'encode', 'decode');

/** Goes on from a text, giving each piece of new text as soon as no further token can change it. */
export async function* generateText(
  model: MambaLM, tokenizer: Tokenizer, prompt: string, options?: GenerateOptions,
): AsyncGenerator<string, void> {
  checkArgument('generateText', 'tokenizer', tokenizer, tokenizers);
  checkArgument('generateText', 'prompt', prompt, string);
  const stream = streamOf(tokenizer);
  for await (const [token] of generate(model, [tokenizer.encode(prompt)], options)) {
    const text = token === undefined ? '' : stream.write(token);
    if (text !== '') yield text;
  }
  // Half a character may be left at the end.
  const rest = stream.end();
  if (rest !== '') yield rest;
}
