/** Threefry against its published vectors, and the streams made of it. */
import {
  bernoulli,
  Generator,
  integers,
  manualSeed,
  normal,
  permutation,
  type Tensor,
  threefry2x32,
  uniform,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { runs } from '../../support/soak.ts';

describe('threefry2x32', () => {
  // Random123's known answers for 20 rounds: key, counter, result.
  const known: [[number, number], [number, number], [number, number]][] = [
    [
      [0, 0],
      [0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x13198a2e, 0x03707344],
      [0x243f6a88, 0x85a308d3],
      [0xc4923a9c, 0x483df7a0],
    ],
  ];

  it.each(known)('key %j, counter %j', (key, counter, result) => {
    expect(threefry2x32(key, counter)).toEqual(result);
  });
});

describe('generators', () => {
  it('give the same numbers for the same seed, others for others, others in each draw', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (seed, other) => {
        const draw = (from: number) => uniform([8], 0, 1, { generator: new Generator(from) });
        expectSame(draw(seed), draw(seed));
        if (seed !== other) expect(draw(seed).toArray()).not.toEqual(draw(other).toArray());
        const generator = new Generator(seed);
        const [first, second] = [1, 2].map(() => uniform([8], 0, 1, { generator }));
        expect(first.toArray()).not.toEqual(second.toArray());
      }),
    );
  });

  it('go on from a saved state', () => {
    const generator = new Generator(5);
    uniform([3], 0, 1, { generator });
    const saved = generator.state.detach();
    const next = uniform([3], 0, 1, { generator });
    const restored = new Generator();
    restored.state.assign(saved);
    expectSame(uniform([3], 0, 1, { generator: restored }), next);
  });

  it('split into streams that share nothing with each other or with what follows', () => {
    const draw = (generator: Generator) => uniform([16], 0, 1, { generator }).data.join();
    const parent = new Generator(7);
    const streams = [...parent.split(4), parent].map(draw);
    expect(new Set(streams).size).toBe(5);
    expect(new Generator(7).split(4).map(draw)).toEqual(streams.slice(0, 4));
  });

  it('manualSeed starts the default stream again, and refuses what is no seed', () => {
    manualSeed(3);
    const first = normal([4]);
    manualSeed(3);
    expectSame(normal([4]), first);
    expect(() => manualSeed(-1)).toThrow('manualSeed: seed is -1, expected a whole number from 0');
    expect(() => new Generator(0.5)).toThrow('manualSeed: seed is 0.5, expected a whole number');
  });
});

it('refuses numbers that the dtype does not hold, which would be infinite', () => {
  expect(() => uniform([2], -3e38, 3e38)).toThrow('uniform: the numbers, -3e+38 + 6e+38 · x,');
  expect(() => normal([2], 0, 1e39)).toThrow('normal: the numbers, 0 + 1e+39 · x, are out of the');
  expect(() => uniform([2], -1e308, 1e308, { dtype: 'f64' })).toThrow('out of the range of f64');
  const { data } = uniform([100], -3e38, 3e38, { dtype: 'f64' });
  expect(data.every((value) => Math.abs(value) <= 3e38)).toBe(true);
});

describe('the bits of a seed', () => {
  const generator = () => new Generator(42);
  const f64 = 'f64' as const;

  it.each([
    ['uniform', uniform([3], 0, 1, { generator: generator() }),
      [0.8690483570098877, 0.15063238143920898, 0.5203206539154053]],
    ['uniform with bounds', uniform([3], -2, 3, { generator: generator() }),
      [2.3452415466308594, -1.246838092803955, 0.6016032695770264]],
    ['uniform in f64', uniform([3], -2, 3, { generator: generator(), dtype: f64 }),
      [2.345242000778966, -1.2468379659196909, 0.6016033185954113]],
    ['normal', normal([3], 0, 1, { generator: generator() }),
      [1.6411590576171875, -0.17136822640895844, 1.0694828033447266]],
    ['normal with mean and std', normal([3], 1, 0.5, { generator: generator() }),
      [1.8205795288085938, 0.9143158793449402, 1.5347414016723633]],
    ['normal in f64', normal([3], 1, 0.5, { generator: generator(), dtype: f64 }),
      [1.8205796521553002, 0.9143158420766139, 1.534741394933377]],
    ['integers', integers([3], -1000, 1000, generator()), [738, -699, 40]],
    ['bernoulli', bernoulli([8], 0.5, { generator: generator() }), [0, 1, 0, 1, 0, 1, 0, 0]],
    ['permutation', permutation(6, generator()), [1, 3, 5, 2, 4, 0]],
  ])('are always those of %s', (_name, drawn, expected) => {
    expect(Array.from(drawn.data)).toEqual(expected);
  });

  // Hashes of so many numbers that kernels make them.
  it.each([
    ['uniform', (n: number) => uniform([n], -1, 1, { generator: generator() }), '9798f0c0f753f64e'],
    ['normal', (n: number) => normal([n], 0.5, 2, { generator: generator() }), 'fbeb754e9f7ca411'],
    ['integers', (n: number) => integers([n], -7, 1000, generator()), 'fed13295f2b8799a'],
    ['uniform in f64', (n: number) => uniform([n], 0, 1, { generator: generator(), dtype: f64 }),
      '42e844710659ef42'],
  ])('are always those of a hundred thousand of %s', (_name, draw, expected) => {
    const { data } = draw(100_003);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    expect(createHash('sha256').update(bytes).digest('hex').slice(0, 16)).toBe(expected);
  });

  it('do not depend on how many are drawn', () => {
    const draws = {
      uniform: (n: number) => uniform([n], -1, 2, { generator: generator() }),
      normal: (n: number) => normal([n], 1, 3, { generator: generator() }),
      normal64: (n: number) => normal([n], 1, 3, { generator: generator(), dtype: f64 }),
      integers: (n: number) => integers([n], -5, 70, generator()),
    };
    for (const draw of Object.values(draws)) {
      const all = draw(3000).data;
      fc.assert(
        fc.property(fc.oneof(fc.nat(9), fc.integer({ min: 1019, max: 1030 }), fc.nat(3000)), (
          n,
        ) => {
          expect(draw(n).data).toEqual(all.slice(0, n));
        }),
        { numRuns: runs(20) },
      );
    }
  });

  it('go on after a draw, which uniform counts once and normal twice', () => {
    const stream = generator();
    uniform([5], 0, 1, { generator: stream });
    expect(Array.from(stream.state.data)).toEqual([42, 0, 1]);
    normal([0], 0, 1, { generator: stream });
    expect(Array.from(stream.state.data)).toEqual([42, 0, 3]);
  });
});

