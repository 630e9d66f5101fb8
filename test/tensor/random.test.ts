/** Threefry against its published vectors, and the streams made of it. */
import { Generator, manualSeed, normal, threefry2x32, uniform } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../support/compare.ts';

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
        const [first, second] = [uniform([8], 0, 1, { generator }), uniform([8], 0, 1, { generator })];
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

  it('manualSeed starts the default stream again, and refuses what is no seed', () => {
    manualSeed(3);
    const first = normal([4]);
    manualSeed(3);
    expectSame(normal([4]), first);
    expect(() => manualSeed(-1)).toThrow('manualSeed: -1 is no seed');
    expect(() => new Generator(0.5)).toThrow('manualSeed: 0.5 is no seed');
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

  it('normal has the mean and deviation asked for', () => {
    const { data } = normal([count], 3, 2, { generator: new Generator(12) });
    const { mean, variance } = moments(data);
    expect(Math.abs(mean - 3)).toBeLessThan(5 * (2 / Math.sqrt(count)));
    expect(Math.abs(variance - 4)).toBeLessThan(5 * (4 * Math.sqrt(2 / count)));
    expect(data.every(Number.isFinite)).toBe(true);
  });
});
