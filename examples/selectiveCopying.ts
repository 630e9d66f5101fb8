/**
 * Trains a small Mamba on selective copying, the task with which its paper opens: tokens at random
 * places among noise are to be written out in order at the end. Then it shows what was learned, on
 * sequences that it has not seen. The sizes of the paper take some ten minutes:
 *
 *     npm start -- --tokens 16 --places 4096 --vocab 16 --hidden 64 --state 16 --layers 2 \
 *       --batch 4 --steps 6000 --lr 0.003 --grow
 */
import { MambaLM, selectiveCopying, type SelectiveCopyingBatch } from '@mambagrad/mamba';
import { AdamW, Trainer } from '@mambagrad/nn';
import { Generator, manualSeed, noGrad, type Tensor, TensorError } from '@mambagrad/tensor';
import { appendFileSync } from 'node:fs';
import { readOptions } from './options.ts';
import { keepRun, optionsBefore } from './runs.ts';
import { sizesAt } from './selectiveCopying/curriculum.ts';
import { holdThenFall, judge, percent } from './training.ts';

const numbers = {
  seed: { help: 'where the random numbers start', default: 1, min: 0 },
  steps: { help: 'training steps', default: 2000 },
  batch: { help: 'sequences per step', default: 16 },
  tokens: { help: 'tokens to remember', default: 4 },
  places: { help: 'places among which they stand', default: 24 },
  vocab: { help: 'different tokens, noise and sign included', default: 8, min: 3 },
  hidden: { help: 'width of the model', default: 32 },
  state: { help: 'numbers that each channel remembers', default: 8 },
  layers: { help: 'Mamba blocks', default: 1 },
  lr: { help: 'highest learning rate', default: 0.01, min: 0, fraction: true },
};
const flags = {
  grow: 'begin with few tokens and places, and double the places up to all of them',
  eager: 'run line by line rather than compiled',
  resume: 'go on from the latest checkpoint, if there is one',
};
const paths = {
  checkpoint: 'folder in which to keep checkpoints',
  log: 'file to add a line of JSON to for each step',
};
const about = 'Trains a small Mamba to copy selectively.';
const options = readOptions(about, numbers, flags, paths, optionsBefore);
const { checkpoint, log } = options;
if (options.tokens > options.places) {
  fail(`--tokens ${options.tokens} do not fit into --places ${options.places}`);
}
if (options.resume && !checkpoint) fail('--resume takes --checkpoint as well');

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

manualSeed(options.seed);
const model = new MambaLM({
  vocabSize: options.vocab,
  hiddenSize: options.hidden,
  stateSize: options.state,
  numLayers: options.layers,
});
const task = { tokens: options.tokens, places: options.places, vocabSize: options.vocab };

/** Logits for the `tokens` to be written: those at the end of the sequence. */
function answer(inputs: Tensor, tokens: number): Tensor {
  return model.forward(inputs).narrow(1, inputs.shape[1] - tokens, tokens);
}

/** A batch for the next step. With `grow` the task is easier at first. */
function draw(): SelectiveCopyingBatch {
  if (!options.grow) return selectiveCopying(options.batch, task);
  const { count, ...sizes } = sizesAt(trainer.step / options.steps, task, options.batch);
  return selectiveCopying(count, { ...task, ...sizes });
}

const trainer: Trainer<SelectiveCopyingBatch> = new Trainer({
  model,
  // β₂ is below its default, as gradients change in size each time the task becomes harder.
  optimizer: new AdamW(model.parameters(), { lr: options.lr, betas: [0.9, 0.95] }),
  data: draw,
  loss: ({ inputs, targets }) => judge(answer(inputs, targets.shape[1]), targets),
  schedule: holdThenFall(options.steps, 0.7),
  maxNorm: 1,
  compile: options.eager ? false : {},
  ...(checkpoint && keepRun({ ...options, folder: checkpoint })),
  ...(log && { log: { write: (line) => appendFileSync(log, line) } }),
  host: process,
});

console.log(
  `A Mamba of ${model.parameterCount().toLocaleString('en')} parameters learns to copy ` +
    `${options.tokens} tokens from among ${options.places} places.`,
);
try {
  const reason = await trainer.fit(options.steps);
  if (reason === 'stopped') console.log(`Stopped after ${trainer.step} steps.`);
} catch (error) {
  if (!(error instanceof TensorError)) throw error;
  fail(error.message);
}

const fresh = selectiveCopying(256, { ...task, generator: new Generator(options.seed + 1) });
const { accuracy } = trainer.evaluate([fresh]);
console.log(`Accuracy on 256 fresh sequences: ${percent(accuracy)}\n`);

/** A row that is longer than this is shown without its long stretches of noise. */
const WIDEST = 100;

/** Noise as dots, or the length of much noise; the sign to write as ?, tokens as letters. */
function spell(tokens: ArrayLike<number>): string {
  const sign = (token: number): string =>
    token === 0 ? '·' : token === options.vocab - 1 ? '?' : String.fromCodePoint(64 + token);
  const signs = Array.from(tokens, sign).join('');
  return tokens.length <= WIDEST ? signs : signs.replaceAll(/·{4,}/g, (run) => `·${run.length}·`);
}
const predicted = noGrad(() => answer(fresh.inputs, options.tokens)).argmax(-1).data;
for (let row = 0; row < 5; row++) {
  const part = (of: ArrayLike<number>, width: number) =>
    spell(Array.from({ length: width }, (_, i) => of[row * width + i]));
  const input = part(fresh.inputs.data, options.places + options.tokens);
  const expected = part(fresh.targets.data, options.tokens);
  console.log(`input ${input}  expected ${expected}  predicted ${part(predicted, options.tokens)}`);
}
