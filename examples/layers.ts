/**
 * Trains one layer of each kind in examples/layers, and of others for comparison, on two small
 * tasks at once: selective copying, where tokens among noise are to be kept in order, and
 * associative recall, where values are to be found by their keys. Then it shows how well each did,
 * how many numbers it remembered the sequence with, and how long a training step took.
 */
import {
  associativeRecall, DepthwiseConv1d, Mamba2Block, Mamba3Block, MambaBlock, selectiveCopying,
} from '@mambagrad/mamba';
import {
  AdamW, cosineDecay, crossEntropy, Embedding, GRU, Linear, Module, multiplySchedules, Progress,
  RMSNorm, warmUp,
} from '@mambagrad/nn';
import {
  compile, concat, full, Generator, manualSeed, noGrad, type Tensor, zeros,
} from '@mambagrad/tensor';
import { DeltaNet } from './layers/deltaNet.ts';
import { GatedLinearAttention } from './layers/gatedLinearAttention.ts';
import { LRU } from './layers/lru.ts';
import { MinGRU } from './layers/minGRU.ts';
import { RetNet } from './layers/retNet.ts';
import { S5 } from './layers/s5.ts';
import { readOptions } from './options.ts';
import { percent } from './training.ts';

const options = readOptions(
  'Trains layers of many kinds on two small tasks, and compares them.',
  {
    seed: { help: 'where the random numbers start', default: 1, min: 0 },
    steps: { help: 'training steps for each layer', default: 500 },
    batch: { help: 'sequences of each task per step', default: 16 },
    hidden: { help: 'width of the models, an even number', default: 32, min: 2 },
    lr: { help: 'highest learning rate', default: 0.01, min: 0, fraction: true },
  },
  {},
  { only: 'the name of a layer, to train it alone' },
);
const { hidden: hiddenSize, batch, steps } = options;
if (hiddenSize % 2 !== 0) fail(`--hidden takes an even number, not '${hiddenSize}'`);

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

/** A layer of [batch, length, hidden] to the same shape, with a state to go on from. */
interface Layer extends Module {
  forward(x: Tensor): Tensor;
  initialState(batch: number): Readonly<Record<string, Tensor>>;
}

/** A GRU of the nn package in this form. */
class GRULayer extends Module implements Layer {
  readonly gru = new GRU(hiddenSize, hiddenSize, { batchFirst: true });

  forward(x: Tensor): Tensor {
    return this.gru.forward(x).output;
  }

  initialState(rows: number) {
    return { h: zeros([rows, hiddenSize]) };
  }
}

const sizes = { hiddenSize, numHeads: 2, stateSize: 16 };
const blockSizes = { hiddenSize, stateSize: 16, expandFactor: 1 };
const headSizes = { ...blockSizes, headDim: hiddenSize / 2 };
const layers: Readonly<Record<string, () => Layer>> = {
  GRU: () => new GRULayer(),
  minGRU: () => new MinGRU({ hiddenSize, stateSize: 2 * hiddenSize }),
  LRU: () => new LRU({ hiddenSize, stateSize: hiddenSize }),
  S5: () => new S5({ hiddenSize, stateSize: hiddenSize }),
  RetNet: () => new RetNet(sizes),
  GLA: () => new GatedLinearAttention(sizes),
  DeltaNet: () => new DeltaNet(sizes),
  'gated DeltaNet': () => new DeltaNet({ ...sizes, gated: true }),
  Mamba: () => new MambaBlock(blockSizes),
  'Mamba-2': () => new Mamba2Block(headSizes),
  'Mamba-3': () => new Mamba3Block(headSizes),
};

/** Both tasks have sequences of this many steps, and this many answers in each. */
const [LENGTH, ANSWERS] = [16, 4];
/** The tokens of recall: noise, 8 keys and 8 values; those of copying are numbered after them. */
const RECALL_TOKENS = 17;
const COPYING_TOKENS = 8;
/** The sequences of each task that a trained model is tried on. */
const FRESH = 128;

