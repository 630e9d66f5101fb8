/**
 * Trains a language model on the bytes of a text, a file of yours or this repository's own sources,
 * and then lets it write. To begin with it knows neither words nor letters.
 */
import { byteTokenizer, generateText, MambaLM } from '@mambagrad/mamba';
import {
  AdamW, cosineDecay, crossEntropy, multiplySchedules, Trainer, warmUp,
} from '@mambagrad/nn';
import { integers, manualSeed, type Tensor, tensor } from '@mambagrad/tensor';
import { readdirSync, readFileSync } from 'node:fs';
import { readOptions } from './options.ts';

const options = readOptions(
  'Trains a language model on the bytes of a text, and lets it write.',
  {
    seed: { help: 'where the random numbers start', default: 1, min: 0 },
    steps: { help: 'training steps', default: 1000 },
    batch: { help: 'pieces of text per step', default: 16 },
    length: { help: 'bytes of a piece', default: 128 },
    layers: { help: 'blocks', default: 2 },
    hidden: { help: 'width of the model', default: 64 },
    lr: { help: 'highest learning rate', default: 0.005, min: 0, fraction: true },
    write: { help: 'bytes to write at the end', default: 600 },
    temperature: { help: 'how freely it writes', default: 0.7, min: 0, fraction: true },
  },
  { mamba2: 'take Mamba-2 blocks' },
  { file: 'the text (the sources of this repository)', prompt: 'what to go on from' },
);

/** The sources of all packages, one behind the other. */
function ownSources(): string {
  const packages = new URL('../../packages/', import.meta.url);
  const files = readdirSync(packages, { recursive: true, encoding: 'utf8' });
  const sources = files.filter((file) => /^\w+[/\\]src[/\\].*\.ts$/.test(file)).sort();
  return sources.map((file) => readFileSync(new URL(file, packages), 'utf8')).join('\n');
}

function readText(file: string | undefined): string {
  try {
    return file === undefined ? ownSources() : readFileSync(file, 'utf8');
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
}

const { batch, length, hidden, steps } = options;
const text = readText(options.file);
const bytes = Int32Array.from(byteTokenizer.encode(text));
if (bytes.length <= length) {
  console.error(`the text has ${bytes.length} bytes, expected more than --length ${length}`);
  process.exit(2);
}

manualSeed(options.seed);
const model = new MambaLM({
  vocabSize: 256,
  hiddenSize: hidden,
  numLayers: options.layers,
  stateSize: 16,
  ...(options.mamba2 && { layer: 'mamba2', headDim: hidden }),
});

/** Pieces of the text from anywhere, each with the byte after it: [batch, length + 1]. */
function draw(): Tensor {
  const starts = Array.from(integers([batch], 0, bytes.length - length).data);
  const pieces = starts.map((start) => [...bytes.subarray(start, start + length + 1)]);
  return tensor(pieces, { dtype: 'i32' });
}

console.log(
  `A model of ${model.parameterCount().toLocaleString('en')} parameters learns from ` +
    `${bytes.length.toLocaleString('en')} bytes.`,
);
const trainer = new Trainer({
  model,
  optimizer: new AdamW(model.parameters(), { lr: options.lr }),
  data: draw,
  loss: (pieces: Tensor) => {
    const logits = model.forward(pieces.narrow(1, 0, length));
    const loss = crossEntropy(logits, pieces.narrow(1, 1, length));
    return { loss, 'bits per byte': loss.div(Math.LN2) };
  },
  // Up to the highest rate over the first steps, then down to 0 along a cosine.
  schedule: multiplySchedules(warmUp(50), cosineDecay(steps)),
  maxNorm: 1,
  host: process,
});
await trainer.fit(steps);

const prompt = options.prompt ?? text.slice(0, 40);
process.stdout.write(`\n${prompt}`);
const { write: maxTokens, temperature } = options;
for await (const piece of generateText(model, byteTokenizer, prompt, { maxTokens, temperature })) {
  process.stdout.write(piece);
}
console.log();
