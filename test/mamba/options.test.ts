/**
 * Mistakes that would otherwise be computed with: every class and function of the package refuses
 * options that it does not know or that mean nothing, and inputs and states that do not fit, in its
 * own name.
 */
import * as mamba from '@mambagrad/mamba';
import {
  alternatingOrder, BiMamba, BiMambaBlock, type BiMambaOptions, DepthwiseConv1d, gatedRmsNorm,
  inverseOrder, Mamba, Mamba2, Mamba2Block, Mamba3, Mamba3Block, MambaBlock, MambaLM, MambaND,
  type MambaOptions,
  rasterOrder, Residual, reverseOrder, sample, selectiveCopying, selectiveScan, SelectiveSSM, ssd,
} from '@mambagrad/mamba';
import { Dropout, Module } from '@mambagrad/nn';
import { Generator, ones, type Tensor, tensor, TensorError, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../support/compare.ts';

const [u, B] = [ones([1, 2, 1]), ones([1, 2, 1])];
const [x, dt] = [ones([1, 2, 1, 1]), ones([1, 2, 1])];

/** Everything with options: a call with good ones beside which others may be given. */
type Call = readonly [good: object, call: (options: never) => unknown];
const calls: Readonly<Record<string, Call>> = {
  selectiveScan: [{}, (options) => selectiveScan(u, u, ones([1, 1]), B, B, options)],
  ssd: [{}, (options) => ssd(x, dt, ones([1]), x, x, options)],
  SelectiveSSM: [{ channels: 2 }, (options) => new SelectiveSSM(options)],
  MambaBlock: [{ hiddenSize: 2 }, (options) => new MambaBlock(options)],
  Mamba2Block: [{ hiddenSize: 2, headDim: 2 }, (options) => new Mamba2Block(options)],
  Mamba3Block: [{ hiddenSize: 2, headDim: 2 }, (options) => new Mamba3Block(options)],
  BiMambaBlock: [{ hiddenSize: 2 }, (options) => new BiMambaBlock(options)],
  Mamba: [{ embedDim: 2, hiddenSize: 2 }, (options) => new Mamba(options)],
  Mamba2: [{ embedDim: 2, hiddenSize: 2, headDim: 2 }, (options) => new Mamba2(options)],
  Mamba3: [{ embedDim: 2, hiddenSize: 2, headDim: 2 }, (options) => new Mamba3(options)],
  BiMamba: [{ embedDim: 2, hiddenSize: 2 }, (options) => new BiMamba(options)],
  MambaLM: [{ vocabSize: 2, hiddenSize: 2 }, (options) => new MambaLM(options)],
  MambaND: [{}, (options) => new MambaND(() => new MambaBlock({ hiddenSize: 1 }), options)],
  'Mamba.paramCount': [{ embedDim: 2, hiddenSize: 2 }, (options) => Mamba.paramCount(options)],
  'Mamba.outputSize': [{}, (options) => Mamba.outputSize(options)],
  'MambaLM.outputSize': [{ vocabSize: 2, hiddenSize: 2 }, (options) => MambaLM.outputSize(options)],
  gatedRmsNorm: [{}, (options) => gatedRmsNorm(ones([2]), ones([2]), ones([2]), options)],
  sample: [{}, (options) => sample(ones([1, 2]), options)],
  selectiveCopying: [{}, (options) => selectiveCopying(1, options)],
};

describe.each(Object.entries(calls))('%s', (_name, [good, call]) => {
  const run = (options: unknown) => () => call(options as never);

  it('knows its options', () => {
    expect(run(good)).not.toThrow();
    expect(run({ ...good, generator: undefined, unheardOf: undefined })).not.toThrow();
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (name) => {
        // None of the names has a capital first.
        const wrong = `X${name}`;
        expect(run({ ...good, [wrong]: 1 })).toThrow(TensorError);
        expect(run({ ...good, [wrong]: 1 })).toThrow('there is no option');
      }),
      { numRuns: 5 },
    );
    for (const wrong of [null, 5, 'x', true, [1], ones([1]), () => 1]) {
      expect(run(wrong)).toThrow(/options (are|is)/);
    }
  });
});

/** Values that are wrong for an option of any of these, whatever else it takes. */
const wrongSizes = [0, -1, 2.5, NaN, Infinity, '3', null, [2], true];

