/** What floating point does at its edges: the whole float32 range, infinities, NaN, long sums. */
import { erf } from '../../../packages/tensor/src/core/special.ts';
import { full, ones, ops, type Tensor, tensor, uniform, Generator } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** float32 numbers of every magnitude, both signs, zeros and the largest ones included. */
const float32 = () => fc.float({ noNaN: true, noDefaultInfinity: true });

/** Computed in float32, against the same op in float64: equal but for a few last bits. */
function expectAccurate(op: (x: Tensor) => Tensor, x: number, ulps: number): void {
  const found = op(tensor([x])).item();
  const expected = op(tensor([x], { dtype: 'f64' })).item();
  const rounded = Math.fround(expected);
  if (found === rounded) return;
  // Results below the smallest normal number have fewer bits.
  const unit = Math.max(Math.abs(rounded) * 2 ** -23, 2 ** -149);
  expect(Math.abs(found - rounded), `at ${x}: ${found}, not ${rounded}`).toBeLessThanOrEqual(
    ulps * unit,
  );
}

describe('over the whole float32 range', () => {
  const accurate: [string, (x: Tensor) => Tensor][] = [
    ['sigmoid', ops.sigmoid],
    ['softplus', ops.softplus],
    ['expm1', ops.expm1],
    ['log1p', (x) => x.abs().log1p()],
    ['tanh', ops.tanh],
    ['exp', ops.exp],
    ['erf', ops.erf],
    ['sqrt', (x) => x.abs().sqrt()],
  ];

  it.each(accurate)('%s is exact to the last bit', (_name, op) => {
    fc.assert(fc.property(float32(), (x) => expectAccurate(op, x, 1)), { numRuns: 500 });
  });

  it('softmax and logsumexp neither overflow nor give NaN', () => {
    fc.assert(
      fc.property(fc.array(float32(), { minLength: 1, maxLength: 6 }), (values) => {
        const x = tensor(values);
        const p = x.softmax();
        expect(p.data.every((value: number) => value >= 0 && value <= 1)).toBe(true);
        expect(p.sum().item()).toBeCloseTo(1, 5);
        const total = x.logsumexp().item();
        const largest = x.max().item();
        expect(total).toBeGreaterThanOrEqual(largest);
        const most = Math.fround(largest + Math.log(6)) + Math.abs(largest) * 1e-6;
        expect(total).toBeLessThanOrEqual(most);
        expect(x.logSoftmax().max().item()).toBeLessThanOrEqual(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the error function', () => {
  it('is exact to 15 digits at values from tables, odd, and 1 far out', () => {
    const table: [number, number][] = [
      [0.1, 0.1124629160182849],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [2, 0.9953222650189527],
      [2.5, 0.999593047982555],
      [3, 0.9999779095030014],
      [4, 0.9999999845827421],
    ];
    for (const [x, value] of table) {
      expect(Math.abs(erf(x) - value)).toBeLessThan(4e-16);
      expect(erf(-x)).toBe(-erf(x));
    }
    expect([erf(7), erf(-7), erf(Infinity)]).toEqual([1, -1, 1]);
    expect(erf(NaN)).toBeNaN();
    expect(Object.is(erf(-0), -0)).toBe(true);
  });

  it('has no step where its two halves meet', () => {
    for (const x of [2.5 - 1e-9, 2.5, 2.5 + 1e-9]) {
      const slope = (2 / Math.sqrt(Math.PI)) * Math.exp(-6.25);
      expect(Math.abs(erf(x) - (0.999593047982555 + (x - 2.5) * slope))).toBeLessThan(1e-15);
    }
  });
});

describe('infinities and NaN', () => {
  const x = tensor([NaN, Infinity, -Infinity, 0, -0]);
  const expected: [string, (x: Tensor) => Tensor, number[]][] = [
    ['neg', ops.neg, [NaN, -Infinity, Infinity, -0, 0]],
    ['abs', ops.abs, [NaN, Infinity, Infinity, 0, 0]],
    ['exp', ops.exp, [NaN, Infinity, 0, 1, 1]],
    ['log', ops.log, [NaN, Infinity, NaN, -Infinity, -Infinity]],
    ['sqrt', ops.sqrt, [NaN, Infinity, NaN, 0, -0]],
    ['reciprocal', ops.reciprocal, [NaN, 0, -0, Infinity, -Infinity]],
    ['tanh', ops.tanh, [NaN, 1, -1, 0, -0]],
    ['sigmoid', ops.sigmoid, [NaN, 1, 0, 0.5, 0.5]],
    ['softplus', ops.softplus, [NaN, Infinity, 0, Math.fround(Math.LN2), Math.fround(Math.LN2)]],
    ['relu', ops.relu, [NaN, Infinity, 0, 0, 0]],
    ['sign', ops.sign, [NaN, 1, -1, 0, -0]],
    ['round', ops.round, [NaN, Infinity, -Infinity, 0, -0]],
    ['isNaN', ops.isNaN, [1, 0, 0, 0, 0]],
    ['isFinite', ops.isFinite, [0, 0, 0, 1, 1]],
  ];

  it.each(expected)('go through %s as IEEE 754 and NumPy have it', (_name, op, values) => {
    expect(Array.from(op(x).data)).toEqual(values);
  });

  it('go through reductions', () => {
    expect(tensor([1, Infinity]).sum().item()).toBe(Infinity);
    expect(tensor([1, Infinity], { dtype: 'f64' }).sum().item()).toBe(Infinity);
    expect(tensor([-Infinity, Infinity], { dtype: 'f64' }).sum().item()).toBeNaN();
    expect(tensor([1, NaN]).prod().item()).toBeNaN();
    expect(tensor([-Infinity, -Infinity]).logsumexp().item()).toBe(-Infinity);
    expect(tensor([1, Infinity]).logsumexp().item()).toBe(Infinity);
  });

  it('round goes to the even one of two neighbours', () => {
    const halves = tensor([0.5, 1.5, 2.5, -0.5, -1.5, 2.4999998]);
    expect(Array.from(halves.round().data)).toEqual([0, 2, 2, -0, -2, 2]);
  });
});

describe('sums of a million terms', () => {
  it('are exact to the last bit in float32', () => {
    const x = full([1_000_000], 0.1);
    expect(x.sum().item()).toBe(Math.fround(1e6 * Math.fround(0.1)));
    expect(x.mean().item()).toBeCloseTo(0.1, 7);
  });

  it('lose nothing in float64, even where large terms cancel', () => {
    const x = uniform([1_000_000], -1, 1, { dtype: 'f64', generator: new Generator(8) });
    const shuffled = x.concat([x.neg().flip()]);
    expect(Math.abs(shuffled.sum().item())).toBeLessThan(1e-13);
    expect(tensor([1e100, 1, -1e100], { dtype: 'f64' }).sum().item()).toBe(1);
    expect(tensor([[1e100], [1], [-1e100]], { dtype: 'f64' }).sum(0).item()).toBe(1);
  });
});

describe('gradients at points where rules divide', () => {
  const gradientOf = (f: (x: Tensor) => Tensor, values: number[]) => {
    const x = tensor(values, { dtype: 'f64', requiresGrad: true });
    f(x).sum().backward();
    return Array.from(x.grad?.data ?? []);
  };

  it('are finite', () => {
    expect(gradientOf((x) => x.norm(), [0, 0])).toEqual([0, 0]);
    expect(gradientOf((x) => x.prod(), [0, 2, 3])).toEqual([6, 0, 0]);
    expect(gradientOf((x) => x.prod(), [0, 0, 3])).toEqual([0, 0, 0]);
    const clamped = (x: Tensor) => x.clamp({ min: -1, max: 1 });
    expect(gradientOf(clamped, [-2, -1, 0, 1, 2])).toEqual([0, 1, 1, 1, 0]);
    expect(gradientOf((x) => x.softplus(), [-1000, 0, 1000])).toEqual([0, 0.5, 1]);
    expect(gradientOf((x) => x.abs(), [-0, 0, NaN])).toEqual([0, 0, 0]);
    expect(gradientOf((x) => ones([1], { dtype: 'f64' }).div(x), [2])).toEqual([-0.25]);
  });
});
