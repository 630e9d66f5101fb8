/**
 * Text generation: the model gives a logit for each token that may come next, one token is sampled
 * and fed back, and so on. The state of the model has a fixed size, so a token costs the same after
 * ten or ten thousand others.
 *
 * Logits x become probabilities softmax(x / T). A low temperature T sharpens them; topK and topP
 * (nucleus sampling: Holtzman et al., "The curious case of neural text degeneration" (2020))
 * exclude unlikely tokens.
 */
import {
  describe, Generator, noGrad, type Tensor, tensor, TensorError, uniform,
} from '@mambagrad/tensor';
import { yieldEvery } from '@mambagrad/tensor/host';
import { valuesOf } from '@mambagrad/tensor/extend';
import {
  anything, checkArgument, instanceOf, listOf, number, objectWith, oneOf, readOptions, show, string,
  type Table, tensors, whole,
} from '@mambagrad/tensor/options';
import { MambaLM } from '../models/languageModel.ts';
import type { StackState } from '../models/recurrentStack.ts';
import { type Moment, Reading } from './reading.ts';
import { streamOf, type Tokenizer } from './tokenizer.ts';

/**
 * Options of `sample`. `topK` is applied first, `topP` to what it leaves; both after the
 * temperature.
 */
export interface SampleOptions {
  /** T, from 0; at 0 the most likely token is taken (greedy). Default 1. */
  readonly temperature?: number | undefined;
  /** Sample from this many of the most likely tokens. Default Infinity. */
  readonly topK?: number | undefined;
  /** Sample from the fewest most likely tokens whose probabilities add up to this. Default 1. */
  readonly topP?: number | undefined;
  /** The source of random numbers. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

const sampleOptions = {
  temperature: number({ from: 0 }).orElse(1),
  topK: whole(1).or(oneOf(Infinity)).orElse(Infinity),
  topP: number({ above: 0, to: 1 }).orElse(1),
  generator: instanceOf(Generator).optional(),
} satisfies Table<SampleOptions>;

/** Lower temperatures are 0 or denormal in float32. */
const MIN_TEMPERATURE = 2 ** -126;

/**
 * Samples a token for each row of logits [batch, vocabSize]: i32 [batch]. A token with the logit −∞
 * is never sampled. Throws if a row contains NaN or ∞, or nothing but −∞.
 */
export function sample(logits: Tensor, options: SampleOptions = {}): Tensor {
  const { temperature, topK, topP, generator } = readOptions('sample', options, sampleOptions);
  requireLogits(logits);
  if (temperature === 0) return logits.argmax(-1);
  // With the largest logit at 0, a low temperature cannot make logits overflow.
  const scaled = logits.sub(logits.max(-1, true)).div(Math.max(temperature, MIN_TEMPERATURE));
  const { values, indices } = scaled.topk(Math.min(topK, logits.shape[1]));
  const probabilities = values.softmax(-1);
  const sumOfMoreLikely = probabilities.cumsum(-1).sub(probabilities);
  // The Gumbel-max trick: the index of the largest xᵢ − log(−log uᵢ), with uniform uᵢ, is i with
  // probability softmax(x)ᵢ. A u of 0, which is possible, excludes its token; a u of 1 would select
  // it, but never occurs.
  const exponential = uniform(values.shape, 0, 1, { generator }).log().neg();
  const perturbed = values.sub(exponential.log().cast(values.dtype));
  const best = sumOfMoreLikely.less(topP).where(perturbed, -Infinity).argmax(-1, true);
  return indices.gather(-1, best).squeeze(-1);
}

/** Throws unless each row has a largest logit. While tracing there are no values to check. */
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
    let max = -Infinity;
    for (let i = start; i < start + vocabSize; i++) max = Math.max(max, values[i]);
    if (Number.isFinite(max)) continue;
    throw new TensorError(
      `sample: the largest logit of row ${start / vocabSize} is ${max}, expected a finite number`,
    );
  }
}

