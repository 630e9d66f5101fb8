/**
 * The induction heads of the Mamba paper (section 4.1.2): trained on 256 tokens at a time, in the
 * end with states carried on from window to window, and tested on up to 2²⁴, in constant memory.
 * Then it shows why the model reaches that far: its step sizes Δ are about 1 at the token to be
 * remembered, and so small at all others that nothing is forgotten.
 */
import { inductionHeads } from '@mambagrad/mamba';
import { type StateDict, Trainer } from '@mambagrad/nn';
import { manualSeed, setThreads, TensorError } from '@mambagrad/tensor';
import { writeFileSync } from 'node:fs';
import { bar } from './drawing/terminal.ts';
import { countAt, lookAt, type Score, scoreAt } from './induction/measures.ts';
import { drawPage } from './induction/page.ts';
import {
  createModel, createOptimizer, createSchedule, finishStep, isOfStreams, isWorthKeeping, LENGTH,
  lossOf, prepareStep, sizesAt,
} from './induction/recipe.ts';
import { Streams, type Windows } from './induction/streams.ts';
import { readOptions } from './options.ts';
import { keepRun, optionsBefore } from './runs.ts';
import { percent } from './training.ts';

const options = readOptions(
  'Trains on induction heads, 256 tokens at a time, and tests at lengths up to a million ' +
    'and beyond.',
  {
    seed: { help: 'where the random numbers start', default: 1, min: 0 },
    steps: { help: 'training steps', default: 3000 },
    batch: { help: 'sequences of 256 per step', default: 8 },
    vocab: { help: 'different tokens, the special one included', default: 16, min: 2 },
    hidden: { help: 'width of the model', default: 64 },
    state: { help: 'numbers that each channel remembers', default: 16 },
    lr: { help: 'highest learning rate', default: 0.001, min: 0, fraction: true },
    longest: { help: 'test up to 2 to the power of this, 4 times more each', default: 20, min: 6 },
    threads: { help: 'threads to use; 0 for as many as there are cores', default: 0, min: 0 },
  },
  { resume: 'go on from the latest checkpoint, if there is one' },
  { checkpoint: 'folder in which to keep checkpoints', svg: 'file to draw to' },
  optionsBefore,
);
const { seed, steps, batch, vocab, longest, checkpoint } = options;
if (options.resume && !checkpoint) fail('--resume takes --checkpoint as well');
if (options.threads > 0) setThreads(options.threads);

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

// Training

manualSeed(seed);
const model = createModel(vocab, options.hidden, options.state);

/** The model with the lowest loss at a length that it is not trained at, among the last ones. */
let best: { readonly loss: number; readonly step: number; readonly state: StateDict } | undefined;
const VALIDATION_LENGTH = 16384;
const VALIDATE_EVERY = 100;

function keepIfBest(step: number): void {
  if (!isWorthKeeping(step, steps) || (step % VALIDATE_EVERY > 0 && step < steps)) return;
  const { loss } = scoreAt(model, VALIDATION_LENGTH, 16, seed + 1);
  if (best === undefined || loss <= best.loss) best = { loss, step, state: model.stateDict() };
}

const streams = new Streams(model, batch, LENGTH, vocab);

const trainer: Trainer<Windows> = new Trainer({
  model,
  optimizer: createOptimizer(model, options.lr),
  data: (): Windows => {
    prepareStep(model, trainer.step, steps);
    if (isOfStreams(trainer.step, steps)) return streams.next();
    const { count, length } = sizesAt(trainer.step, steps, batch);
    return inductionHeads(count, { length, vocabSize: vocab });
  },
  loss: ({ inputs, targets, state }) => {
    // The last layer runs in full, but only its last step is projected back and judged.
    const { y } = model.scan(inputs, { state }, true);
    const accuracy = y.argmax(-1).equal(targets).cast('f32').mean();
    return { loss: lossOf(y, targets), accuracy };
  },
  schedule: createSchedule(steps),
  maxNorm: 1,
  ...(checkpoint && keepRun({ ...options, folder: checkpoint })),
  callbacks: [
    ({ step }) => finishStep(model, step, steps),
    ({ step }) => keepIfBest(step),
  ],
  host: process,
});

console.log(
  `A Mamba of ${model.parameterCount().toLocaleString('en')} parameters learns induction heads.`,
);
const start = performance.now();
try {
  if (await trainer.fit(steps) === 'stopped') {
    console.log(`Stopped after ${trainer.step} steps.`);
    process.exit();
  }
} catch (error) {
  if (!(error instanceof TensorError)) throw error;
  fail(error.message);
}
console.log(`Trained in ${((performance.now() - start) / 1000).toFixed(0)} s.`);
if (best) {
  model.loadStateDict(best.state);
  console.log(
    `Of the last models that of step ${best.step} is kept: its loss at ${VALIDATION_LENGTH} ` +
      `tokens is ${best.loss.toExponential(1)}.`,
  );
}

// Testing

console.log('\n    length  sequences  accuracy        loss   memory');
const scores: Score[] = [];
for (let exponent = 6; exponent <= longest; exponent += 2) {
  const score = scoreAt(model, 2 ** exponent, countAt(exponent), seed + 2);
  scores.push(score);
  const share = score.right / score.count;
  console.log(
    `${String(score.length).padStart(10)}  ${String(score.count).padStart(9)}  ` +
      `${percent(share).padStart(8)}  ${score.loss.toExponential(1).padStart(10)}  ` +
      `${(process.memoryUsage.rss() / 2 ** 20).toFixed(0).padStart(4)} MB  ${bar(share, 20)}`,
  );
}

// Why it reaches so far

const { channels, place } = lookAt(model, seed + 3, 4);
console.log(`
The channels of each layer that open most. A state keeps exp(Δ A) of itself at each step; float32
has no number between 1 and 1 − 6e-8, so below a Δ A of 3e-8 nothing is forgotten at all.

layer  channel  Δ at the token  Δ at noise  half-life in steps  left after 2^20  kept whole`);
for (const { layer, channel, atToken, atNoise, halfLife, kept } of channels.flat()) {
  console.log(
    `${String(layer + 1).padStart(5)}  ${String(channel).padStart(7)}  ` +
      `${atToken.toPrecision(3).padStart(14)}  ${atNoise.toExponential(1).padStart(10)}  ` +
      `${halfLife.toExponential(1).padStart(18)}  ` +
      `${percent(2 ** -(2 ** 20 / halfLife)).padStart(15)}  ${percent(kept).padStart(10)}`,
  );
}
if (options.svg) {
  writeFileSync(options.svg, drawPage(scores, channels, place));
  console.log(`\nDrawn to ${options.svg}`);
}
