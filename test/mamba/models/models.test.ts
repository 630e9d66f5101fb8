/** The models: initialisation, parameter counts, inference entries, and learning. */
import {
  Mamba, Mamba2, Mamba3, MambaBlock, MambaLM, type MambaLMOptions, type MambaOptions,
  selectiveCopying,
} from '@mambagrad/mamba';
import { AdamW, crossEntropy, Module, type Parameter } from '@mambagrad/nn';
import {
  arange, Generator, gradcheck, manualSeed, noGrad, ones, type Tensor, tensor, uniform,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { type Draw, drawInteger, drawTensor } from '../../support/draw.ts';
import { drawMamba2Sizes, drawMamba3Sizes } from '../../support/sequences.ts';
import { runs } from '../../support/soak.ts';

describe('MambaBlock', () => {
  it('starts as the paper says', () => {
    const block = new MambaBlock({ hiddenSize: 32, stateSize: 8, generator: new Generator(1) });
    expect(block.namedParameters().map(([name, { shape }]) => [name, shape])).toEqual([
      ['inProj.weight', [128, 32]],
      ['conv1d.weight', [64, 1, 4]],
      ['conv1d.bias', [64]],
      ['ssm.xProj.weight', [18, 64]],
      ['ssm.dtProj.weight', [64, 2]],
      ['ssm.dtProj.bias', [64]],
      ['ssm.ALog', [64, 8]],
      ['ssm.D', [64]],
      ['outProj.weight', [32, 64]],
    ]);
    const A = arange(1, 9).broadcastTo([64, 8]);
    expectClose(block.ssm.ALog.exp(), A, 1e-6);
    const delta = block.ssm.dtProj.bias.softplus();
    expect(delta.min().item()).toBeGreaterThanOrEqual(0.000999);
    expect(delta.max().item()).toBeLessThanOrEqual(0.1001);
    expect(delta.log().mean().item()).toBeCloseTo(Math.log(0.01), 0);
    expect(block.ssm.D.toArray()).toEqual(Array.from({ length: 64 }, () => 1));
    const undecayed = block.namedParameters().filter(([, { noWeightDecay }]) => noWeightDecay);
    expect(undecayed.map(([name]) => name)).toEqual([
      'ssm.dtProj.bias',
      'ssm.ALog',
      'ssm.D',
    ]);
  });

  it('has the parameter count of the formula', () => {
    // 2I·D + (I·K + I) + I(R + 2N) + (I·R + I) + I·N + I + D·I, at the README example of the paper.
    expect(new MambaBlock({ hiddenSize: 16 }).parameterCount()).toBe(3360);
  });

  it('has the gradients of finite differences, for input and parameters', () => {
    const block = new MambaBlock({ hiddenSize: 3, stateSize: 2, generator: new Generator(2) });
    block.to('f64');
    const parameters = block.parameters();
    const x = uniform([2, 4, 3], -1, 1, { dtype: 'f64', generator: new Generator(3) });
    gradcheck((input) => block.forward(input), [x]);
    const gradientOf = (parameter: Parameter): Tensor | undefined => {
      parameter.grad = undefined;
      block.forward(x).square().sum().backward();
      return parameter.grad;
    };
    for (const parameter of parameters) {
      const before = parameter.detach();
      const loss = () => block.forward(x).square().sum();
      const gradient = gradientOf(parameter);
      const h = 1e-5;
      const bump = tensor([h, ...new Array<number>(parameter.numel - 1).fill(0)], {
        shape: parameter.shape,
        dtype: 'f64',
      });
      const above = noGrad(() => (parameter.assign(before.add(bump)), loss().item()));
      const below = noGrad(() => (parameter.assign(before.sub(bump)), loss().item()));
      parameter.assign(before);
      expect(gradient?.data[0]).toBeCloseTo((above - below) / (2 * h), 6);
    }
  });
});

/** Options of all kinds; what they hold is drawn, and so is which are given. */
function drawOptions(g: Draw) {
  const size = (name: string, most: number) =>
    g(fc.boolean) ? { [name]: drawInteger(g, 1, most) } : {};
  return {
    ...size('stateSize', 5),
    ...size('expandFactor', 3),
    ...size('convSize', 5),
    ...size('dtRank', 4),
    ...size('numLayers', 3),
    ...(g(fc.boolean) && { bias: g(fc.boolean) }),
    ...(g(fc.boolean) && { convBias: g(fc.boolean) }),
  };
}

describe('paramCount', () => {
  it('is the count of what is built', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const common = { ...drawOptions(g), hiddenSize: drawInteger(g, 1, 20) };
        const encoder = { ...common, embedDim: drawInteger(g, 1, 20) };
        expect(Mamba.paramCount(encoder)).toBe(new Mamba(encoder).parameterCount());
        const tieEmbeddings = g(fc.boolean);
        const writer = { ...common, vocabSize: drawInteger(g, 1, 9), tieEmbeddings };
        expect(MambaLM.paramCount(writer)).toBe(new MambaLM(writer).parameterCount());
        const heads = drawMamba2Sizes(g);
        const second = { ...heads, embedDim: encoder.embedDim, numLayers: drawInteger(g, 0, 3) };
        expect(Mamba2.paramCount(second)).toBe(new Mamba2(second).parameterCount());
        const other = { ...writer, dtRank: undefined, ...heads, layer: 'mamba2' } as const;
        expect(MambaLM.paramCount(other)).toBe(new MambaLM(other).parameterCount());
        const turning = drawMamba3Sizes(g);
        const third = { ...turning, embedDim: encoder.embedDim, numLayers: drawInteger(g, 0, 3) };
        expect(Mamba3.paramCount(third)).toBe(new Mamba3(third).parameterCount());
      }),
      { numRuns: runs(40) },
    );
    for (const Model of [Mamba, Mamba2, Mamba3]) {
      const defaults = { embedDim: 7 };
      const count = Model.paramCount(defaults);
      expect(count).toBe(new Model(defaults).parameterCount());
      expect(count).toBe(Model.paramCount({ ...defaults, ...Model.recommendedDefaults() }));
    }
  });

  it.each([
    ['130m', 768, 24, 129_135_360],
    ['370m', 1024, 48, 371_516_416],
    ['790m', 1536, 48, 793_204_224],
    ['1.4b', 2048, 48, 1_372_178_432],
    ['2.8b', 2560, 64, 2_768_345_600],
  ])('is the published one of mamba-%s', (_name, hiddenSize, numLayers, count) => {
    expect(MambaLM.paramCount({ vocabSize: 50_280, hiddenSize, numLayers })).toBe(count);
  });

  it.each([
    ['mamba2-130m', { hiddenSize: 768, numLayers: 24 }, 128_989_632],
    ['mamba2-2.7b', { hiddenSize: 2560, numLayers: 64 }, 2_702_599_680],
    [
      'Codestral 7B',
      {
        ...{ vocabSize: 32_768, hiddenSize: 4096, numLayers: 64, numGroups: 8 },
        tieEmbeddings: false,
      },
      7_285_403_648,
    ],
  ])('is the published one of %s', (_name, options, count) => {
    const all = { vocabSize: 50_288, ...options, layer: 'mamba2' } as const;
    expect(MambaLM.paramCount(all)).toBe(count);
  });
});

