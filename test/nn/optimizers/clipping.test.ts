/** The norm of all gradients, and gradients clipped to it, of any size. */
import { Adam, clipNorm, globalNorm, Parameter } from '@mambagrad/nn';
import { compile, ones, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { drawInteger, drawShape, drawTensor } from '../../support/draw.ts';
import { runs } from '../../support/soak.ts';

describe('clipNorm', () => {
  it('scales all gradients by one factor, to the norm asked for and never up', () => {
    fc.assert(
      fc.property(fc.gen(), fc.double({ min: 1e-3, max: 20, noNaN: true }), (g, maxNorm) => {
        const count = drawInteger(g, 1, 3);
        const gradients = Array.from({ length: count }, () => drawTensor(g, drawShape(g)));
        const all = gradients.flatMap(({ data }) => [...data]);
        const expected = Math.hypot(...all);
        const { clipped, norm } = clipNorm(gradients, maxNorm);
        expect(norm.item()).toBeCloseTo(expected, 12);
        const factor = Math.min(1, maxNorm / (expected + 1e-6));
        clipped.forEach((found, i) => expectClose(found, gradients[i].mul(factor), 1e-14));
      }),
    );
  });
});
describe('large and small gradients', () => {
  const f64 = { dtype: 'f64' } as const;
  const anyNumber = fc.double({ min: 0.5, max: 1, noNaN: true });

  it('have a norm wherever it is a float32, with the bits of a plain sum where that works', () => {
    const exponent = fc.integer({ min: -140, max: 120 });
    fc.assert(
      fc.property(fc.array(anyNumber, { minLength: 1, maxLength: 20 }), exponent, (numbers, e) => {
        const values = numbers.map((x, i) => (i % 2 ? -1 : 1) * x * 2 ** e);
        const x = tensor(values);
        const exact = Math.hypot(...x.data);
        for (const norm of [globalNorm, compile((all: Tensor[]) => globalNorm(all))]) {
          const found = norm([x.narrow(0, 0, 1), x.narrow(0, 1, x.numel - 1)]).item();
          // The least number is 2^-149, so small ones have fewer digits.
          expect(Math.abs(found - exact)).toBeLessThanOrEqual(1e-6 * exact + 2 ** -149);
        }
        const plain = x.square().sum().sqrt();
        if (Math.abs(e) < 40) expectSame(globalNorm([x]), plain);
      }),
      { numRuns: runs(60) },
    );
  });

  it('have a norm in f64 beyond the roots of its range, and none of NaN and infinities', () => {
    for (const size of [1e-200, 1e-160, 1, 1e160, 1e300]) {
      expect(globalNorm([tensor([3 * size, 4 * size], f64)]).item() / size).toBeCloseTo(5, 12);
    }
    expect(globalNorm([]).item()).toBe(0);
    expect(globalNorm([ones([0]), tensor([0, -0])]).item()).toBe(0);
    for (const wrong of [NaN, Infinity, -Infinity]) {
      expect(globalNorm([tensor([1, wrong])]).item()).toBe(Math.abs(wrong));
    }
    expect(() => globalNorm(ones([2]) as never)).toThrow('globalNorm: tensors is f32[2]');
  });

  it('have a norm with a gradient', () => {
    for (const size of [1e-30, 1e-3, 1, 1e12, 1e25]) {
      const x = tensor([3 * size, -4 * size]);
      x.requiresGrad = true;
      globalNorm([x]).backward();
      expectClose(x.grad ?? ones([]), tensor([0.6, -0.8]), 1e-6);
    }
  });

  it('are clipped to the norm asked for, and not to 0', () => {
    for (const size of [1e20, 1e-25, 3e37]) {
      const gradients = [tensor([3 * size]), tensor([4 * size])];
      const { clipped, norm } = clipNorm(gradients, 1);
      expect(norm.item() / size).toBeCloseTo(5, 5);
      if (size > 1) clipped.forEach((g, i) => expect(g.item()).toBeCloseTo([0.6, 0.8][i], 5));
      else clipped.forEach((g, i) => expectSame(g, gradients[i]));
    }
    for (const maxNorm of [0, -1, NaN]) {
      expect(() => clipNorm([ones([1])], maxNorm)).toThrow(`clipNorm: maxNorm is ${maxNorm}`);
    }
    const same = ones([1]).mul(1e6);
    expectSame(clipNorm([same], Infinity).clipped[0], same);
  });

  it.each([1e19, 1e20, 5e20, 1e-15])('of %d move by the rate in Adam’s first step', (size) => {
    for (const how of [(f: () => void) => f, compile<[], void>]) {
      const parameter = new Parameter(tensor([1, 1]));
      const optimizer = new Adam([parameter], { lr: 0.25, eps: 0 });
      how(() => optimizer.minimize(parameter.mul(tensor([size, -size])).sum()))();
      expectClose(parameter, tensor([0.75, 1.25]), 1e-5);
    }
  });
});
