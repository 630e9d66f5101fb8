/** The layers and losses: PyTorch's golden values, gradients, and what modules list. */
import {
  CausalConv1d,
  causalConv1d,
  crossEntropy,
  type CrossEntropyOptions,
  Embedding,
  LayerNorm,
  layerNorm,
  Linear,
  linear,
  Module,
  Parameter,
  RMSNorm,
  rmsNorm,
} from '@mambagrad/nn';
import { Generator, gradcheck, ones, tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../support/compare.ts';
import { drawIndices, drawInteger, drawShape, drawTensor } from '../support/draw.ts';
import { opCases } from '../support/golden.ts';
import { type Call, expectGolden, expectGoldenCompiled } from '../support/goldenCase.ts';

const embedding = new Embedding(1, 1);

const calls: Readonly<Record<string, Call>> = {
  linear: (_attributes, [x, weight, bias]) => linear(x, weight, bias),
  layer_norm: ({ eps }, [x, weight, bias]) => layerNorm(x, weight, bias, eps as number),
  rms_norm: ({ eps }, [x, weight]) => rmsNorm(x, weight, eps as number),
  conv1d_depthwise_causal: (_attributes, [x, weight, bias]) => causalConv1d(x, weight, bias),
  embedding: (_attributes, [table, tokens]) =>
    Object.assign(embedding, { weight: table }).forward(tokens),
  cross_entropy: (options, [logits, targets]) =>
    crossEntropy(logits, targets, options as CrossEntropyOptions),
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
      { numRuns: 30 },
    );
  });

  it('of the loss are, too, with ignored targets and smoothing', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const shape = drawShape(g, { maxRank: 2 });
        const logits = drawTensor(g, [...shape, 5]);
        const targets = drawIndices(g, shape, 5);
        const ignoreIndex = drawInteger(g, -1, 4);
        gradcheck((x) => crossEntropy(x, targets, { ignoreIndex, labelSmoothing: 0.1 }), [logits]);
      }),
      { numRuns: 40 },
    );
  });
});

describe('causalConv1d', () => {
  it('is the sum of its definition, and sees nothing of the future', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [length, channels, kernel] = [8, 3, 5].map((max) => drawInteger(g, 1, max));
        const x = drawTensor(g, [1, length, channels]);
        const weight = drawTensor(g, [channels, kernel]);
        const bias = drawTensor(g, [channels]);
        const expected = Array.from({ length: length * channels }, (_, i) => {
          const [t, d] = [Math.floor(i / channels), i % channels];
          let sum = bias.data[d];
          for (let k = 0; k < kernel; k++) {
            const from = t - (kernel - 1) + k;
            if (from >= 0) sum += weight.data[d * kernel + k] * x.data[from * channels + d];
          }
          return sum;
        });
        const y = causalConv1d(x, weight, bias);
        expectClose(y, tensor(expected, { shape: x.shape, dtype: 'f64' }), 1e-14);
        const t = drawInteger(g, 0, length - 1);
        const future = x.narrow(1, t, length - t).add(1);
        const changed = x.narrow(1, 0, t).concat([future], 1);
        const same = causalConv1d(changed, weight, bias).narrow(1, 0, t);
        expectSame(same, y.narrow(1, 0, t));
      }),
    );
  });
});

describe('crossEntropy', () => {
  it('is 0 where every target is to be ignored, and refuses shapes that do not fit', () => {
    const logits = zeros([2, 3]);
    expect(crossEntropy(logits, tensor([-100, -100], { dtype: 'i32' })).item()).toBe(-0);
    expect(() => crossEntropy(logits, tensor([0, 1, 2], { dtype: 'i32' }))).toThrow(
      'crossEntropy: logits have the shape [2, 3], targets are i32[3]; expected [..., classes]',
    );
    expect(() => crossEntropy(logits, tensor([0, 3], { dtype: 'i32' }))).toThrow('index 3');
  });
});

class Pair extends Module {
  readonly first = new Linear(2, 3);
  readonly rest = [new Linear(3, 1, { bias: false }), new RMSNorm(3)];
  readonly tied: Parameter = this.first.weight;
  readonly constant = ones([2]);
}

describe('Module', () => {
  it('lists parameters by path, in order, each once', () => {
    const model = new Pair();
    expect(model.namedParameters().map(([name]) => name)).toEqual([
      'first.weight',
      'first.bias',
      'rest.0.weight',
      'rest.1.weight',
    ]);
    expect(model.parameters()).toHaveLength(4);
    expect(model.parameterCount()).toBe(6 + 3 + 3 + 3);
  });

  it('changes dtype as a whole and keeps what is tied', () => {
    const model = new Pair().to('f64');
    expect(model.parameters().map(({ dtype }) => dtype)).toEqual(['f64', 'f64', 'f64', 'f64']);
    expect(model.tied).toBe(model.first.weight);
    expect(model.first.forward(ones([1, 2], { dtype: 'f64' })).dtype).toBe('f64');
  });
});

describe('layers', () => {
  it('start within the bounds of PyTorch’s, repeatably', () => {
    const generator = () => new Generator(1);
    const layer = new Linear(16, 64, { generator: generator() });
    const bound = 1 / 4;
    expect(layer.weight.abs().max().item()).toBeLessThanOrEqual(bound);
    expect(layer.weight.abs().max().item()).toBeGreaterThan(0.9 * bound);
    expectSame(new Linear(16, 64, { generator: generator() }).weight, layer.weight);
    const conv = new CausalConv1d(8, 4);
    expect(conv.weight.shape).toEqual([8, 4]);
    expect(conv.weight.abs().max().item()).toBeLessThanOrEqual(1 / 2);
  });

  it('normalise what passes them', () => {
    const x = tensor([[1, 2, 3, 4]]);
    expect(new RMSNorm(4).forward(x).square().mean().item()).toBeCloseTo(1, 4);
    expect(new LayerNorm(4).forward(x).mean().item()).toBeCloseTo(0, 6);
  });
});
