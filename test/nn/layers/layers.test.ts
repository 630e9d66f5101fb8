/** Layers: PyTorch’s golden values, of losses too, gradients, and definitions. */
import {
  binaryCrossEntropyWithLogits, CausalConv1d, causalConv1d, Conv1d, conv1d, crossEntropy,
  type CrossEntropyOptions, Dropout, Embedding, GatedFeedForward, initialize, LayerNorm, layerNorm,
  Linear, linear, mseLoss, RMSNorm, rmsNorm, Sequential,
} from '@mambagrad/nn';
import {
  compile, concat, Generator, gradcheck, ones, relu, type Tensor, tensor, uniform, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame, valueAndGradients } from '../../support/compare.ts';
import { drawIndices, drawInteger, drawShape, drawTensor } from '../../support/draw.ts';
import { opCases } from '../../support/golden.ts';
import { type Call, expectGolden, expectGoldenCompiled } from '../../support/goldenCase.ts';
import { runs } from '../../support/soak.ts';

const calls: Readonly<Record<string, Call>> = {
  linear: (_attributes, [x, weight, bias]) => linear(x, weight, bias),
  layer_norm: ({ eps }, [x, weight, bias]) => layerNorm(x, weight, bias, eps as number),
  rms_norm: ({ eps }, [x, weight]) => rmsNorm(x, weight, eps as number),
  conv1d_depthwise_causal: (_attributes, [x, weight, bias]) => causalConv1d(x, weight, bias),
  embedding: (_attributes, [table, tokens]) => {
    const layer = new Embedding(1, 1);
    return Object.assign(layer, { weight: table }).forward(tokens);
  },
  cross_entropy: (options, [logits, targets]) =>
    crossEntropy(logits, targets, options as CrossEntropyOptions),
  mse_loss: (_attributes, [x, targets]) => mseLoss(x, targets),
  bce_with_logits: (_attributes, [x, targets]) => binaryCrossEntropyWithLogits(x, targets),
};

describe.each(Object.entries(calls))('%s', (name, call) => {
  it('meets its golden values', () => {
    const cases = opCases(name);
    expect(cases.length).toBeGreaterThan(0);
    for (const golden of cases) expectGolden(golden, call);
  });

  it('meets them compiled, in float32', () => {
    for (const golden of opCases(name)) expectGoldenCompiled(golden, call);
  });
});

describe('gradients', () => {
  it('of the norms and the convolution are those of finite differences', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const x = drawTensor(g, [...drawShape(g, { maxRank: 2 }), 4]);
        const [weight, bias] = [drawTensor(g, [4]), drawTensor(g, [4])];
        gradcheck((input, scale) => rmsNorm(input, scale), [x, weight]);
        gradcheck((input, scale, shift) => layerNorm(input, scale, shift), [x, weight, bias]);
        const kernel = drawTensor(g, [4, drawInteger(g, 1, 5)]);
        const sequence = drawTensor(g, [drawInteger(g, 0, 2), drawInteger(g, 0, 6), 4]);
        gradcheck(causalConv1d, [sequence, kernel, bias]);
      }),
      { numRuns: runs(30) },
    );
  });

  it('of the loss are, too, with ignored targets and smoothing', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const shape = drawShape(g, { maxRank: 2 });
        const logits = drawTensor(g, [...shape, 5]);
        const targets = drawIndices(g, shape, 5);
        const ignoreIndex = drawInteger(g, -1, 4);
        const loss = (x: Tensor) => crossEntropy(x, targets, { ignoreIndex, labelSmoothing: 0.1 });
        if (targets.numel > 0) gradcheck(loss, [logits]);
        else expect(() => loss(logits)).toThrow('crossEntropy: the batch is empty');
      }),
      { numRuns: runs(40) },
    );
  });
});

describe('Linear', () => {
  it('gives in parts what it gives in one', () => {
    fc.assert(
      fc.property(fc.gen(), fc.boolean(), (g, bias) => {
        const sizes = [0, 1, 2].map(() => drawInteger(g, 1, 4));
        const inFeatures = drawInteger(g, 1, 5);
        const outFeatures = sizes.reduce((sum, size) => sum + size);
        const layer = new Linear(inFeatures, outFeatures, { bias }).to('f64');
        const x = drawTensor(g, [...drawShape(g, { maxRank: 2 }), inFeatures]);
        const inputs = [x, ...layer.parameters()];
        const using = (run: (input: Tensor) => Tensor) => (...[input, weight, shift]: Tensor[]) => {
          Object.assign(layer, { weight, bias: shift });
          return run(input);
        };
        const inParts = (input: Tensor) => concat(layer.forwardInParts(input, sizes), -1);
        const found = valueAndGradients(using(inParts), inputs);
        const expected = valueAndGradients(using((input) => layer.forward(input)), inputs);
        expect(found.gradients.length).toBe(bias ? 3 : 2);
        expectClose(found.value, expected.value, 1e-14);
        found.gradients.forEach((one, i) => expectClose(one, expected.gradients[i], 1e-14));
      }),
      { numRuns: runs(30) },
    );
    const layer = new Linear(2, 6, { bias: false });
    expect(() => layer.forwardInParts(ones([1, 2]), [2, 2])).toThrow('do not add up to 6');
  });
});

