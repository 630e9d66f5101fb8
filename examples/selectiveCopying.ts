/**
 * Trains a small Mamba on selective copying, the task with which its paper opens: tokens at random
 * places among noise are to be written out in order at the end. Then it shows what was learned, on
 * sequences that it has not seen.
 */
import { MambaLM, selectiveCopying } from '@mambagrad/mamba';
import { AdamW, crossEntropy, Progress } from '@mambagrad/nn';
import { compile, Generator, manualSeed, noGrad, type Tensor } from '@mambagrad/tensor';
import { setImmediate } from 'node:timers/promises';
import { readOptions } from './options.ts';

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
const options = readOptions('Trains a small Mamba to copy selectively.', numbers, {
  eager: 'run line by line rather than compiled',
});
if (options.tokens > options.places) {
  console.error(`--tokens ${options.tokens} do not fit into --places ${options.places}`);
  process.exit(2);
}

manualSeed(options.seed);
const model = new MambaLM({
  vocabSize: options.vocab,
  hiddenSize: options.hidden,
  stateSize: options.state,
  numLayers: options.layers,
});
const optimizer = new AdamW(model.parameters());
const task = { tokens: options.tokens, places: options.places, vocabSize: options.vocab };

/** Logits for the tokens to be written: those at the end of the sequence. */
function answer(inputs: Tensor): Tensor {
  return model.forward(inputs).narrow(1, options.places, options.tokens);
}

/** Up to the highest rate over the first steps, then down to 0 along a cosine. */
function learningRate(step: number): number {
  const warmUp = Math.min(1, step / 150);
  return options.lr * warmUp * 0.5 * (1 + Math.cos((Math.PI * step) / options.steps));
}

function eagerStep(inputs: Tensor, targets: Tensor): { loss: Tensor; logits: Tensor } {
  const logits = answer(inputs);
  const loss = crossEntropy(logits, targets);
  optimizer.minimize(loss, { maxNorm: 1 });
  return { loss, logits };
}
const step = options.eager ? eagerStep : compile(eagerStep);

function trainStep(number: number): { loss: number; accuracy: number } {
  optimizer.lr = learningRate(number);
  const { inputs, targets } = selectiveCopying(options.batch, task);
  const { loss, logits } = step(inputs, targets);
  return { loss: loss.item(), accuracy: accuracyOf(bestTokens(logits), targets) };
}

/** The token with the largest logit at each position, i32 [batch, tokens] as plain numbers. */
function bestTokens(logits: Tensor): number[] {
  const { data } = logits;
  return Array.from({ length: logits.numel / options.vocab }, (_, position) => {
    const scores = data.subarray(position * options.vocab, (position + 1) * options.vocab);
    return scores.indexOf(Math.max(...scores));
  });
}

function accuracyOf(predicted: readonly number[], targets: Tensor): number {
  return predicted.filter((token, i) => token === targets.data[i]).length / predicted.length;
}

let isStopped = false;
process.once('SIGINT', () => {
  isStopped = true;
});

console.log(
  `A Mamba of ${model.parameterCount().toLocaleString('en')} parameters learns to copy ` +
    `${options.tokens} tokens from among ${options.places} places.`,
);
const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;
const tokensPerStep = options.batch * (options.places + options.tokens);
const progress = new Progress({ total: options.steps, output: process.stdout });
const start = performance.now();
let done = 0;
let smooth = { loss: NaN, accuracy: NaN };
while (done < options.steps && !isStopped) {
  done += 1;
  const { loss, accuracy } = trainStep(done);
  const mix = (before: number, now: number) => (done === 1 ? now : 0.9 * before + 0.1 * now);
  smooth = { loss: mix(smooth.loss, loss), accuracy: mix(smooth.accuracy, accuracy) };
  const rate = (1000 * done * tokensPerStep) / (performance.now() - start);
  progress.update(done, {
    loss: smooth.loss.toFixed(3),
    accuracy: percent(smooth.accuracy),
    'tokens/s': Math.round(rate).toLocaleString('en'),
  });
  // Without this pause, signals would not be heard.
  await setImmediate();
}
progress.end();
if (isStopped) console.log(`Stopped after ${done} steps.`);

const fresh = selectiveCopying(256, { ...task, generator: new Generator(options.seed + 1) });
const predicted = bestTokens(noGrad(() => answer(fresh.inputs)));
console.log(`Accuracy on 256 fresh sequences: ${percent(accuracyOf(predicted, fresh.targets))}\n`);

/** Noise as dots, the sign to write as a question mark, tokens as letters. */
function spell(tokens: ArrayLike<number>): string {
  const sign = (token: number): string =>
    token === 0 ? '·' : token === options.vocab - 1 ? '?' : String.fromCodePoint(64 + token);
  return Array.from(tokens, sign).join('');
}
for (let row = 0; row < 5; row++) {
  const part = (of: ArrayLike<number>, width: number) =>
    spell(Array.from({ length: width }, (_, i) => of[row * width + i]));
  const input = part(fresh.inputs.data, options.places + options.tokens);
  const expected = part(fresh.targets.data, options.tokens);
  console.log(`input ${input}  expected ${expected}  predicted ${part(predicted, options.tokens)}`);
}