describe('sizes', () => {
  const encoder = { embedDim: 2, hiddenSize: 2 };
  type Row = readonly [string, readonly string[], (options: never) => unknown, object];
  const models: readonly Row[] = [
    ['SelectiveSSM', ['channels', 'stateSize', 'dtRank'],
      (o) => new SelectiveSSM(o), { channels: 2 }],
    ['MambaBlock', ['hiddenSize', 'stateSize', 'dtRank', 'convSize'],
      (o) => new MambaBlock(o), { hiddenSize: 2 }],
    ['Mamba2Block', ['hiddenSize', 'stateSize', 'headDim', 'numGroups', 'chunkSize', 'convSize'],
      (o) => new Mamba2Block(o), { hiddenSize: 2, headDim: 2 }],
    ['Mamba3Block', ['hiddenSize', 'stateSize', 'headDim', 'numGroups', 'chunkSize', 'mimoRank'],
      (o) => new Mamba3Block(o), { hiddenSize: 2, headDim: 2 }],
    ['Mamba', ['embedDim', 'hiddenSize', 'stateSize', 'windowSize'], (o) => new Mamba(o), encoder],
    [
      'BiMamba', ['embedDim', 'hiddenSize', 'stateSize', 'windowSize'], (o) => new BiMamba(o),
      encoder,
    ],
    ['MambaLM', ['vocabSize', 'hiddenSize'],
      (o) => new MambaLM(o), { vocabSize: 2, hiddenSize: 2 }],
  ];
  it.each(models)('of %s are whole numbers from 1', (name, keys, make, good) => {
    for (const key of keys) {
      for (const wrong of wrongSizes) {
        expect(() => make({ ...good, [key]: wrong } as never)).toThrow(`${name}: ${key} is `);
      }
    }
  });

  it('that are required are missed', () => {
    expect(() => new Mamba({} as MambaOptions)).toThrow('Mamba: embedDim is missing, expected');
    expect(() => Mamba.paramCount({} as MambaOptions)).toThrow('Mamba: embedDim is missing');
    expect(() => new BiMamba({} as BiMambaOptions)).toThrow('BiMamba: embedDim is missing');
    expect(() => new MambaLM({ vocabSize: 3 } as never)).toThrow('MambaLM: hiddenSize is missing');
    expect(() => new MambaBlock({} as never)).toThrow('MambaBlock: hiddenSize is missing');
  });

  it('come out whole', () => {
    expect(() => new MambaBlock({ hiddenSize: 3, expandFactor: 1.5 })).toThrow(
      'MambaBlock: expandFactor is 1.5 and hiddenSize 3, their product is 4.5; expected a whole',
    );
    expect(() => new Mamba2Block({ hiddenSize: 4, headDim: 2, normGroups: 3 })).toThrow(
      'Mamba2Block: normGroups is 3, expected a divisor of the 8 channels',
    );
    expect(() => new Mamba3Block({ hiddenSize: 10, headDim: 8 })).toThrow(
      'Mamba3Block: 20 channels (expandFactor · hiddenSize) cannot be divided into heads of 8 in 1',
    );
    expect(() => new Mamba3Block({ hiddenSize: 2, headDim: 2, stateSize: 3 })).toThrow(
      'Mamba3Block: stateSize is 3 and ropeFraction 0.5, so no pair of numbers turns; expected',
    );
    const odd = { hiddenSize: 2, headDim: 2, stateSize: 5, rotation: 'halves' } as const;
    expect(() => new Mamba3Block(odd)).toThrow("stateSize is 5, expected an even number");
  });
});

