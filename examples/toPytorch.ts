/**
 * There and back: a language model begins here, goes on in PyTorch, and comes back.
 *
 *     npm run example toPytorch                     trains, saves a folder, trains on
 *     python examples/python/continue_training.py   goes on from the folder, on the same batches
 *     npm run example toPytorch -- --back           goes on from what Python has saved
 *
 * Whoever takes a step writes down its loss, and at the end they stand side by side.
 */
import {
  byteTokenizer, loadLanguageModel, loadOptimizerState, MambaLM, saveLanguageModel,
  saveOptimizerState,
} from '@mambagrad/mamba';
import { AdamW, crossEntropy } from '@mambagrad/nn';
import { loadSafetensors, saveSafetensors } from '@mambagrad/nn/node';
import { compile, integers, manualSeed, type Tensor, tensor } from '@mambagrad/tensor';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readOptions } from './options.ts';

const options = readOptions(
  'Trains a language model that goes on in PyTorch, and comes back.',
  {
    seed: { help: 'where the random numbers start', default: 1, min: 0 },
    steps: { help: 'training steps before PyTorch', default: 200 },
    compare: { help: 'steps in PyTorch, and again after it', default: 10 },
    batch: { help: 'pieces of text per step', default: 8 },
    length: { help: 'bytes of a piece', default: 64 },
    layers: { help: 'blocks', default: 2 },
    hidden: { help: 'width of the model', default: 64 },
    state: { help: 'size of the state', default: 16 },
    lr: { help: 'learning rate', default: 0.003, min: 0, fraction: true },
  },
  { mamba2: 'take Mamba-2 blocks', back: 'go on from what Python has saved' },
  { file: 'the text to learn from (README.md)', folder: 'where all is kept (runs/toPytorch)' },
);
const folder = options.folder ?? 'runs/toPytorch';
/** The options of AdamW, and of clipping; PyTorch is given the same. */
const settings = { lr: options.lr, betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1 } as const;
const maxNorm = 1;

/** The step of training: tokens [batch, length + 1] give the loss before the update. */
function stepOf(model: MambaLM, optimizer: AdamW): (tokens: Tensor) => Tensor {
  return compile((tokens: Tensor) => {
    const length = tokens.shape[1] - 1;
    const logits = model.forward(tokens.narrow(1, 0, length));
    const loss = crossEntropy(logits, tokens.narrow(1, 1, length));
    optimizer.minimize(loss, { maxNorm });
    return loss;
  });
}

/** Saves a model and its optimizer as a folder that transformers reads. */
function saveFolder(path: string, model: MambaLM, optimizer: AdamW): void {
  mkdirSync(path, { recursive: true });
  const { config, tensors } = saveLanguageModel(model);
  writeFileSync(join(path, 'config.json'), config);
  // Versions of transformers before 5 refuse a file without this entry.
  const metadata = new Map([['format', 'pt']]);
  saveSafetensors(join(path, 'model.safetensors'), tensors, { metadata });
  saveSafetensors(join(path, 'optimizer.safetensors'), saveOptimizerState(model, optimizer));
}

function loadFolder(path: string): { model: MambaLM; optimizer: AdamW } {
  const config = readFileSync(join(path, 'config.json'), 'utf8');
  const model = loadLanguageModel(config, loadSafetensors(join(path, 'model.safetensors')));
  const optimizer = new AdamW(model.parameters(), settings);
  loadOptimizerState(model, optimizer, loadSafetensors(join(path, 'optimizer.safetensors')));
  return { model, optimizer };
}

/** Trains, saves, and trains on: the losses to compare with. */
function begin(): void {
  manualSeed(options.seed);
  const { batch, length, compare } = options;
  const text = readFileSync(options.file ?? 'README.md', 'utf8');
  const bytes = byteTokenizer.encode(text);
  const draw = (): Tensor => {
    const starts = [...integers([batch], 0, bytes.length - length).data];
    return tensor(starts.map((i) => bytes.slice(i, i + length + 1)), { dtype: 'i32' });
  };
  const model = new MambaLM({
    vocabSize: 256,
    hiddenSize: options.hidden,
    numLayers: options.layers,
    stateSize: options.state,
    ...(options.mamba2 && { layer: 'mamba2', headDim: options.hidden }),
  });
  const optimizer = new AdamW(model.parameters(), settings);
  const step = stepOf(model, optimizer);
  for (let i = 0; i < options.steps; i++) step(draw());

  saveFolder(join(folder, 'start'), model, optimizer);
  const batches = Array.from({ length: 2 * compare }, draw);
  const losses = batches.map((tokens) => step(tokens).item());
  const named = new Map(batches.map((tokens, i) => [`batch.${i}`, tokens]));
  saveSafetensors(join(folder, 'batches.safetensors'), named);
  const noDecay = model.namedParameters()
    .flatMap(([, { noWeightDecay }], i) => (noWeightDecay ? [i] : []));
  const names = [...saveLanguageModel(model).tensors.keys()];
  const run = {
    ...settings, maxNorm, compare, losses, noWeightDecay: noDecay.map((i) => names[i]),
  };
  writeFileSync(join(folder, 'run.json'), JSON.stringify(run, undefined, 2));
  console.log(`${options.steps} steps here; the loss of the next is ${losses[0].toFixed(4)}.`);
  console.log(`Now run: python examples/python/continue_training.py ${folder}`);
}

/** Goes on from PyTorch's folder, and compares. */
function comeBack(): void {
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as unknown;
  const { losses } = read('run.json') as { losses: number[] };
  const theirs = read('pytorch/losses.json') as number[];
  const batches = loadSafetensors(join(folder, 'batches.safetensors'));
  const { model, optimizer } = loadFolder(join(folder, 'pytorch'));
  const step = stepOf(model, optimizer);
  for (let i = theirs.length; i < losses.length; i++) {
    const tokens = batches.get(`batch.${i}`);
    if (tokens) theirs.push(step(tokens).item());
  }
  const half = losses.length / 2;
  console.log('step   only here   by PyTorch   difference');
  losses.forEach((loss, i) => {
    if (i === half) console.log('step   only here   after PyTorch   difference');
    const other = theirs[i].toFixed(6).padStart(i < half ? 13 : 16);
    const difference = Math.abs(loss - theirs[i]).toExponential(1).padStart(13);
    console.log(`${String(i + 1).padStart(4)}${loss.toFixed(6).padStart(12)}${other}${difference}`);
  });
  const largest = Math.max(...losses.map((loss, i) => Math.abs(loss - theirs[i])));
  console.log(`The largest difference is ${largest.toExponential(1)}.`);
}

if (options.back) comeBack();
else begin();
