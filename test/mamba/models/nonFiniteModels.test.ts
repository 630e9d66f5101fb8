/**
 * What padding holds, and what other documents of a row hold, reaches nothing else: layers, blocks
 * and models, filled there with NaN or ±∞, give bit for bit what they give with zeros there, and so
 * do gradients of inputs and parameters, eagerly and compiled.
 */
import {
  BiMamba, BiMambaBlock, DepthwiseConv1d, Mamba, Mamba2, Mamba2Block, Mamba3, Mamba3Block,
  MambaBlock, MambaLM, MambaND,
  type Pool, Residual, SelectiveSSM,
} from '@mambagrad/mamba';
import type { Module } from '@mambagrad/nn';
import { concat, Generator, Tensor, tensor, uniform } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { drawTensor } from '../../support/draw.ts';
import {
  expectNothingPasses, fill, type Flags, odd, type Subject, ways,
} from '../../support/nonFinite.ts';
import { runs, someOf } from '../../support/soak.ts';

const WIDTH = 4;
const TOKENS = 5;
const generator = new Generator(1);
const sizes = { hiddenSize: WIDTH, stateSize: 2, generator };
const heads = { headDim: 2, numGroups: 2, chunkSize: 3 };
const turning = { ...heads, stateSize: 4 };
const encoder = { ...sizes, embedDim: WIDTH, hiddenSize: 4, numLayers: 2 };
const bidirectional = { ...encoder, dropout: 0 };

interface Reader extends Module {
  forward(x: Tensor, flags?: Flags): Tensor;
  scan?(x: Tensor, options?: Flags): { readonly y: Tensor; readonly state: unknown };
}

const pools = ['last', 'mean', 'ends', 'none'] as const satisfies readonly Pool[];
const readers: readonly (readonly [string, Reader])[] = [
  ['DepthwiseConv1d', new DepthwiseConv1d(WIDTH, 3)],
  ['SelectiveSSM', new SelectiveSSM({ channels: WIDTH, stateSize: 2, generator })],
  ['MambaBlock', new MambaBlock({ ...sizes, bias: true })],
  ['Mamba2Block', new Mamba2Block({ ...sizes, ...heads })],
  ['Mamba3Block', new Mamba3Block({ ...sizes, ...turning })],
  ['Mamba3Block of rank 2', new Mamba3Block({ ...sizes, ...turning, mimoRank: 2 })],
  ['Residual', new Residual(WIDTH, new MambaBlock(sizes))],
  ['BiMambaBlock', new BiMambaBlock(sizes)],
  ['BiMambaBlock of Mamba-3', new BiMambaBlock({ ...sizes, ...turning, layer: 'mamba3' })],
  ['Mamba', new Mamba(encoder)],
  ['Mamba2', new Mamba2({ ...encoder, ...heads, normBeforeGate: true })],
  ['BiMamba, ends', new BiMamba({ ...bidirectional, numLayers: 1, pool: 'ends' })],
  ['BiMamba, none', new BiMamba({ ...bidirectional, numLayers: 1, pool: 'none' })],
  ['Mamba, mean', new Mamba({ ...encoder, numLayers: 1, pool: 'mean' })],
  ['MambaND', new MambaND(() => new MambaBlock(sizes), { order: 'cross' })],
];

/** Every tensor of a result, one behind the other. */
function flat(tree: unknown): Tensor {
  if (tree instanceof Tensor) return tree.flatten();
  return concat(Object.values(Object(tree)).map(flat));
}

/** What the module makes of x. If a result is not of single steps, it is of the whole. */
function subjectOf(reader: Reader, x: Tensor, isOfSteps: boolean): Subject {
  return {
    withSteps: [x],
    others: [],
    parameters: reader.parameters(),
    run: ([input], { mask, reset }) => {
      const flags = { mask, ...(!(reader instanceof MambaND) && { reset }) };
      const { y, state } = reader.scan?.(input, flags) ?? {
        y: reader.forward(input, flags), state: input.narrow(0, 0, 0),
      };
      if (!reader.scan) return isOfSteps ? [y, flat(state)] : [input, flat(y)];
      const forward = reader.forward(input, flags);
      return [y, flat(isOfSteps && forward.ndim > 2 ? state : [state, forward])];
    },
  };
}