describe('Dropout', () => {
  const x = uniform([4, 50], 1, 2, { generator: new Generator(2), dtype: 'f64' });

  it('drops some numbers in training and scales the others; its gradient is that mask', () => {
    const layer = new Dropout(0.25, { generator: new Generator(1) });
    const input = x.detach();
    input.requiresGrad = true;
    const y = layer.forward(input);
    const kept = y.notEqual(0);
    expectClose(y, kept.where(x.div(0.75), 0), 1e-15);
    // 200 draws: within four standard deviations.
    expect(Math.abs(kept.sum().item() - 150)).toBeLessThan(25);
    y.backward({ cotangent: x });
    expectClose(input.grad ?? zeros([]), kept.where(x.div(0.75), 0), 1e-15);
    expect(layer.forward(x).equal(y).min().item()).toBe(0);
  });

  it('leaves all alone in use and with p = 0, and drops all with p = 1', () => {
    expect(new Dropout().eval().forward(x)).toBe(x);
    expect(new Dropout(0).forward(x)).toBe(x);
    expectSame(new Dropout(1).forward(x), x.mul(0));
    expect(() => new Dropout(1.5)).toThrow('Dropout: p is 1.5, expected a number from 0 to 1');
  });

  it('is compiled as it is run, and obeys train and eval between calls', () => {
    const make = () => {
      const dropout = new Dropout(0.5, { generator: new Generator(3) });
      return new Sequential(new Linear(50, 8, { generator: new Generator(4) }), relu, dropout);
    };
    const [eager, model] = [make(), make()];
    let traces = 0;
    const compiled = compile((input: Tensor) => {
      traces += 1;
      return model.forward(input);
    });
    const input = x.cast('f32');
    for (const training of [true, true, false, true, false, false, true]) {
      eager.train(training);
      model.train(training);
      expectClose(compiled(input), eager.forward(input), 1e-6);
    }
    expect(traces).toBe(2);
    // One layer by itself counts as well.
    for (const network of [eager, model]) network.namedModules().at(-1)?.[1].eval();
    expect(model.training).toBe(true);
    expectClose(compiled(input), eager.forward(input), 1e-6);
  });
});