describe('models', () => {
  const good = { embedDim: 2, hiddenSize: 2, stateSize: 1, generator: new Generator(1) };
  const wrong = (options: object) => () => new Mamba({ ...good, ...options });

  it('refuse what has no meaning', () => {
    for (const numLayers of [2.5, -1, NaN]) {
      expect(wrong({ numLayers })).toThrow(`Mamba: numLayers is ${numLayers}, expected a whole`);
    }
    expect(wrong({ dropout: 1.5 })).toThrow('Mamba: dropout is 1.5, expected a number from 0 to 1');
    expect(wrong({ pool: 'max' })).toThrow("Mamba: pool is 'max', expected 'last' or 'mean'");
    expect(wrong({ layer: 'mamba4' })).toThrow("Mamba: layer is 'mamba4', expected 'mamba' or");
    expect(wrong({ hidenSize: 3 })).toThrow("no option 'hidenSize'; did you mean 'hiddenSize'?");
    expect(wrong({ algorithm: 'parallel' })).toThrow("Mamba: algorithm is 'parallel'");
    expect(wrong({ expandFactor: 0 })).toThrow('Mamba: expandFactor is 0');
    expect(wrong({ generator: 1 })).toThrow('Mamba: generator is 1, expected a Generator');
    expect(() => new BiMamba({ ...good, combine: 'bogus' as 'add' })).toThrow(
      "BiMamba: combine is 'bogus', expected 'add' or 'concat'",
    );
    expect(() => new Mamba2({ ...good, headDim: 2, dtLimit: [1, 0] })).toThrow('Mamba2: dtLimit');
    expect(() => new MambaND(5 as never)).toThrow('MambaND: createCore is 5, expected a function');
    expect(() => new MambaND(() => 5 as never)).toThrow('MambaND: the result of createCore is 5');
    const core = () => new MambaBlock({ hiddenSize: 1 });
    expect(() => new MambaND(core, { order: 'rows' as 'raster' })).toThrow("order is 'rows'");
    expect(() => new Residual(2, core(), 0.5 as never)).toThrow('Residual: dropout is 0.5');
  });

  it('refuse the options of other blocks', () => {
    expect(wrong({ headDim: 2 })).toThrow(
      "Mamba: headDim is an option of blocks of layer 'mamba2' or 'mamba3', the layer is 'mamba'",
    );
    expect(() => new Mamba2({ ...good, headDim: 2, dtRank: 1 })).toThrow(
      "Mamba2: dtRank is an option of blocks of layer 'mamba', the layer is 'mamba2'",
    );
    expect(() => new Mamba3({ ...good, headDim: 2, convSize: 2 })).toThrow(
      "Mamba3: convSize is an option of blocks of layer 'mamba' or 'mamba2', the layer is 'mamba3'",
    );
  });

  it('refuse inputs, flags and states that do not fit, in their own name', () => {
    const model = new Mamba({ ...good, embedDim: 3 });
    const [input, mask] = [zeros([1, 4, 3]), ones([1, 4], { dtype: 'i32' })];
    const anyOf = model as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const name of ['forward', 'predict', 'scan', 'advance', 'forwardSequence']) {
      const run = (...args: unknown[]) => () => anyOf[name](...args);
      expect(run(input, mask), name).toThrow(/Mamba[.a-z]*: options are i32\[1, 4\]/);
      expect(run(input, { maks: mask }), name).toThrow("did you mean 'mask'?");
      expect(run(input, { mask: input }), name).toThrow('mask is f32[1, 4, 3], expected i32[1, 4]');
      expect(run(zeros([4, 3])), name).toThrow(
        /^Mamba[.a-z]*: x is f32\[4, 3\], expected f32\[batch, length, 3\]$/,
      );
      expect(run(zeros([1, 4, 2])), name).toThrow('x is f32[1, 4, 2], expected');
      expect(run([1, 2, 3]), name).toThrow('x is [1, 2, 3], expected');
    }
    for (const pool of ['last', 'mean', 'ends'] as const) {
      const read = new Mamba({ ...good, pool });
      expect(() => read.forward(zeros([1, 0, 2]))).toThrow('Mamba: x has no steps');
    }
    const state = model.initialState(1);
    const scan = (given: unknown) => () => model.scan(input, { state: given as never });
    expect(scan({ y: input, state })).toThrow(
      'Mamba: state is { y, state }, expected an array of 2, each { conv, ssm }',
    );
    expect(scan(state.slice(1))).toThrow('Mamba: state is [');
    expect(scan(model.initialState(2))).toThrow(
      'Mamba: state[0].conv is f32[2, 3, 4], expected f32[1, 3, 4]',
    );
    expect(scan([state[0], { conv: state[0].conv }])).toThrow('Mamba: state[1].ssm is missing');
    const step = (given: unknown) => () => model.step(zeros([1, 3]), given as never);
    expect(step(undefined)).toThrow('Mamba.step: state is missing, expected the state');
    expect(step({ y: input, state })).toThrow('Mamba.step: state is { y, state }, expected');
    expect(step(model.initialState(3))).toThrow('Mamba.step: state[0].conv is f32[3, 3, 4]');
    expect(() => model.initialState(-1)).toThrow('Mamba.initialState: batch is -1');
    expect(() => model.prepare(0)).toThrow('Mamba.prepare: batch is 0');
    const block = new MambaBlock({ hiddenSize: 2 });
    expect(() => block.forward(zeros([2, 2]))).toThrow('MambaBlock: x is f32[2, 2], expected');
    expect(() => block.step(zeros([1, 2]), undefined as never)).toThrow('MambaBlock.step: state');
    expect(() => block.scan(zeros([1, 2, 2]), { state: {} as never })).toThrow(
      'state.conv is missing',
    );
    const conv = new DepthwiseConv1d(2, 3);
    expect(() => conv.scan(zeros([1, 2, 2]), { state: zeros([1, 1, 2]) })).toThrow(
      'DepthwiseConv1d: state is f32[1, 1, 2], expected f32[1, 2, 2]',
    );
  });

  it('name tokens that they do not have', () => {
    const model = new MambaLM({ vocabSize: 3, hiddenSize: 2, numLayers: 1 });
    const tokens = tensor([[0, 1], [2, 3]], { dtype: 'i32' });
    const runs = [
      () => model.forward(tokens), () => model.prefill(tokens), () => model.predict(tokens),
      () => model.advance(tokens), () => model.scan(tokens),
    ];
    for (const run of runs) {
      expect(run).toThrow(
        /^MambaLM[.a-z]*: token \[1, 1\] is 3, expected one from 0 to 2$/,
      );
    }
    const negative = tensor([-1], { dtype: 'i32' });
    expect(() => model.step(negative, model.initialState(1))).toThrow('MambaLM.step: token [0, 0]');
    expect(() => model.forward(zeros([1, 2]))).toThrow(
      'MambaLM: x is f32[1, 2], expected i32[batch, length]',
    );
  });

  it('run for use with every layer at rest', () => {
    class Noisy extends Module {
      readonly dropout = new Dropout(0.5);
      forward(input: Tensor): Tensor {
        return this.dropout.forward(input);
      }
    }
    class Model extends mamba.Stack<Noisy> {
      constructor() {
        super({ hiddenSize: 4 }, [new Noisy()]);
      }
    }
    const model = new Model();
    const input = ones([2, 3, 4]);
    const expected = model.eval().forward(input).toArray();
    model.train();
    for (let i = 0; i < 3; i++) expect(model.predict(input).toArray()).toEqual(expected);
    expect(model.namedModules().every(([, module]) => module.training)).toBe(true);
  });
});