describe.each(someOf(readers))('%s', (name, reader) => {
  // A pooled result depends on all documents, and a grid has no documents.
  const isOfSteps = !/MambaND|ends|mean/.test(name);
  it('padding and other documents may hold anything', () => {
    for (const how of ways) {
      reader.to(how ? 'f32' : 'f64');
      fc.assert(
        fc.property(fc.gen(), fc.constantFrom(1, 4, 7), (g, length) => {
          const x = drawTensor(g, [2, length, WIDTH]);
          expectNothingPasses(g, subjectOf(reader, x, isOfSteps), how, isOfSteps);
        }),
        { numRuns: runs(how ? 1 : 3) },
      );
    }
  });
});

describe('what is compiled for use', () => {
  it('gives for padding of any kind the same', () => {
    const x = uniform([3, 5, WIDTH], -1, 1, { generator: new Generator(2) });
    const mask = tensor([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1], [0, 0, 0, 0, 0]], { dtype: 'i32' });
    const dead = mask.equal(0);
    const models = [
      new Mamba(encoder), new Mamba2({ ...encoder, ...heads }),
      new Mamba3({ ...encoder, ...turning }),
    ];
    const both = new BiMamba({ ...bidirectional, pool: 'mean' });
    for (const value of odd) {
      const [clean, filled] = [fill(x, dead, 0), fill(x, dead, value)];
      for (const model of [...models, both]) {
        expectSame(model.predict(filled, { mask }), model.predict(clean, { mask }));
      }
      for (const model of models) {
        expectSame(flat(model.advance(filled, { mask })), flat(model.advance(clean, { mask })));
      }
    }
  });

  it('takes padding that is no token', () => {
    const model = new MambaLM({ ...sizes, vocabSize: TOKENS });
    const mask = tensor([[0, 1, 1], [1, 1, 1]], { dtype: 'i32' });
    const [clean, filled] = [0, -100].map((token) =>
      tensor([[token, 2, 3], [1, 4, 2]], { dtype: 'i32' }),
    );
    expectSame(model.forward(filled, { mask }), model.forward(clean, { mask }));
    expectSame(flat(model.prefill(filled, { mask })), flat(model.prefill(clean, { mask })));
  });

  it('steps on from states of any kind where a document begins', () => {
    const models = [
      new Mamba(encoder), new Mamba2({ ...encoder, ...heads }),
      new Mamba3({ ...encoder, ...turning }), new Mamba3({ ...encoder, ...turning, mimoRank: 2 }),
    ];
    for (const model of models) {
      const x = uniform([2, 1, WIDTH], -1, 1, { generator: new Generator(2) });
      const reset = tensor([[1], [1]], { dtype: 'i32' });
      const state = model.initialState(2).map((tensors) => Object.fromEntries(
        Object.entries(tensors).map(([name, x], i) => [name, x.add([NaN, -Infinity][i % 2])]),
      ));
      expectSame(flat(model.advance(x, { state, reset })), flat(model.advance(x)));
      expectSame(flat(model.scan(x, { state, reset })), flat(model.scan(x)));
    }
  });
});

describe('rows of nothing but padding', () => {
  it.each(pools.filter((pool) => pool !== 'none'))('have zeros as their %s', (pool) => {
    const mask = tensor([[0, 0, 0], [0, 1, 0]], { dtype: 'i32' });
    const x = uniform([2, 3, WIDTH], -1, 1, { generator: new Generator(2) });
    const models = [new BiMamba({ ...bidirectional, pool }), new Mamba({ ...encoder, pool })];
    for (const model of models) {
      const y = model.forward(x, { mask });
      expect(Array.from(y.narrow(0, 0, 1).data).every((value) => value === 0)).toBe(true);
      expect(y.data.every(Number.isFinite)).toBe(true);
      expect(Array.from(y.narrow(0, 1, 1).data).some((value) => value !== 0)).toBe(true);
    }
  });
});
