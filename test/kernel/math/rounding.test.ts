/** What sums and products round off, found exactly; and sums that keep it. */
import * as k from '@mambagrad/kernel';
import { compile, grad, tensor, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runTwins } from '../language/twins.ts';
import { runs } from '../../support/soak.ts';

const floats = fc.float({ min: -1e6, max: 1e6, noNaN: true, noDefaultInfinity: true });
/** Of such sizes that float64 holds each sum and product exactly. */
const ordinary = floats.filter((x) => Math.abs(x) > 1e-2);

describe('what is rounded off', () => {
  it.each([
    ['sum', k.add, k.twoSumError, (a: number, b: number) => a + b],
    ['product', k.mul, k.twoProductError, (a: number, b: number) => a * b],
  ] as const)('of a %s is what float64 has more', (_name, combine, lost, exact) => {
    const [x, y] = [k.buffer('x', 'f32', 2), k.buffer('y', 'f32', 2)];
    const [a, b] = [k.load(x, 0), k.load(x, 1)];
    const result = combine(a, b);
    const kernel = k.kernel('lost', [x, y], [
      k.store(y, 0, result), k.store(y, 1, lost(a, b, result)),
    ]);
    fc.assert(
      fc.property(ordinary, ordinary, (left, right) => {
        const [found, rest] = runTwins(kernel, new Map([[x, [left, right]]])).get(y) ?? [];
        expect(found).toBe(Math.fround(exact(left, right)));
        expect(rest + 0).toBe(exact(left, right) - found);
      }),
    );
  });
});

describe('a long sum', () => {
  it('is, of any length and numbers, within a few roundings of that of its sizes', () => {
    const lengths = fc.integer({ min: 0, max: 3000 });
    fc.assert(
      fc.property(lengths, fc.array(floats, { minLength: 1, maxLength: 9 }), (length, few) => {
        const numbers = Array.from({ length }, (_, i) => few[(i * i) % few.length]);
        const [x, y] = [k.buffer('x', 'f32', length), k.buffer('y', 'f32', 1)];
        const total = k.variable('total', 'f32');
        const kernel = k.kernel('sum', [x, y], [
          k.reduce(total, length, k.sum, (i) => k.load(x, i)), k.store(y, 0, total),
        ]);
        const [found] = runTwins(kernel, new Map([[x, numbers]])).get(y) ?? [];
        const [exact, sizes] = [(n: number) => n, Math.abs].map((of) =>
          numbers.reduce((sum, one) => sum + of(one), 0),
        );
        expect(Math.abs(found - exact)).toBeLessThanOrEqual(16 * 2 ** -24 * sizes);
      }),
      { numRuns: runs(50) },
    );
  });
});

describe('sine and cosine far out', () => {
  it('have gradients, which are each other', () => {
    const times = [1.7e9, -1.7e9, 2 ** 20 + 1, 3.4e38, -1e30, 16367173 * 2 ** 72, Infinity, 3];
    const x = tensor(times, { requiresGrad: true });
    const both = (one: Tensor): Tensor[] => [
      one.sin(), one.cos(), ...[one.sin(), one.cos()].flatMap((y) => grad(y.sum(), [one])),
    ];
    for (const backend of ['wasm', 'js'] as const) {
      const [sine, cosine, ofSine, ofCosine] = compile(both, { backend })(x);
      x.data.forEach((at, i) => {
        const expected = [Math.sin(at), Math.cos(at), Math.cos(at), -Math.sin(at)];
        [sine, cosine, ofSine, ofCosine].forEach(({ data }, n) => {
          if (Number.isNaN(expected[n])) expect(data[i]).toBeNaN();
          else expect(Math.abs(data[i] / expected[n] - 1)).toBeLessThan(2.5e-7);
        });
      });
    }
  });
});