class Outer extends Module {}

describe('Mamba', () => {
  const options = { embedDim: 5, hiddenSize: 8, stateSize: 4, numLayers: 1 };

  it('gives the last step of the sequence, projecting inputs of another size', () => {
    const model = new Mamba(options).to('f64');
    expect(model.embedding?.weight.shape).toEqual([8, 5]);
    expect(Mamba.outputSize(options)).toBe(8);
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const x = drawTensor(g, [2, drawInteger(g, 1, 7), 5]);
        const sequence = model.forwardSequence(x);
        expect(sequence.shape).toEqual([2, x.shape[1], 8]);
        expectSame(model.forward(x), sequence.narrow(1, x.shape[1] - 1, 1).squeeze(1));
      }),
      { numRuns: runs(20) },
    );
    expect(new Mamba({ embedDim: 8, hiddenSize: 8 }).embedding).toBeUndefined();
  });

  it('gives the last step that is no padding, of each row', () => {
    const model = new Mamba(options).to('f64');
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const length = drawInteger(g, 1, 7);
        const x = drawTensor(g, [3, length, 5]);
        const counts = [0, 1, 2].map(() => drawInteger(g, 1, length));
        const rows = counts.map((count) => Array.from({ length }, (_, t) => Number(t < count)));
        const found = model.forward(x, { mask: tensor(rows, { dtype: 'i32' }) });
        counts.forEach((count, row) => {
          const alone = model.forward(x.narrow(0, row, 1).narrow(1, 0, count));
          expectClose(found.narrow(0, row, 1), alone, 1e-13);
        });
      }),
      { numRuns: runs(20) },
    );
  });

  it('are prepared also without layers', () => {
    const model = new Mamba({ embedDim: 3, hiddenSize: 3, numLayers: 0 }).prepare(2);
    expect(model.predict(ones([2, 4, 3])).toArray()).toEqual([[1, 1, 1], [1, 1, 1]]);
  });

  it.each([
    ['Mamba', (sizes: MambaOptions) => new Mamba(sizes)],
    ['Mamba2', (sizes: MambaOptions) => new Mamba2({ ...sizes, headDim: 4 })],
    ['Mamba3', (sizes: MambaOptions) => new Mamba3({ ...sizes, headDim: 4 })],
  ])('%s predicts what it computes, with the parameters of the moment', (_name, make) => {
    const model = make({ ...options, windowSize: 6, dropout: 0.5 }).prepare(2);
    const x = uniform([2, 6, 5], -1, 1, { generator: new Generator(3) });
    const expected = () => {
      const y = noGrad(() => model.eval().forward(x));
      model.train();
      return y;
    };
    const first = model.predict(x);
    expectClose(first, expected(), 1e-5);
    expect(first.requiresGrad).toBe(false);
    for (const parameter of model.parameters()) parameter.assign(parameter.detach().mul(1.5));
    expectClose(model.predict(x), expected(), 1e-5);
    expect(model.predict(x).toArray()).not.toEqual(first.toArray());
    // Within another module, which does not tell it.
    Object.assign(new Outer(), { model }).to('f64').to('f32');
    for (const parameter of model.parameters()) parameter.assign(parameter.detach().mul(0.5));
    expectClose(model.predict(x), expected(), 1e-5);
    const { y } = x.split(1, 1).reduce(
      ({ state }, frame) => model.step(frame.squeeze(1), state),
      { y: x, state: model.initialState(2) },
    );
    expectClose(y, expected(), 1e-5);
    expect(model.training).toBe(true);
    expect(model.dropout.training).toBe(true);
  });

  it('leaves out a share of what blocks add, in training', () => {
    // In float64, as what a block adds may be little beside what it is added to.
    const model = new Mamba({ ...options, embedDim: 8, dropout: 0.3 }).to('f64');
    const row = uniform([1, 1, 8], -1, 1, { generator: new Generator(4) }).cast('f64');
    const x = row.broadcastTo([2000, 1, 8]);
    const addedTo = (result: Tensor) => result.sub(x.squeeze(1));
    manualSeed(1);
    const trained = model.forward(x);
    const ratio = addedTo(trained).div(addedTo(model.eval().forward(x)));
    const error = ratio.abs().minimum(ratio.sub(1 / 0.7).abs());
    expect(error.max().item()).toBeLessThan(1e-6);
    expectClose(ratio.mean(0), ones([8], { dtype: 'f64' }), 0.06);
  });

  it('has defaults to start from', () => {
    const model = new Mamba({ embedDim: 3, ...Mamba.recommendedDefaults(), hiddenSize: 16 });
    expect(model.layers).toHaveLength(2);
    expect(Mamba.outputSize(Mamba.recommendedDefaults())).toBe(256);
    const defaults: MambaLMOptions = MambaLM.recommendedDefaults();
    expect(MambaLM.outputSize(defaults)).toBe(256);
    expect(MambaLM.paramCount(defaults)).toBeLessThan(1e6);
  });
});

describe('training', () => {
  /** The losses of a few steps of a tiny model on selective copying. */
  function train(seed: number): number[] {
    const generator = new Generator(seed);
    const model = new MambaLM({ vocabSize: 6, hiddenSize: 12, stateSize: 4, generator });
    const optimizer = new AdamW(model.parameters(), { lr: 0.01 });
    return Array.from({ length: 30 }, () => {
      const { inputs, targets } = selectiveCopying(8, {
        tokens: 1,
        places: 4,
        vocabSize: 6,
        generator,
      });
      const loss: Tensor = crossEntropy(model.forward(inputs).narrow(1, 4, 1), targets);
      optimizer.minimize(loss);
      return loss.item();
    });
  }

  it('brings the loss down, and gives the same losses bit for bit from the same seed', () => {
    const losses = train(1);
    const mean = (part: number[]) => part.reduce((sum, loss) => sum + loss, 0) / part.length;
    expect(mean(losses.slice(-5))).toBeLessThan(0.75 * mean(losses.slice(0, 5)));
    expect(train(1)).toEqual(losses);
    expect(train(2)).not.toEqual(losses);
  });
});