describe('layers', () => {
  it('start within the bounds of PyTorch’s, repeatably', () => {
    const make = () => new Linear(16, 64, { generator: new Generator(1) });
    const layer = make();
    expectSame(make().weight, layer.weight);
    const conv = new Conv1d(6, 42, 2, { groups: 3 });
    expect(conv.weight.shape).toEqual([42, 2, 2]);
    const causal = new CausalConv1d(20, 4);
    expect(causal.weight.shape).toEqual([20, 4]);
    for (const { weight, bias } of [layer, conv, causal]) {
      const fanIn = weight.numel / weight.shape[0];
      for (const drawn of [weight, bias ?? weight]) {
        expect(drawn.abs().max().item()).toBeLessThanOrEqual(1 / Math.sqrt(fanIn));
        expect(drawn.abs().max().item()).toBeGreaterThan(0.8 / Math.sqrt(fanIn));
      }
    }
    expect(new Conv1d(6, 4, 3, { bias: false }).bias).toBeUndefined();
  });

  it('may start otherwise', () => {
    expect(new Linear(2, 2, { init: 'ones' }).weight.toArray()).toEqual([[1, 1], [1, 1]]);
    const draw = () => new Generator(5);
    const weight = initialize([3, 2, 4], 'xavierNormal', { generator: draw() });
    expectSame(new Conv1d(2, 3, 4, { init: 'xavierNormal', generator: draw() }).weight, weight);
  });

  it('normalise what passes them', () => {
    const x = tensor([[1, 2, 3, 4]]);
    expect(new RMSNorm(4).forward(x).square().mean().item()).toBeCloseTo(1, 4);
    expect(new LayerNorm(4).forward(x).mean().item()).toBeCloseTo(0, 6);
  });

  it('refuse what they would repeat, and what is no tensor', () => {
    expect(() => new RMSNorm(4).forward(ones([2, 1]))).toThrow(
      'RMSNorm: x is f32[2, 1], expected f32[..., 4]',
    );
    expect(() => new LayerNorm(4).forward(ones([]))).toThrow('LayerNorm: x is f32[], exp');
    const [matrix, wrong] = [ones([2, 2]), [[1, 2]] as never];
    expect(() => linear(wrong, matrix)).toThrow('linear: x is [[…]], expected a tensor');
    expect(() => linear(matrix, wrong)).toThrow('linear: weight is [[…]], expected a tensor');
    expect(() => rmsNorm(wrong, matrix)).toThrow('rmsNorm: x is [[…]], expected a tensor');
    expect(() => layerNorm(matrix, matrix, wrong)).toThrow('layerNorm: bias is [[…]], expected a');
    expect(() => conv1d(matrix, wrong)).toThrow('conv1d: weight is [[…]], expected a tensor');
    expect(() => causalConv1d(matrix, wrong)).toThrow('causalConv1d: weight is [[…]], expected');
  });

  it('convolve in groups, with the padding asked for', () => {
    const x = uniform([2, 5, 4]);
    const layer = new Conv1d(4, 6, 3, { groups: 2, padding: 'causal' });
    const { weight, bias } = layer;
    expectSame(layer.forward(x), conv1d(x, weight, bias, { groups: 2, padding: 'causal' }));
    expect(new Conv1d(4, 6, 3).forward(x).shape).toEqual([2, 3, 6]);
    expect(new Conv1d(4, 6, 3, { padding: 1 }).forward(x).shape).toEqual([2, 5, 6]);
  });

  it('follow one another in Sequential, modules and functions', () => {
    const [first, last] = [new Linear(3, 4), new Linear(4, 2)];
    const model = new Sequential(first, relu, last);
    const x = uniform([5, 3], -1, 1);
    expectSame(model.forward(x), last.forward(first.forward(x).relu()));
    expect(model.namedParameters().map(([name]) => name)).toEqual([
      '0.weight',
      '0.bias',
      '2.weight',
      '2.bias',
    ]);
    expect(new Sequential().forward(x)).toBe(x);
  });

  it('are gated by a projection of their input', () => {
    const layer = new GatedFeedForward(3, 5, { bias: true });
    const { gateProj, upProj, downProj } = layer;
    const x = uniform([2, 3], -1, 1);
    const [gate, up] = [gateProj.forward(x), upProj.forward(x)];
    expectClose(layer.forward(x), downProj.forward(gate.mul(gate.sigmoid()).mul(up)), 1e-6);
    expect(layer.parameterCount()).toBe(2 * (3 * 5 + 5) + 5 * 3 + 3);
    expect(new GatedFeedForward(6).parameterCount()).toBe(3 * 6 * 16);
  });
});

describe('initialize', () => {
  const shape = [30, 20, 10];
  const [fanIn, fanOut] = [20 * 10, 30 * 10];
  const stds = {
    normal: 1,
    xavierUniform: Math.sqrt(2 / (fanIn + fanOut)),
    xavierNormal: Math.sqrt(2 / (fanIn + fanOut)),
    kaimingUniform: Math.sqrt(2 / fanIn),
    kaimingNormal: Math.sqrt(2 / fanIn),
  } as const;

  it.each(Object.keys(stds) as (keyof typeof stds)[])('%s has its deviation', (name) => {
    const draw = (options = {}) =>
      initialize(shape, name, { generator: new Generator(3), ...options });
    const values = draw();
    // 6000 values: the deviation within five of its own standard deviations.
    expect(values.std().item() / stds[name]).toBeCloseTo(1, 1);
    expect(Math.abs(values.mean().item())).toBeLessThan(0.07 * stds[name]);
    const largest = values.abs().max().item() / stds[name];
    if (name.endsWith('Uniform')) expect(largest).toBeCloseTo(Math.sqrt(3), 2);
    else expect(largest).toBeGreaterThan(3);
    const scaled = draw({ gain: name.startsWith('kaiming') ? Math.sqrt(8) : 2 });
    expectClose(scaled, values.mul(2), 1e-6);
  });

  it('gives zeros and ones', () => {
    expect(initialize([2], 'zeros').toArray()).toEqual([0, 0]);
    expect(initialize([2], 'ones').toArray()).toEqual([1, 1]);
  });
});