describe('distributions', () => {
  const count = 100_000;
  const moments = (data: ArrayLike<number>) => {
    const values = Array.from(data);
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
    return { mean, variance };
  };

  it.each(['f32', 'f64'] as const)('uniform covers [0, 1) evenly in %s', (dtype) => {
    const { data } = uniform([count], 0, 1, { dtype, generator: new Generator(11) });
    const { mean, variance } = moments(data);
    expect(Math.min(...data.subarray(0, 1000))).toBeGreaterThanOrEqual(0);
    expect(data.every((value: number) => value >= 0 && value < 1)).toBe(true);
    // Five standard errors of the mean and of the variance of a hundred thousand draws.
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / count));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / count));
  });

  /** The largest distance between the distribution of a sample and the one it should have. */
  const distance = (sample: Tensor, distribution: (x: number) => number): number => {
    const sorted = Float64Array.from(sample.data).sort();
    return sorted.reduce((worst, x, i) => {
      const expected = distribution(x);
      const n = sorted.length;
      return Math.max(worst, expected - i / n, (i + 1) / n - expected);
    }, 0);
  };

  it('passes the test of Kolmogorov and Smirnov over many seeds', () => {
    const n = 2000;
    const seeds = Array.from({ length: 100 }, (_, seed) => seed);
    const spread = (draw: (generator: Generator) => number) =>
      seeds.map((seed) => Math.sqrt(n) * draw(new Generator(seed)));
    const flat = spread((generator) =>
      distance(uniform([n], 0, 1, { dtype: 'f64', generator }), (x) => x),
    );
    const bell = spread((generator) => {
      const sample = normal([n], 0, 1, { dtype: 'f64', generator });
      // Φ(x) = (1 + erf(x/√2)) / 2
      const phi = sample.mul(Math.SQRT1_2).erf().add(1).mul(0.5);
      return distance(phi, (x) => x);
    });
    for (const values of [flat, bell]) {
      // Of good samples one in a thousand is above 1.95, and half are above 0.83.
      expect(values.filter((value) => value > 1.95).length).toBeLessThanOrEqual(2);
      const upper = values.filter((value) => value > 0.83).length;
      expect(upper).toBeGreaterThan(25);
      expect(upper).toBeLessThan(75);
    }
  });

  it('integers are all alike, bounds included or not as said', () => {
    const sample = integers([60_000], -2, 4, new Generator(3));
    expect(sample.dtype).toBe('i32');
    const counts = [-2, -1, 0, 1, 2, 3].map((value) => sample.equal(value).sum().item());
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(60_000);
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    const whole = integers([1000], -(2 ** 31), 2 ** 31, new Generator(4));
    expect(whole.min().item()).toBeLessThan(-(2 ** 30));
    expect(whole.max().item()).toBeGreaterThan(2 ** 30);
    expect(() => integers([1], 3, 3)).toThrow(
      'integers: there is no i32 from 3 up to, not including, 3',
    );
  });

  it('bernoulli gives ones with their probability', () => {
    const sample = bernoulli([100_000], 0.3, { generator: new Generator(5) });
    expect(sample.mean().item()).toBeCloseTo(0.3, 2);
    expect(sample.mul(sample.sub(1)).abs().max().item()).toBe(0);
    expect(() => bernoulli([1], 1.5)).toThrow(
      'bernoulli: probability is 1.5, expected a number from 0 to 1',
    );
  });

  it('permutation has every number once, every order alike', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 0, max: 50 }), (seed, count) => {
        const order = permutation(count, new Generator(seed));
        expect(Array.from(order.data).sort((a, b) => a - b)).toEqual(
          Array.from({ length: count }, (_, i) => i),
        );
      }),
    );
    const generator = new Generator(6);
    const orders = Array.from({ length: 6000 }, () => permutation(3, generator).data.join());
    for (const order of new Set(orders)) {
      expect(Math.abs(orders.filter((other) => other === order).length - 1000)).toBeLessThan(160);
    }
    expect(new Set(orders).size).toBe(6);
  });

  it('normal has the mean and deviation asked for', () => {
    const { data } = normal([count], 3, 2, { generator: new Generator(12) });
    const { mean, variance } = moments(data);
    expect(Math.abs(mean - 3)).toBeLessThan(5 * (2 / Math.sqrt(count)));
    expect(Math.abs(variance - 4)).toBeLessThan(5 * (4 * Math.sqrt(2 / count)));
    expect(data.every(Number.isFinite)).toBe(true);
  });
});
