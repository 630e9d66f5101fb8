/**
 * Layers, losses, optimizers and models: results, gradients, training steps, and what they write.
 */
import {
  BiMamba, generate, Mamba, Mamba2, Mamba3, MambaBlock, MambaLM, MambaND, sample,
} from '@mambagrad/mamba';
import {
  Adam, AdamW, binaryCrossEntropyWithLogits, Conv1d, causalConv1d, crossEntropy, Dropout, Embedding,
  GatedFeedForward, layerNorm, LayerNorm, Linear, type Module, mseLoss, Optimizer, RMSNorm, rmsNorm,
  SGD,
} from '@mambagrad/nn';
import { compile, grad, manualSeed, type Tensor } from '@mambagrad/tensor';
import { type Case, floats, inAllWays, indices } from './cases.ts';

const ways = {
  eager: undefined,
  wasm: { deterministic: true },
  js: { deterministic: true, backend: 'js' },
} as const;

/** The function as it is, or compiled. */
function inWay<Args extends unknown[], Result>(
  way: keyof typeof ways, f: (...args: Args) => Result,
): (...args: Args) => Result {
  const options = ways[way];
  return options ? compile(f, options) : f;
}

const stateOf = (...parts: readonly (Module | Optimizer)[]) =>
  parts.map((part) => part.stateDict());

function* losses(): Iterable<Case> {
  const [logits, targets] = [floats([13, 70]), indices([13], 70)];
  for (const reduction of ['mean', 'sum', 'none'] as const) {
    yield* inAllWays(`crossEntropy ${reduction}`, (x, t) =>
      crossEntropy(x, t, { reduction, labelSmoothing: 0.1, ignoreIndex: 3 }), [logits, targets]);
    yield* inAllWays(`mseLoss ${reduction}`, (x, y) => mseLoss(x, y, { reduction }),
      [logits, floats([13, 70], -1, 1, 7)]);
    yield* inAllWays(`binaryCrossEntropyWithLogits ${reduction}`, (x, t) =>
      binaryCrossEntropyWithLogits(x, t.cast(x.dtype), { reduction }),
      [logits, indices([13, 70], 2)]);
  }
  yield* inAllWays('rmsNorm', (x, w) => rmsNorm(x, w), [logits, floats([70])]);
  yield* inAllWays('layerNorm', (x, w, b) => layerNorm(x, w, b),
    [logits, floats([70]), floats([70], -1, 1, 3)]);
  yield* inAllWays('causalConv1d', (x, w, b) => causalConv1d(x, w, b),
    [floats([3, 40, 9]), floats([9, 4]), floats([9])]);
}

/** A layer or model made from a seed, and an input for it. */
interface Built {
  readonly make: () => Module & { forward(x: Tensor): Tensor };
  readonly input: Tensor;
}

const sequence = floats([2, 33, 12], -1, 1);
const tokens = indices([3, 40], 16);
const encoder = { embedDim: 12, hiddenSize: 16, stateSize: 8 };
const language = { vocabSize: 16, hiddenSize: 32, stateSize: 8, numLayers: 2 };
const heads = { layer: 'mamba2', headDim: 16 } as const;
const turning = { layer: 'mamba3', headDim: 16 } as const;

const layers: Readonly<Record<string, Built>> = {
  Linear: { make: () => new Linear(12, 7), input: sequence },
  RMSNorm: { make: () => new RMSNorm(12), input: sequence },
  LayerNorm: { make: () => new LayerNorm(12), input: sequence },
  Embedding: { make: () => new Embedding(16, 9), input: tokens },
  Dropout: { make: () => new Dropout(0.3), input: sequence },
  GatedFeedForward: { make: () => new GatedFeedForward(12), input: sequence },
  Conv1d: { make: () => new Conv1d(12, 6, 3, { padding: 1, groups: 3 }), input: sequence },
  MambaBlock: { make: () => new MambaBlock({ hiddenSize: 12, stateSize: 4 }), input: sequence },
  MambaND: {
    make: () => new MambaND(() => new MambaBlock({ hiddenSize: 6 }), { order: 'cross' }),
    input: floats([2, 5, 4, 6], -1, 1),
  },
  Mamba: { make: () => new Mamba({ ...encoder, pool: 'ends', dropout: 0.1 }), input: sequence },
  Mamba2: { make: () => new Mamba2({ ...encoder, headDim: 16, pool: 'mean' }), input: sequence },
  Mamba3: { make: () => new Mamba3({ ...encoder, headDim: 16, pool: 'last' }), input: sequence },
  BiMamba: { make: () => new BiMamba({ ...encoder, combine: 'concat' }), input: sequence },
  'MambaLM mamba': { make: () => new MambaLM({ ...language, dropout: 0.1 }), input: tokens },
  'MambaLM mamba2': {
    make: () => new MambaLM({ ...language, ...heads, numGroups: 2, tieEmbeddings: false }),
    input: tokens,
  },
  'MambaLM mamba3': {
    make: () =>
      new MambaLM({ ...language, ...turning, numGroups: 2, mimoRank: 2, outputNorm: true }),
    input: tokens,
  },
};

