/**
 * Trains a language model on the bytes of a text, a file of yours or this repository's own sources,
 * and lets it write. To begin with it knows neither words nor letters. It is validated on a part of
 * the text that it does not learn from, saved, and can be loaded again to write or to chat:
 *
 *     npm run example writer -- --file PATH                     trains, in runs/writer
 *     npm run example writer -- --file PATH --resume            goes on after an interruption
 *     npm run example writer -- --load runs/writer --chat       writes by turns with you
 *     npm run example writer -- --load runs/writer --prompt …   goes on from there
 */
import { byteTokenizer, generateText, MambaLM } from '@mambagrad/mamba';
import { AdamW, crossEntropy, Trainer } from '@mambagrad/nn';
import { report } from '@mambagrad/nn/node';
import { manualSeed, type Tensor } from '@mambagrad/tensor';
import { keepRun, readRun } from './runs.ts';
import { upAndDown } from './training.ts';
import { chat } from './writer/chat.ts';
import { loadModel, saveModel } from './writer/saved.ts';
import { baselines, drawPieces, heldOutBatches, readText } from './writer/text.ts';

const options = readRun(
  'writer', 'Trains a language model on the bytes of a text, and lets it write.',
  {
    seed: { help: 'where the random numbers start', default: 1, min: 0 },
    steps: { help: 'training steps', default: 1000 },
    batch: { help: 'pieces of text per step', default: 16 },
    length: { help: 'bytes of a piece', default: 128 },
    layers: { help: 'blocks', default: 2 },
    hidden: { help: 'width of the model', default: 64 },
    lr: { help: 'highest learning rate', default: 0.005, min: 0, fraction: true },
    every: { help: 'steps from one validation and sample to the next', default: 250 },
    write: { help: 'bytes to write at the end, or in a turn of --chat', default: 600 },
    temperature: { help: 'how freely it writes', default: 0.7, min: 0, fraction: true },
  },
  { mamba2: 'take Mamba-2 blocks', chat: 'write by turns with the model at the end' },
  {
    file: 'the text (the sources of this repository)', prompt: 'what to go on from',
    load: 'folder of a model to write with, without training',
  },
);
const { batch, length, hidden, steps, temperature, load, folder } = options;

manualSeed(options.seed);
const model = load === undefined ? new MambaLM({
  vocabSize: 256,
  hiddenSize: hidden,
  numLayers: options.layers,
  stateSize: 16,
  ...(options.mamba2 && { layer: 'mamba2', headDim: hidden }),
}) : loadModel(load);

/** Goes on from a prompt, piece by piece. */
const write = (prompt: string, maxTokens: number) =>
  generateText(model, byteTokenizer, prompt, { maxTokens, temperature });

/** The prompt, and how the model goes on from it so far. */
async function sampleOf(prompt: string): Promise<string> {
  let text = prompt;
  for await (const piece of write(prompt, 200)) text += piece;
  return text;
}

/** Trains the model on the text, and compares it with what needs no neural network. */
async function train(): Promise<string> {
  const text = readText(options.file, length);
  const { training, heldOut } = text;
  const prompt = options.prompt ?? text.text.slice(0, 40);
  console.log(
    `A model of ${model.parameterCount().toLocaleString('en')} parameters learns from ` +
      `${training.length.toLocaleString('en')} bytes; ` +
      `${(heldOut.length * heldOut[0].length).toLocaleString('en')} are held out.`,
  );
  const trainer = new Trainer({
    model,
    optimizer: new AdamW(model.parameters(), { lr: options.lr }),
    data: () => drawPieces(text, batch, length),
    loss: (pieces: Tensor) => {
      const last = pieces.shape[1] - 1;
      const logits = model.forward(pieces.narrow(1, 0, last));
      const loss = crossEntropy(logits, pieces.narrow(1, 1, last));
      return { loss, 'bits per byte': loss.div(Math.LN2) };
    },
    validation: { data: heldOutBatches(text, 16), every: options.every, keepBest: true },
    samples: { every: options.every, make: () => sampleOf(prompt) },
    schedule: upAndDown(50),
    maxNorm: 1,
    host: process,
    ...keepRun(options),
  });
  await trainer.fit(steps);
  saveModel(folder, model);
  const { 'bits per byte': bits } = trainer.evaluate(heldOutBatches(text));
  console.log('\nBits per byte of the part that is held out:');
  for (const [name, value] of [...baselines(text), ['this model', bits] as const]) {
    console.log(`  ${name.padEnd(32)}${value.toFixed(2)}`);
  }
  console.log(`\nSaved to ${folder}; --load ${folder} writes with it.`);
  console.log(`Report: ${report(folder)}`);
  return prompt;
}

const start = load === undefined ? await train() : options.prompt ?? '\n';
if (options.chat) {
  const { stdin: input, stdout: output } = process;
  await chat(model, { count: options.write, temperature, input, output });
} else {
  process.stdout.write(`\n${start}`);
  for await (const piece of write(start, options.write)) process.stdout.write(piece);
  console.log();
}
