/** The options of every class and function: known, of their kind, and absent if undefined. */
import {
  Adam, AdamW, binaryCrossEntropyWithLogits, CausalConv1d, collate, Conv1d, conv1d, crossEntropy,
  DataLoader, Dropout, Embedding, GatedFeedForward, GRU, initialize, LayerNorm, layerNorm, Linear,
  LSTM, Module, mseLoss, Parameter, Progress, RMSNorm, rmsNorm, Sequential, SGD, summary, Trainer,
} from '@mambagrad/nn';
import {
  compile, Generator, ones, type Tensor, tensor, TensorError, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const generator = new Generator(1);
const parameters = () => [new Parameter(ones([2]))];
const i32 = { dtype: 'i32' } as const;
const layer = { bias: false, init: 'xavierNormal', generator };
const recurrent = {
  numLayers: 2, bias: false, batchFirst: true, dropout: 1, bidirectional: true, generator,
};
const decays = { lr: 0.1, weightDecay: 0.5 };
const adam = { ...decays, betas: [0, 0.5], eps: 0 };
const model = new Linear(1, 1);

/** What takes options, by the name that its errors have, and right values for all of them. */
const takers: readonly (readonly [string, object, (options: object) => unknown])[] = [
  ['Linear', layer, (options) => new Linear(2, 3, options)],
  ['GatedFeedForward', layer, (options) => new GatedFeedForward(2, 3, options)],
  ['CausalConv1d', layer, (options) => new CausalConv1d(2, 3, options)],
  [
    'Conv1d', { ...layer, padding: 'causal', groups: 2, segments: zeros([1, 4], i32) },
    (options) => new Conv1d(2, 4, 3, options),
  ],
  [
    'conv1d', { padding: 2, groups: 1, segments: zeros([1, 4], i32) },
    (options) => conv1d(ones([1, 4, 2]), ones([2, 2, 3]), undefined, options),
  ],
  ['Embedding', { std: 0, generator }, (options) => new Embedding(3, 2, options)],
  ['RMSNorm', { eps: 0 }, (options) => new RMSNorm(2, options)],
  ['LayerNorm', { eps: 0 }, (options) => new LayerNorm(2, options)],
  ['Dropout', { generator }, (options) => new Dropout(0.5, options)],
  ['GRU', recurrent, (options) => new GRU(2, 3, options)],
  ['LSTM', recurrent, (options) => new LSTM(2, 3, options)],
  [
    'initialize', { gain: 0, generator },
    (options) => initialize([2, 2], 'kaimingUniform', options),
  ],
  ['Parameter', { noWeightDecay: true }, (options) => new Parameter(ones([1]), options)],
  [
    'loadStateDict', { strict: false },
    (options) => model.loadStateDict(model.stateDict(), options),
  ],
  [
    'crossEntropy', { reduction: 'sum', ignoreIndex: 2, labelSmoothing: 1 },
    (options) => crossEntropy(ones([1, 3]), zeros([1], i32), options),
  ],
  ['mseLoss', { reduction: 'none' }, (options) => mseLoss(ones([1]), ones([1]), options)],
  [
    'binaryCrossEntropyWithLogits', { reduction: 'mean' },
    (options) => binaryCrossEntropyWithLogits(ones([1]), ones([1]), options),
  ],
  [
    'SGD', { ...decays, momentum: 1, dampening: 0, nesterov: true },
    (options) => new SGD(parameters(), options),
  ],
  ['Adam', adam, (options) => new Adam(parameters(), options)],
  ['AdamW', adam, (options) => new AdamW(parameters(), options)],
  [
    'AdamW: parameters[0]', decays,
    (options) => new AdamW([{ params: parameters(), ...options }]),
  ],
  ['SGD.step', { maxNorm: Infinity }, (options) => new SGD(parameters()).step(options)],
  [
    'SGD.minimize', { maxNorm: 1, allowUnused: true },
    (options) => {
      const [x] = parameters();
      new SGD([x]).minimize(x.sum(), options);
    },
  ],
  [
    'DataLoader',
    { batchSize: 2, shuffle: true, seed: 3, dropLast: true, collate: (all: unknown) => all },
    (options) => new DataLoader([1, 2, 3], options),
  ],
  ['collate', { dtype: 'i32', padding: -1 }, (options) => collate([[1], [1, 2]], options)],
  [
    'Progress', { now: () => 0 },
    (options) => new Progress({ total: 3, output: { write: () => true }, ...options }),
  ],
  [
    'Trainer',
    {
      accumulate: 2, schedule: () => 1, validation: { data: [1], every: 1 }, compile: false,
      generators: [generator], checkpointEvery: 1, resume: true, callbacks: [() => 1], maxNorm: 1,
      checkpoints: { save: () => undefined, load: () => undefined },
      log: { write: () => true },
      host: { stdout: { write: () => true }, once: () => 1, off: () => 1 },
    },
    (options) => new Trainer({
      model,
      optimizer: new SGD(model.parameters()),
      data: () => 1,
      loss: () => ({ loss: model.weight.sum() }),
      ...options,
    }),
  ],
];

describe.each(takers)('%s', (name, right, take) => {
  const keys = Object.keys(right);
  const fail = (options: object, message: RegExp | string) => {
    expect(() => take(options)).toThrow(TensorError);
    expect(() => take(options)).toThrow(message);
  };

  it('takes its options, in any choice, and those that are undefined', () => {
    const given = Object.entries(right);
    fc.assert(
      fc.property(fc.subarray(given), fc.subarray(keys), (some, absent) => {
        const options = Object.fromEntries([...some, ...absent.map((key) => [key, undefined])]);
        // Nesterov's variant needs its momentum.
        if (options['nesterov'] && options['momentum'] === undefined) return;
        take(options);
      }),
      { numRuns: 8 },
    );
    take(right);
  });

  it('refuses names that it does not know, and says which one was meant', () => {
    for (const key of keys) {
      const wrong = `${key}${key.at(-1)}`;
      const message = new RegExp(`: there is no option '${wrong}'; did you mean '${key}'\\?$`);
      fail({ [wrong]: Object.entries(right).find(([known]) => known === key)?.[1] }, message);
    }
    fc.assert(
      fc.property(fc.string({ minLength: 12 }), (key) => {
        fail({ [key]: 1 }, `${name}: there is no option`);
      }),
      { numRuns: 5 },
    );
    // An undefined option counts as absent, whatever its name.
    take({ nonsense: undefined });
  });

  it('refuses values of another kind', () => {
    const others = [null, Symbol('x'), NaN, -0.5, 'nonsense', [undefined], new Date(0)];
    for (const key of keys) {
      for (const value of others) {
        if (key === 'padding' && name === 'collate' && typeof value === 'number') continue;
        // Objects are looked into.
        if (['compile', 'validation'].includes(key) && value instanceof Date) continue;
        fail({ [key]: value }, `: ${key} is `);
      }
    }
  });
});

describe('arguments that stand by their position', () => {
  it.each<[() => unknown, string]>([
    [() => new Linear(2, 3, false as never), 'Linear: options are false, expected { bias, init, '],
    [() => new Linear(2, NaN), 'Linear: outFeatures is NaN, expected a whole number from 1'],
    [() => new Linear(2, undefined as never), 'Linear: outFeatures is missing'],
    [() => new Linear(-2, 3), 'Linear: inFeatures is -2'],
    [() => new Embedding(0, 3), 'Embedding: count is 0'],
    [() => new RMSNorm(1.5), 'RMSNorm: features is 1.5'],
    [() => new LayerNorm(3, 1e-5 as never), 'LayerNorm: options are 0.00001'],
    [() => new GatedFeedForward(3, { bias: true } as never), 'GatedFeedForward: hiddenFeatures is'],
    [() => new Conv1d(3, 4, 2, { groups: 2 }), 'Conv1d: 3 and 4 channels are not multiples of'],
    [() => new CausalConv1d(3, 0), 'CausalConv1d: kernelSize is 0'],
    [() => rmsNorm(ones([2]), ones([2]), { eps: 1 } as never), 'rmsNorm: eps is { eps }'],
    [() => layerNorm(ones([2]), ones([2]), ones([2]), NaN), 'layerNorm: eps is NaN'],
    [() => conv1d(ones([1, 4, 2]), ones([2, 2, 3]), {} as never), 'conv1d: bias is {}'],
    [
      () => conv1d(ones([1, 4, 2]), ones([2, 2, 3]), undefined, { segments: ones([4]) }),
      'conv1d: segments are f32[4], x is f32[1, 4, 2]; expected [batch, length]',
    ],
    [() => mseLoss(ones([1]), [1] as never), 'mseLoss: targets is [1], expected a tensor'],
    [() => crossEntropy([1] as never, zeros([1])), 'crossEntropy: the first argument is [1]'],
    [() => new Sequential([model] as never), 'Sequential: layer 0 is ['],
    [() => new Sequential(new (class Bare extends Module {})() as never), 'Sequential: layer 0 is'],
    [() => new Parameter([1] as never), 'Parameter: value is [1], expected a tensor'],
    [() => summary({} as never), 'summary: model is {}, expected a Module'],
    [() => initialize([3], 'xavierNormal'), 'initialize: xavierNormal takes a weight'],
    [() => initialize([2, 2], 'xavier' as never), "initialize: initializer is 'xavier', expected"],
    [() => initialize([2, NaN], 'ones'), 'initialize: shape is [2, NaN]'],
    [() => new Progress({ total: NaN, output: { write: () => 1 } }), 'Progress: total is NaN'],
    [() => new Progress({ total: 1 } as never), 'Progress: output is missing'],
  ])('%s', (f, message) => {
    expect(f).toThrow(TensorError);
    expect(f).toThrow(message);
  });
});

describe('losses', () => {
  it('refuse a batch without a number, unless it is summed', () => {
    const empty = ones([0, 3]);
    for (const f of [
      () => mseLoss(empty, empty),
      () => binaryCrossEntropyWithLogits(empty, empty),
      () => crossEntropy(empty, zeros([0], i32)),
    ]) {
      expect(f).toThrow('the batch is empty');
    }
    expect(mseLoss(empty, empty, { reduction: 'sum' }).item()).toBe(0);
    expect(crossEntropy(empty, zeros([0], i32), { reduction: 'none' }).shape).toEqual([0]);
  });

  it('refuse binary targets outside 0 to 1, compiled or not', () => {
    const loss = (x: Tensor, z: Tensor) => binaryCrossEntropyWithLogits(x, z);
    const logits = tensor([0.5, -1, 2]);
    for (const f of [loss, compile(loss)]) {
      const expected = loss(logits, tensor([0, 1, 0.5])).item();
      expect(f(logits, tensor([0, 1, 0.5])).item()).toBeCloseTo(expected, 6);
      for (const wrong of [-1, 1.5, -1e-7, NaN, Infinity, 2]) {
        expect(() => f(logits, tensor([0, 1, wrong]))).toThrow(
          'binaryCrossEntropyWithLogits: element 2 of targets is not between 0 and 1',
        );
      }
      expect(f(logits, tensor([1, 1, 1])).item()).toBeGreaterThan(0);
    }
  });

  it('have the defaults that are documented', () => {
    const logits = tensor([[1, 2, -1], [0, 3, 1]]);
    const targets = tensor([2, -100], i32);
    const written = { reduction: 'mean', ignoreIndex: -100, labelSmoothing: 0 } as const;
    expect(crossEntropy(logits, targets).item()).toBe(
      crossEntropy(logits, targets, written).item(),
    );
    const x = tensor([1, 5]);
    expect(mseLoss(x, ones([2])).item()).toBe(mseLoss(x, ones([2]), { reduction: 'mean' }).item());
  });
});