/** `count` sequences of copying, then as many of recall: i32 [2 · count, LENGTH] */
function draw(count: number, generator?: Generator): { inputs: Tensor; targets: Tensor } {
  const places = LENGTH - ANSWERS;
  const copying = selectiveCopying(count, {
    tokens: ANSWERS, places, vocabSize: COPYING_TOKENS, generator,
  });
  const recall = associativeRecall(count, {
    pairs: ANSWERS, places: LENGTH - 2 * ANSWERS, vocabSize: RECALL_TOKENS, generator,
  });
  // Where nothing is asked the target is −100.
  const silence = full([count, places], -100, { dtype: 'i32' });
  const written = concat([silence, copying.targets.add(RECALL_TOKENS)], 1);
  return {
    inputs: concat([copying.inputs.add(RECALL_TOKENS), recall.inputs]),
    targets: concat([written, recall.targets]),
  };
}

/** The share of the answers that are right, of each task: [2] */
function accuracies(logits: Tensor, targets: Tensor): Tensor {
  const right = logits.argmax(-1).equal(targets).cast('f32').reshape([2, -1]);
  return right.sum(1).mul(2 / (targets.shape[0] * ANSWERS));
}

/**
 * A model with one layer. A convolution over three steps stands before it, as in Mamba: so a layer
 * can write a value under the key one step before it.
 */
class Model extends Module {
  readonly embedding = new Embedding(RECALL_TOKENS + COPYING_TOKENS, hiddenSize);
  readonly norm = new RMSNorm(hiddenSize);
  readonly conv = new DepthwiseConv1d(hiddenSize, 3);
  readonly layer: Layer;
  readonly lastNorm = new RMSNorm(hiddenSize);
  readonly head = new Linear(hiddenSize, RECALL_TOKENS + COPYING_TOKENS);

  constructor(layer: Layer) {
    super();
    this.layer = layer;
  }

  forward(tokens: Tensor): Tensor {
    const x = this.embedding.forward(tokens);
    const y = this.layer.forward(this.conv.forward(this.norm.forward(x)).silu());
    return this.head.forward(this.lastNorm.forward(x.add(y)));
  }
}

/** Trains a model, and gives the time of its fastest step in milliseconds. */
function train(model: Model, afterStep: (loss: number) => void): number {
  const optimizer = new AdamW(model.parameters(), { lr: options.lr });
  const schedule = multiplySchedules(warmUp(50), cosineDecay(steps));
  const step = compile(({ inputs, targets }: ReturnType<typeof draw>) => {
    const loss = crossEntropy(model.forward(inputs), targets);
    optimizer.minimize(loss, { maxNorm: 1 });
    return loss;
  });
  let fastest = Infinity;
  for (let i = 0; i < steps; i++) {
    optimizer.lr = options.lr * schedule(i);
    const sequences = draw(batch);
    const start = performance.now();
    const loss = step(sequences);
    fastest = Math.min(fastest, performance.now() - start);
    afterStep(loss.item());
  }
  return fastest;
}

const names = Object.keys(layers).filter((name) => (options.only ?? name) === name);
if (names.length === 0) {
  fail(`--only takes one of ${Object.keys(layers).join(', ')}, not '${options.only}'`);
}
const progress = new Progress({ total: names.length * steps, output: process.stdout });
let done = 0;
const rows = names.map((name) => {
  manualSeed(options.seed);
  const model = new Model(layers[name]());
  const time = train(model, (loss) => progress.update(++done, { layer: name, loss }));
  const { inputs, targets } = draw(FRESH, new Generator(options.seed + 1));
  const found = noGrad(() => accuracies(model.forward(inputs), targets)).data;
  const state = Object.values(model.layer.initialState(1)).reduce((sum, x) => sum + x.numel, 0);
  const numbers = [model.parameterCount(), state].map((count) => count.toLocaleString('en'));
  return [name, ...numbers, time.toFixed(1), ...Array.from(found, percent)];
});
progress.end();

console.log(`\nAccuracy on ${FRESH} fresh sequences of each task (by chance 16.7 % and 12.5 %):\n`);
const heading = ['layer', 'parameters', 'state', 'ms a step', 'copying', 'recall'];
for (const [name, ...cells] of [heading, ...rows]) {
  console.log(name.padEnd(14) + cells.map((cell) => cell.padStart(11)).join(''));
}