/** Options of `generate` and of functions made of it: how to sample tokens, and when to stop. */
export interface GenerateOptions extends SampleOptions {
  /** The maximum number of tokens for each prompt. Default 100. */
  readonly maxTokens?: number | undefined;
  /** Tokens that end a row; they are not yielded. Default []. */
  readonly stopTokens?: readonly number[] | undefined;
  /**
   * The state to continue from, of everything before the prompts. With the logits after it, as
   * `end` of an earlier text has them, a prompt may be empty. Default the initial state.
   */
  readonly state?: StackState | Moment | undefined;
}

/** What is being written: `for await` yields it piece by piece. */
export interface Writing<Piece> extends AsyncGenerator<Piece, void> {
  /**
   * What the model knows at the end: its state after the prompts and all that was yielded so far,
   * and the logits of the next token, y [rows, vocabSize]. It is known once the prompts are read.
   * To go on from there, give it to `generate` as `state`.
   */
  readonly end: Moment;
}

const generateOptions = {
  ...sampleOptions,
  maxTokens: whole().orElse(100),
  stopTokens: listOf(whole()).orElse([]),
  state: anything<StackState | Moment>().optional(),
} satisfies Table<GenerateOptions>;

/** After this many milliseconds of work the event loop has its turn. */
const WORK_TIME = 20;

/** Tokens of each row. */
type Rows = readonly (readonly number[])[];

/**
 * Throws unless there are prompts of tokens in the model's vocabulary, none of them empty unless
 * they `mayBeEmpty`.
 */
function requirePrompts(model: MambaLM, prompts: Rows, mayBeEmpty: boolean): void {
  checkArgument('generate', 'model', model, instanceOf(MambaLM));
  checkArgument('generate', 'prompts', prompts, listOf(listOf(number())));
  const wrong = mayBeEmpty ? -1 : prompts.findIndex(({ length }) => length === 0);
  if (prompts.length === 0 || wrong >= 0) {
    const found = prompts.length === 0 ? 'there are no prompts' : `prompt ${wrong} is empty`;
    throw new TensorError(`generate: ${found}, expected at least one token in each`);
  }
  const { vocabSize } = model.options;
  const tokens = whole(0, vocabSize - 1);
  prompts.forEach((prompt, row) => {
    const i = prompt.findIndex((token) => !tokens.accepts(token));
    if (i >= 0) checkArgument('generate', `prompts[${row}][${i}]`, prompt[i], tokens);
  });
}

/** Rows padded with zeros in front, so that all end at the same step: i32 [rows, length]. */
function padRows(rows: Rows, length: number): Tensor {
  const all = new Int32Array(rows.length * length);
  rows.forEach((row, i) => all.set(row, (i + 1) * length - row.length));
  return tensor(all, { shape: [rows.length, length] });
}

/** Reads the prompts from a state, which may come with the logits after it. */
function readPrompts(
  model: MambaLM, prompts: Rows, given: StackState | Moment | undefined,
): Moment {
  const start = isMoment(given) ? given : undefined;
  requirePrompts(model, prompts, start !== undefined);
  // Math.max cannot take arbitrarily many arguments.
  const longest = prompts.reduce((most, { length }) => Math.max(most, length), 0);
  if (start) requireRows(start.y, prompts.length, model.options.vocabSize);
  if (start && longest === 0) return start;
  const isRagged = prompts.some(({ length }) => length < longest);
  const mask = isRagged ? padRows(prompts.map((row) => row.map(() => 1)), longest) : undefined;
  const state = isMoment(given) ? given.state : given;
  const read = model.prefill(padRows(prompts, longest), { state, mask });
  if (start === undefined || prompts.every(({ length }) => length > 0)) return read;
  const isRead = tensor(prompts.map(({ length }) => Math.min(length, 1)), { dtype: 'i32' });
  return { ...read, y: noGrad(() => isRead.unsqueeze(1).where(read.y, start.y)) };
}

function isMoment(given: StackState | Moment | undefined): given is Moment {
  return typeof given === 'object' && !Array.isArray(given) && 'y' in given && 'state' in given;
}

