/**
 * Programs that run in browsers, in Node, in Bun and in Deno, and give results that are compared:
 * training, generation, data, files. Each takes and gives what JSON can say, and starts from a
 * seed, so that it does not matter what ran before it.
 */
import {
  AdamW, characterTokenizer, compile, crossEntropy, DataLoader, encodeSafetensors, generateText,
  manualSeed, MambaLM, normal, parseCsv, parseSafetensors, selectiveCopying, type Tensor, tensor,
  uniform,
} from 'mambagrad';
import { yieldEvery } from '@mambagrad/tensor/host';
import { bitsByName, bitsOf } from './bits.ts';

/** How `train` trains. */
export interface Training {
  /** Whether to run line by line. Default false. */
  readonly eager?: boolean;
  /** Default 'wasm'. */
  readonly backend?: 'wasm' | 'js';
  /** Whether to do without fused multiply-add. Default true. */
  readonly deterministic?: boolean;
  /** Default 1. */
  readonly threads?: number;
  /** Default 'mamba'. */
  readonly layer?: 'mamba' | 'mamba2' | 'mamba3';
  /** Default 20. */
  readonly steps?: number;
  /** Whether the event loop has its turn after each step, as it has in long runs. Default false. */
  readonly yields?: boolean;
}

const sizes = { vocabSize: 8, hiddenSize: 16, stateSize: 8, numLayers: 1 };

/** A model, and training steps on selective copying: each call does one, and gives the loss. */
function makeTraining({ layer = 'mamba', eager = false, ...given }: Training) {
  const { backend = 'wasm', deterministic = true, threads = 1 } = given;
  manualSeed(3);
  const model = new MambaLM({ ...sizes, layer, ...(layer !== 'mamba' && { headDim: 8 }) });
  const optimizer = new AdamW(model.parameters(), { lr: 3e-3 });
  const step = (inputs: Tensor, targets: Tensor): Tensor => {
    const [length, asked] = [inputs, targets].map(({ shape }) => shape[1]);
    const logits = model.forward(inputs).narrow(1, length - asked, asked);
    const loss = crossEntropy(logits, targets);
    optimizer.minimize(loss);
    return loss;
  };
  const run = eager ? step : compile(step, { backend, deterministic, threads });
  const next = (): Tensor => {
    const { inputs, targets } = selectiveCopying(4, { tokens: 4, places: 24 });
    return run(inputs, targets);
  };
  return { model, next };
}

/** The losses of some steps, and the bits of all that was trained. */
async function train(how: Training) {
  const { model, next } = makeTraining(how);
  const pause = yieldEvery(how.yields === true ? 0 : Infinity);
  const losses: number[] = [];
  for (let left = how.steps ?? 20; left > 0; left--) {
    losses.push(next().item());
    await pause();
  }
  return { losses, weights: bitsByName(model.stateDict()) };
}

const verse = 'row, row, row your boat, gently down the stream\n';

/** What a model writes that has learnt a verse by heart, greedily and by chance. */
async function generate(): Promise<string[]> {
  const tokenizer = characterTokenizer([verse]);
  manualSeed(5);
  const model = new MambaLM({ ...sizes, hiddenSize: 32, vocabSize: tokenizer.vocabSize });
  const optimizer = new AdamW(model.parameters(), { lr: 1e-2 });
  const tokens = tensor([tokenizer.encode(verse.repeat(2))], { dtype: 'i32' });
  const [inputs, targets] = [0, 1].map((start) => tokens.narrow(1, start, tokens.shape[1] - 1));
  const step = compile((x: Tensor, y: Tensor) => {
    const loss = crossEntropy(model.forward(x), y);
    optimizer.minimize(loss);
    return loss;
  }, { deterministic: true, threads: 1 });
  for (let i = 0; i < 60; i++) step(inputs, targets);
  const texts: string[] = [];
  for (const temperature of [0, 3]) {
    let text = '';
    const options = { temperature, maxTokens: 40 };
    for await (const piece of generateText(model, tokenizer, 'row', options)) text += piece;
    texts.push(text);
  }
  return texts;
}

/** Batches of a table in random order, and random numbers: all bits are those of the seed. */
function load() {
  const csv = Array.from({ length: 23 }, (_, i) => `${i},${i / 8},"row ${i}"`).join('\n');
  const types = { id: 'integer', x: 'number', name: 'string' } as const;
  const loader = new DataLoader(parseCsv(`id,x,name\n${csv}\n`, { types }), {
    batchSize: 5, shuffle: true, seed: 11,
    collate: (rows) => tensor(rows.map(({ id, x, name }) => [id, x, name.length])),
  });
  manualSeed(2);
  // Few numbers are made by loops, and many by a kernel.
  return {
    batches: Array.from(loader, bitsOf), few: bitsOf(uniform([100])),
    many: bitsOf(uniform([300_000])),
    mean: normal([300_000]).mean().item(),
  };
}

/** Saves a model as bytes and loads them into another one; `bytes` may come from elsewhere. */
function save({ bytes }: { readonly bytes?: readonly number[] }) {
  const { model, next } = makeTraining({});
  next();
  const saved = encodeSafetensors(model.stateDict());
  const { model: other } = makeTraining({});
  const reader = parseSafetensors(bytes === undefined ? saved : Uint8Array.from(bytes));
  other.loadStateDict(reader.readAll());
  return {
    bytes: Array.from(saved), weights: bitsByName(model.stateDict()),
    loaded: bitsByName(other.stateDict()),
  };
}

const programs: Readonly<Record<string, (options: object) => unknown>> = {
  train, generate, load, save,
};

/** Runs a program by its name. */
export async function runProgram(name: string, options: object = {}): Promise<unknown> {
  return programs[name](options);
}
