/** Blocks and models give the states at the ends of packed documents, to go on from. */
import {
  documentEnds, Mamba2Block, Mamba3Block, MambaBlock, MambaLM, type MambaLMOptions, type Mixer,
} from '@mambagrad/mamba';
import { compile, concat, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../../support/compare.ts';
import { drawIndices, drawInteger, drawTensor } from '../../support/draw.ts';
import { drawDocuments, drawFlags } from '../../support/sequences.ts';
import { runs } from '../../support/soak.ts';

const sizes = { hiddenSize: 4, stateSize: 3, convSize: 3, learnableInitStates: true };
const heads = { headDim: 2, numGroups: 2, chunkSize: 3 };
const { convSize: _convSize, ...ofMamba3 } = { ...sizes, ...heads, stateSize: 4 };
const blocks: Readonly<Record<string, () => Mixer>> = {
  MambaBlock: () => new MambaBlock(sizes),
  Mamba2Block: () => new Mamba2Block({ ...sizes, ...heads }),
  Mamba3Block: () => new Mamba3Block(ofMamba3),
  'Mamba3Block of rank 2': () => new Mamba3Block({ ...ofMamba3, mimoRank: 2, ropeFraction: 1 }),
};

const flat = (state: object): Tensor =>
  concat(Object.values(state).map((x: Tensor) => x.reshape([x.shape[0], -1])), 1);

describe.each(Object.entries(blocks))('statesAt of %s', (_name, make) => {
  it('is the state of a scan that ends there, with all flags, from any state', () => {
    const block = make().to('f64');
    for (const [path, states] of block.namedParameters()) {
      if (path.endsWith('initStates')) states.assign(states.add(0.5));
    }
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 9 }), (g, length) => {
        const x = drawTensor(g, [2, length, 4]);
        const flags = drawFlags(g, [2, length]);
        const shapes = Object.entries(block.stateShapes(2));
        // Angles are from 0 to below 2π.
        const state = Object.fromEntries(shapes.map(([key, shape]) =>
          [key, key === 'theta' ? drawTensor(g, shape, 0, 6) : drawTensor(g, shape)]));
        const count = drawInteger(g, 0, 3);
        const steps = Int32Array.from({ length: 2 * count }, () => drawInteger(g, -1, length - 1));
        const statesAt = tensor(steps, { shape: [2, count] });
        const found = block.scan(x, { ...flags, state, statesAt });
        expectClose(found.y, block.scan(x, { ...flags, state }).y, 1e-14);
        if (!found.statesAt) throw new Error('there are no states');
        expect(found.statesAt.ssm.shape).toEqual(block.stateShapes(2 * count).ssm);
        steps.forEach((step, i) => {
          const row = Math.floor(i / count);
          const cut = (y: Tensor) => y.narrow(0, row, 1).narrow(1, 0, step + 1);
          const own = Object.entries(flags).map(([key, flag]: [string, Tensor | undefined]) =>
            [key, flag && cut(flag)]);
          const before = Object.fromEntries(
            Object.entries(state).map(([key, part]) => [key, part.narrow(0, row, 1)]));
          const alone = block.scan(cut(x), { ...Object.fromEntries(own), state: before });
          const states = flat(found.statesAt ?? {}).narrow(0, i, 1);
          expectClose(states, flat(alone.state), 1e-12);
        });
      }),
      { numRuns: runs(15) },
    );
  });
});

describe('statesAt of MambaLM', () => {
  const models: readonly MambaLMOptions[] = [
    { vocabSize: 7, hiddenSize: 4, numLayers: 2, stateSize: 3 },
    { vocabSize: 7, hiddenSize: 4, numLayers: 2, layer: 'mamba2', stateSize: 3, headDim: 4 },
    { vocabSize: 7, hiddenSize: 4, numLayers: 2, layer: 'mamba3', stateSize: 4, headDim: 4 },
  ];

  it.each(models)('goes on from each of the documents in a row', (options) => {
    const model = new MambaLM(options).to('f64');
    const program = compile((tokens: Tensor, segmentIds: Tensor) =>
      model.scan(tokens, { segmentIds, statesAt: documentEnds({ segmentIds }, 2) }));
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 9 }), (g, length) => {
        const tokens = drawIndices(g, [1, length], 7);
        const { lengths, flags } = drawDocuments(g, [1, length]);
        const statesAt = documentEnds(flags, lengths.length);
        const { statesAt: states } = model.scan(tokens, { ...flags, statesAt });
        if (!states) throw new Error('there are no states');
        const next = drawIndices(g, [lengths.length], 7);
        const { y } = model.step(next, states);
        let start = 0;
        const alone = lengths.map((count, i) => {
          const own = tokens.narrow(1, (start += count) - count, count);
          const text = concat([own, next.narrow(0, i, 1).unsqueeze(0)], 1);
          return model.forward(text).narrow(1, count, 1).squeeze(1);
        });
        expectClose(y, concat(alone, 0), 1e-12);
      }),
      { numRuns: runs(8) },
    );
    const tokens = tensor([[1, 2, 3, 4, 5]], { dtype: 'i32' });
    const segmentIds = tensor([[1, 1, 2, 2, 2]], { dtype: 'i32' });
    const { statesAt: found } = program(tokens, segmentIds);
    const { state } = model.scan(tokens.narrow(1, 2, 3));
    found?.forEach((layer, i) =>
      expectClose(flat(layer).narrow(0, 1, 1), flat(state[i]), 1e-12));
    expect(found).toHaveLength(2);
  });

  it('is refused where it cannot be right', () => {
    const model = new MambaLM(models[0]);
    const tokens = zeros([1, 3], { dtype: 'i32' });
    expect(() => model.scan(tokens, { statesAt: tokens.add(3) })).toThrow(
      'statesAt has the step 3',
    );
    const block = new Mamba3Block({ hiddenSize: 4, headDim: 4, stateSize: 4 });
    expect(() => block.scan(zeros([1, 3, 4]), { statesAt: tokens.add(3) })).toThrow(
      'Mamba3Block: statesAt has the step 3, expected steps from 0 to 2',
    );
  });
});