/** Throws unless the logits of a state are those of so many rows. */
function requireRows(y: Tensor, rows: number, vocabSize: number): void {
  checkArgument('generate', 'state: y', y, tensors);
  if (y.shape.join() === `${rows},${vocabSize}`) return;
  throw new TensorError(
    `generate: state: y is ${describe(y)}, expected [${rows}, ${vocabSize}], the logits of ` +
      `${rows} ${rows === 1 ? 'row' : 'rows'}`,
  );
}

/**
 * Continues prompts of any lengths from 1. Yields one token for each row at a time, or undefined
 * for a row that has ended, until all rows have ended. A loop over it may be left at any time; its
 * `end` is what the next call goes on from.
 */
export function generate(
  model: MambaLM, prompts: Rows, options: GenerateOptions = {},
): Writing<(number | undefined)[]> {
  let reading: Reading | undefined;
  const write = async function* (): AsyncGenerator<(number | undefined)[], void> {
    const { maxTokens, stopTokens, state, ...sampling } =
      readOptions('generate', options, generateOptions);
    const all = new Reading(model, readPrompts(model, prompts, state), prompts.length);
    reading = all;
    const isOpen = prompts.map(() => true);
    const pause = yieldEvery(WORK_TIME);
    for (let count = 1; count <= maxTokens; count++) {
      const next = sample(all.logits, sampling);
      const tokens = Array.from(next.data, (token, row) => {
        isOpen[row] &&= !stopTokens.includes(token);
        if (!isOpen[row]) all.endRow(row);
        return isOpen[row] ? token : undefined;
      });
      if (!isOpen.includes(true)) return;
      all.write(next);
      yield tokens;
      await pause();
    }
  };
  return withEnd(write(), () => {
    if (reading) return reading.end;
    throw new TensorError('generate: the prompts are not read yet; `end` is known after a token');
  });
}

function withEnd<Piece>(
  pieces: AsyncGenerator<Piece, void>, end: () => Moment,
): Writing<Piece> {
  return Object.defineProperty(pieces, 'end', { get: end }) as Writing<Piece>;
}

/** An object with the methods of a tokenizer. */
const tokenizers = objectWith<Tokenizer>('{ encode, decode }', 'encode', 'decode');

/**
 * Continues a text. Yields each piece of new text as soon as no further token can change it. Its
 * `end` is what a later text goes on from, as that of `generate` is.
 */
export function generateText(
  model: MambaLM, tokenizer: Tokenizer, prompt: string, options?: GenerateOptions,
): Writing<string> {
  let written: Writing<(number | undefined)[]> | undefined;
  const write = async function* (): AsyncGenerator<string, void> {
    checkArgument('generateText', 'tokenizer', tokenizer, tokenizers);
    checkArgument('generateText', 'prompt', prompt, string);
    const stream = streamOf(tokenizer);
    written = generate(model, [tokenizer.encode(prompt)], options);
    for await (const [token] of written) {
      const text = token === undefined ? '' : stream.write(token);
      if (text !== '') yield text;
    }
    // The end of the text may be half of a character.
    const rest = stream.end();
    if (rest !== '') yield rest;
  };
  return withEnd(write(), () => {
    if (written) return written.end;
    throw new TensorError('generateText: the prompt is not read yet; `end` is known after a token');
  });
}

const promptLists = listOf(string);

/**
 * Continues several texts at once, and gives the new part of each when all are written. Rows that
 * have met a stop token wait for the others; a prompt must have at least one token. Generates at
 * most `maxTokens` tokens for each, as `generate` does.
 */
export async function generateTexts(
  model: MambaLM, tokenizer: Tokenizer, prompts: readonly string[], options?: GenerateOptions,
): Promise<string[]> {
  checkArgument('generateTexts', 'tokenizer', tokenizer, tokenizers);
  checkArgument('generateTexts', 'prompts', prompts, promptLists);
  const written: number[][] = prompts.map(() => []);
  const read = prompts.map((prompt) => tokenizer.encode(prompt));
  for await (const tokens of generate(model, read, options)) {
    tokens.forEach((token, row) => {
      if (token !== undefined) written[row].push(token);
    });
  }
  return written.map((tokens) => tokenizer.decode(tokens));
}
