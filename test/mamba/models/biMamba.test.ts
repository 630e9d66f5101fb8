/** BiMamba: its mirror image, counts, what it sees, flags, pooling, dropout. */
import {
  BiMamba, BiMambaBlock, type BiMambaOptions, Mamba2Block, Mamba3Block, MambaBlock, SelectiveSSM,
} from '@mambagrad/mamba';
import {
  arange, compile, concat, manualSeed, type Tensor, uniform,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { type Draw, drawInteger, drawTensor } from '../../support/draw.ts';
import { checkGradients } from '../../support/gradients.ts';
import { drawDocuments, drawPlaces, maskOf, take } from '../../support/sequences.ts';
import { runs } from '../../support/soak.ts';

const pools = ['last', 'mean', 'ends', 'none'] as const;

/** Kinds of scans, and what they need beside the sizes. */
const kinds: readonly Partial<BiMambaOptions>[] = [
  {}, { layer: 'mamba', convSize: 3 }, { layer: 'mamba2', headDim: 2, chunkSize: 3 },
  { layer: 'mamba3', headDim: 2, stateSize: 4, chunkSize: 3 },
];

function drawOptions(g: Draw): BiMambaOptions {
  return {
    embedDim: drawInteger(g, 1, 4),
    hiddenSize: drawInteger(g, 1, 5),
    stateSize: drawInteger(g, 1, 3),
    ...kinds[drawInteger(g, 0, kinds.length - 1)],
    numLayers: drawInteger(g, 0, 3),
    combine: g(fc.boolean) ? 'add' : 'concat',
    pool: pools[drawInteger(g, 0, 3)],
    dropout: 0,
  };
}

const drawSequence = (g: Draw, { embedDim }: BiMambaOptions, batch = 2) =>
  drawTensor(g, [batch, drawInteger(g, 1, 9), embedDim]);

describe('BiMamba', () => {
  it('reversed, with its directions swapped, is the reverse of the original', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const options = { ...drawOptions(g), pool: 'none' } as const;
        const [model, mirror] = [0, 1].map(() => new BiMamba(options).to('f64'));
        const parameters = new Map(model.namedParameters());
        const swaps: Record<string, string> = { fromLeft: 'fromRight', fromRight: 'fromLeft' };
        for (const [name, parameter] of mirror.namedParameters()) {
          const source = name.replace(/fromLeft|fromRight/, (from) => swaps[from]);
          const value = parameters.get(source)?.detach() ?? parameter;
          const isHalved = name.endsWith('mixer.outProj.weight') && options.combine === 'concat';
          parameter.assign(isHalved ? concat(value.chunk(2, 1).reverse(), 1) : value);
        }
        const x = drawSequence(g, options);
        const [found, expected] = [mirror.forward(x.flip(1)).flip(1), model.forward(x)];
        if (options.combine === 'add') return expectSame(found, expected);
        // Here sums have another order, and norms of small rows magnify what that changes: as they
        // do the change of an input in its last digits.
        const noise = arange(0, x.numel).reshape(x.shape).cast('f64').sin().mul(1e-14);
        const moved = model.forward(x.add(noise)).sub(expected).abs().max();
        const floor = 3 * moved.item();
        expectClose(found, expected, 1e-13, floor);
      }),
      { numRuns: runs(40) },
    );
  });

  it('has the counts and sizes that it says without being built', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const options = drawOptions(g);
        const model = new BiMamba(options).to('f64');
        expect(model.parameterCount()).toBe(BiMamba.paramCount(options));
        const x = drawSequence(g, options);
        const size = BiMamba.outputSize(options);
        const shape = options.pool === 'none' ? [...x.shape.slice(0, 2), size] : [2, size];
        expect(model.forward(x).shape).toEqual(shape);
      }),
      { numRuns: runs(40) },
    );
    // Per layer: two norms, two scans of 256·(2·16 + 3·16 + 2), W of 1 or 2 and 3·4 squares.
    const layer = 2 * 256 + 2 * 256 * 82 + 13 * 256 ** 2;
    const others = 287 * 256 + 256 + 256;
    expect(BiMamba.paramCount({ embedDim: 287 })).toBe(4 * layer + others);
    const { combine, ...rest } = BiMamba.recommendedDefaults();
    expect(combine).toBe('add');
    expect(BiMamba.paramCount({ embedDim: 287, ...rest, combine: 'concat' })).toBe(
      4 * (layer + 256 ** 2) + others,
    );
  });

  it('pools what it gives for every step', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const options = drawOptions(g);
        const model = new BiMamba(options).to('f64');
        const x = drawSequence(g, options);
        const h = model.forwardSequence(x);
        const at = (t: number) => h.narrow(1, t, 1).squeeze(1);
        const last = at(h.shape[1] - 1);
        const pooled = { last, mean: h.mean(1), ends: concat([at(0), last], -1), none: h };
        expectClose(model.forward(x), pooled[options.pool ?? 'last'], 1e-15);
      }),
      { numRuns: runs(40) },
    );
  });

  it('keeps packed documents apart, in both directions', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const options = { ...drawOptions(g), pool: 'none' } as const;
        const model = new BiMamba(options).to('f64');
        const x = drawSequence(g, options);
        const { lengths, flags } = drawDocuments(g, x.shape);
        const alone = x.split(lengths, 1).map((document) => model.forward(document));
        expectClose(model.forward(x, flags), concat(alone, 1), 1e-12);
      }),
      { numRuns: runs(30) },
    );
  });

  it('passes over padding, whatever it pools', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const options = drawOptions(g);
        const model = new BiMamba(options).to('f64');
        const x = drawSequence(g, options);
        const places = drawPlaces(g, x.shape);
        if (places.numel === 0) return;
        const found = model.forward(x, { mask: maskOf(places, x.shape[1]) });
        const expected = model.forward(take(x, places));
        expectClose(options.pool === 'none' ? take(found, places) : found, expected, 1e-12);
      }),
      { numRuns: runs(40) },
    );
  });

  it('sees every step from every step, and no other row of the batch', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const options = { ...drawOptions(g), hiddenSize: 6, numLayers: 1 };
        const model = new BiMamba(options).to('f64');
        const x = drawSequence(g, options, 1);
        const whole = model.forwardSequence(x);
        const [length, t] = [x.shape[1], drawInteger(g, 0, x.shape[1] - 1)];
        const both = model.forwardSequence(x.concat([drawTensor(g, x.shape)]));
        expectClose(both.narrow(0, 0, 1), whole, 1e-13);
        const change = drawTensor(g, [1, 1, options.embedDim], 0.5, 1);
        const moved = x.add(change.pad([0, t, 0], [0, length - 1 - t, 0]));
        const effect = model.forwardSequence(moved).sub(whole).abs().max(-1).min();
        expect(effect.item()).toBeGreaterThan(0);
      }),
      { numRuns: runs(30) },
    );
  });

  it('has the gradients of finite differences for its input', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const options = drawOptions(g);
        const model = new BiMamba(options).to('f64');
        // A norm of few small numbers is steep, and bends within a step of 1e-6.
        checkGradients((x) => model.forward(x), [drawSequence(g, options)], { step: 1e-7 });
      }),
      { numRuns: 5 },
    );
  });

  it('has blocks of the kind that it is given, or scans alone', () => {
    const sizes = { embedDim: 4, hiddenSize: 4, stateSize: 4, numLayers: 1 };
    const inner = (options: Partial<BiMambaOptions>) => {
      const { mixer } = new BiMamba({ ...sizes, ...options }).layers[0];
      if (!(mixer instanceof BiMambaBlock)) throw new Error('no BiMambaBlock');
      const { fromLeft, fromRight } = mixer;
      expect(fromRight.constructor).toBe(fromLeft.constructor);
      return fromLeft;
    };
    expect(inner({})).toBeInstanceOf(SelectiveSSM);
    expect(inner({ layer: 'ssm', dtRank: 3 }).parameterCount()).toBe(
      4 * (2 * 4 + 3) + 4 * 3 + 4 + 4 * 4 + 4,
    );
    expect(inner({ layer: 'mamba' })).toBeInstanceOf(MambaBlock);
    expect(inner({ layer: 'mamba2', headDim: 4 })).toBeInstanceOf(Mamba2Block);
    expect(inner({ layer: 'mamba3', headDim: 4 })).toBeInstanceOf(Mamba3Block);
    expect(() => inner({ headDim: 4 })).toThrow(
      "BiMamba: headDim is an option of blocks of layer 'mamba2' or 'mamba3', the layer is 'ssm'",
    );
    expect(() => inner({ layer: 'mamba2', dtRank: 4 })).toThrow(
      "dtRank is an option of blocks of layer 'mamba', the layer is 'mamba2'",
    );
    expect(() => inner({ layer: 'lstm' as never })).toThrow(
      "layer is 'lstm', expected 'ssm' or 'mamba' or",
    );
  });

  it('drops out in training only, and predicts compiled', () => {
    const x = uniform([2, 5, 3]);
    const model = new BiMamba({ embedDim: 3, hiddenSize: 8, numLayers: 2, windowSize: 5 });
    const predicted = model.prepare(2).predict(x);
    const seeded = (f: (x: Tensor) => Tensor) => (manualSeed(3), f(x));
    const trained = seeded((input) => model.forward(input));
    expect(trained.sub(predicted).abs().max().item()).toBeGreaterThan(0.01);
    expectClose(seeded(compile((input: Tensor) => model.forward(input))), trained, 1e-5);
    expectClose(model.train(false).forward(x), predicted, 1e-5);
  });
});