/** The result for an input, the gradients of all parameters, and the parameters after two steps. */
function* forwardAndTrain(name: string, { make, input }: Built): Iterable<Case> {
  for (const way of Object.keys(ways) as (keyof typeof ways)[]) {
    yield [`${name} ${way}`, () => {
      manualSeed(3);
      const layer = make();
      const run = inWay(way, (x: Tensor) => {
        const y = layer.forward(x);
        const loss = y.square().mean().add(y.sum());
        const parameters = layer.parameters();
        return [y, parameters.length > 0 ? grad(loss, parameters, { allowUnused: true }) : []];
      });
      return run(input);
    }];
    if (make().parameters().length === 0) continue;
    yield [`${name} trained ${way}`, () => {
      manualSeed(4);
      const layer = make();
      const optimizer = new AdamW(layer.parameters(), { lr: 0.01 });
      const step = inWay(way, (x: Tensor) => {
        const loss = layer.forward(x).sub(0.5).square().mean();
        optimizer.minimize(loss, { maxNorm: 1, allowUnused: true });
        return loss;
      });
      return [step(input), step(input), stateOf(layer, optimizer)];
    }];
  }
}

const optimizers: Readonly<Record<string, (parameters: Tensor[]) => Optimizer>> = {
  SGD: (parameters) => new SGD(parameters, { lr: 0.1, weightDecay: 0.01 }),
  'SGD momentum': (parameters) => new SGD(parameters, { momentum: 0.9, dampening: 0.1 }),
  'SGD nesterov': (parameters) => new SGD(parameters, { momentum: 0.9, nesterov: true }),
  Adam: (parameters) => new Adam(parameters, { weightDecay: 0.01 }),
  AdamW: (parameters) => new AdamW(parameters, { betas: [0.8, 0.95], eps: 1e-6 }),
  groups: ([first, ...params]) => new AdamW([first, { params, lr: 0.02, weightDecay: 0.1 }]),
};

function* optimizerSteps(): Iterable<Case> {
  for (const [name, create] of Object.entries(optimizers)) {
    for (const way of Object.keys(ways) as (keyof typeof ways)[]) {
      yield [`optimizer ${name} ${way}`, () => {
        manualSeed(5);
        const layer = new GatedFeedForward(12, 20);
        const optimizer = create(layer.parameters());
        const step = inWay(way, (x: Tensor) => {
          const loss = layer.forward(x).square().mean();
          optimizer.minimize(loss);
          return loss;
        });
        const first = [step(sequence), step(sequence)];
        // A frozen parameter misses a step.
        layer.upProj.weight.requiresGrad = false;
        return [first, step(sequence), stateOf(layer, optimizer)];
      }];
    }
  }
}

/** What language models write, and what they say of a sequence that comes in pieces. */
function* writing(): Iterable<Case> {
  const kinds = { mamba: {}, mamba2: heads, mamba3: turning };
  for (const [kind, more] of Object.entries(kinds)) {
    const make = () => {
      manualSeed(6);
      return new MambaLM({ ...language, ...more, dropout: 0.1 });
    };
    yield [`generate ${kind}`, async () => {
      const model = make();
      const written: unknown[] = [];
      const prompts = [[1, 2, 3], [4]];
      const options = { maxTokens: 40, temperature: 0.8, topK: 9, topP: 0.9 };
      for await (const row of generate(model, prompts, options)) written.push(row);
      return written;
    }];
    yield [`prefill and step ${kind}`, () => {
      const model = make();
      const first = model.prefill(tokens);
      return [first, model.step(sample(first.y, { temperature: 0 }), first.state)];
    }];
    yield [`predict ${kind}`, () => make().predict(tokens)];
    yield [`float64 ${kind}`, () => {
      const model = make().to('f64').eval();
      return [model.forward(tokens), grad(model.forward(tokens).sum(), model.parameters())];
    }];
  }
}

/** The cases of layers, losses, optimizers and models. */
export function* modelCases(): Iterable<Case> {
  yield* losses();
  for (const [name, built] of Object.entries(layers)) yield* forwardAndTrain(name, built);
  yield* optimizerSteps();
  yield* writing();
}
