/** The Mamba-2 block: its start, its gradients, its chunks, and the gated norm. */
import { gatedRmsNorm, Mamba2Block } from '@mambagrad/mamba';
import { rmsNorm } from '@mambagrad/nn';
import { concat, Generator, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../../support/compare.ts';
import { drawInteger, drawTensor } from '../../support/draw.ts';
import { checkGradients } from '../../support/gradients.ts';
import { drawMamba2Sizes } from '../../support/sequences.ts';
import { runs } from '../../support/soak.ts';

describe('Mamba2Block', () => {
  it('starts as the authors say', () => {
    const block = new Mamba2Block({
      hiddenSize: 32,
      stateSize: 8,
      headDim: 2,
      numGroups: 4,
      generator: new Generator(1),
    });
    expect(block.namedParameters().map(([name, { shape }]) => [name, shape])).toEqual([
      ['inProj.weight', [64 + 128 + 32, 32]],
      ['conv1d.weight', [128, 1, 4]],
      ['conv1d.bias', [128]],
      ['dtBias', [32]],
      ['ALog', [32]],
      ['D', [32]],
      ['norm.weight', [64]],
      ['outProj.weight', [32, 64]],
    ]);
    const within = (x: Tensor, low: number, high: number) => {
      expect(x.min().item()).toBeGreaterThanOrEqual(low);
      expect(x.max().item()).toBeLessThanOrEqual(high);
      return x;
    };
    const delta = within(block.dtBias.softplus(), 0.000999, 0.1001);
    expect(delta.log().mean().item()).toBeCloseTo(Math.log(0.01), 0);
    const rates = within(block.ALog.exp(), 0.9999, 16.001);
    expect(Math.abs(rates.mean().item() - 8.5)).toBeLessThan(2.5);
    within(block.inProj.weight, -1 / Math.sqrt(32), 1 / Math.sqrt(32));
    expect(block.D.toArray()).toEqual(Array.from({ length: 32 }, () => 1));
    const undecayed = block.namedParameters().filter(([, { noWeightDecay }]) => noWeightDecay);
    expect(undecayed.map(([name]) => name)).toEqual(['dtBias', 'ALog', 'D', 'norm.weight']);
  });

  it('has the gradients of finite differences, for input and parameters', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const options = drawMamba2Sizes(g);
        const block = new Mamba2Block(options).to('f64');
        const parameters = block.namedParameters();
        const put = (values: readonly Tensor[]) =>
          parameters.forEach(([name], i) => setField(block, name.split('.'), values[i]));
        const x = drawTensor(g, [2, drawInteger(g, 1, 4), options.hiddenSize]);
        checkGradients(
          (input, ...values) => {
            put(values);
            return block.forward(input);
          },
          [x, ...block.parameters()],
          // A norm of few small numbers is steep.
          { step: 1e-6 },
        );
      }),
      { numRuns: 5 },
    );
  });

  it('gives the same for any size of its chunks', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 20 }), (g, length) => {
        const options = drawMamba2Sizes(g);
        const make = (chunkSize: number) =>
          new Mamba2Block({ ...options, chunkSize, generator: new Generator(1) }).to('f64');
        const x = drawTensor(g, [2, length, options.hiddenSize]);
        expectClose(make(drawInteger(g, 1, 25)).forward(x), make(1).forward(x), 1e-12);
      }),
      { numRuns: runs(30) },
    );
  });

  it('refuses heads that do not come out even', () => {
    expect(() => new Mamba2Block({ hiddenSize: 10, headDim: 8 })).toThrow(
      'Mamba2Block: 20 channels (expandFactor · hiddenSize) cannot be divided into heads of 8 in 1',
    );
    expect(() => new Mamba2Block({ hiddenSize: 8, headDim: 8, numGroups: 3 })).toThrow(
      'change headDim or numGroups',
    );
  });
});

function setField(owner: object, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (rest.length === 0) Reflect.set(owner, key, value);
  else setField(Reflect.get(owner, key) as object, rest, value);
}

describe('gatedRmsNorm', () => {
  it('gates before or after each group is normalised by itself', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [normGroups, width] = [drawInteger(g, 1, 3), drawInteger(g, 1, 4)];
        const [x, z] = [0, 1].map(() => drawTensor(g, [2, 3, normGroups * width]));
        const weight = drawTensor(g, [normGroups * width]);
        const normed = (y: Tensor): Tensor => {
          const weights = weight.split(width);
          return concat(y.split(width, -1).map((part, i) => rmsNorm(part, weights[i])), -1);
        };
        const run = (normBeforeGate: boolean) =>
          gatedRmsNorm(x, z, weight, { normGroups, normBeforeGate });
        expectClose(run(false), normed(x.mul(z.silu())), 1e-14);
        expectClose(run(true), normed(x).mul(z.silu()), 1e-14);
      }),
      { numRuns: runs(30) },
    );
  });
});