describe('scan orders', () => {
  it('are permutations', () => {
    const core = () => new MambaBlock({ hiddenSize: 1 });
    const grid = zeros([1, 2, 2, 1]);
    const run = (places: unknown) => () => new MambaND(core, { order: () => places as number[] })
      .forward(grid);
    for (const places of [[0, 0, 1, 2], [0, 1, 2], [0, 1, 2, 4], [0, 1, 2, 3, 3], [0, 1, 2, 1.5]]) {
      expect(run(places)).toThrow(
        'MambaND: the given order of a grid [2, 2] is ' +
          `[${places.join(', ')}], expected each index from 0 to 3 once`,
      );
    }
    expect(() => inverseOrder([0, 2, 2])).toThrow(
      'inverseOrder: permutation is [0, 2, 2], expected',
    );
    expect(() => inverseOrder([0, -1])).toThrow('inverseOrder: permutation is [0, -1], expected');
    expect(run(undefined)).toThrow('is undefined, expected an array');
    expect(run([3, 1, 0, 2])).not.toThrow();
    expect(() => rasterOrder([2, -1])).toThrow('rasterOrder: spatial is [2, -1]');
    expect(() => alternatingOrder(-1)).toThrow('alternatingOrder: layer is -1');
    expect(() => reverseOrder('raster' as never)).toThrow("reverseOrder: order is 'raster'");
  });

  it('take masks along', () => {
    const grid = new MambaND(() => new MambaBlock({ hiddenSize: 2 }), { bidirectional: true });
    const mask = tensor([[[1, 1], [1, 0]]], { dtype: 'i32' });
    const input = ones([1, 2, 2, 2]);
    const [found, expected] = [NaN, 5].map((value) => grid.forward(
      mask.unsqueeze(-1).where(input, value), { mask },
    ));
    const first = (y: Tensor) => y.reshape([4, 2]).narrow(0, 0, 3).toArray();
    expect(first(found)).toEqual(first(expected));
    // It is the sequence of the first three places alone.
    const alone = grid.forward(input.reshape([1, 4, 2]).narrow(1, 0, 3));
    expectClose(found.reshape([4, 2]).narrow(0, 0, 3), alone.squeeze(0), 1e-6);
    expect(() => grid.forward(input, { mask: ones([1, 4], { dtype: 'i32' }) })).toThrow(
      'MambaND: mask is i32[1, 4], expected i32[1, 2, 2]',
    );
    expect(() => grid.forward(input, mask as never)).toThrow('MambaND: options are i32[1, 2, 2]');
  });
});
