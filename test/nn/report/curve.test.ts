/** Curves: fewer points that draw the same picture, and means that follow their equation. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  extremesOf, indexOf, pointsToDraw, rangeOf, smooth,
} from '../../../packages/nn/src/report/curve.ts';

const values = fc.array(fc.oneof(
  fc.double({ min: -100, max: 100, noNaN: true }), fc.constantFrom(NaN, Infinity, -Infinity, 1e300),
), { maxLength: 60 });
const curve = values.chain((y) => fc.tuple(
  fc.array(fc.integer({ min: 1, max: 5 }), { minLength: y.length, maxLength: y.length }),
  fc.constant(y),
)).map(([gaps, y]) =>
  ({ x: gaps.map((_, i) => gaps.slice(0, i + 1).reduce((a, b) => a + b, 0)), y }),
);

test('each column keeps its first, lowest, highest and last point, and no more', () => {
  fc.assert(
    fc.property(curve, fc.integer({ min: 1, max: 40 }), ({ x, y }, columns) => {
      const kept = pointsToDraw({ x, y }, columns).flat();
      expect(kept).toEqual([...kept].sort((a, b) => a - b));
      const span = x[x.length - 1] - x[0];
      const columnOf = (i: number) => span === 0 ? 0
        : Math.min(Math.floor((x[i] - x[0]) * (columns / span)), columns - 1);
      for (let column = 0; column < columns; column++) {
        const all =
          y.flatMap((value, i) => Number.isFinite(value) && columnOf(i) === column ? [i] : []);
        const left = kept.filter((i) => columnOf(i) === column);
        expect(left.length).toBeLessThanOrEqual(4);
        if (all.length === 0) {
          expect(left).toEqual([]);
          continue;
        }
        expect([left[0], left[left.length - 1]]).toEqual([all[0], all[all.length - 1]]);
        expect(rangeOf([left.map((i) => y[i])])).toEqual(rangeOf([all.map((i) => y[i])]));
      }
    }),
  );
});

test('a curve of fewer points than columns keeps them all, and breaks where values are not finite', () => {
  fc.assert(
    fc.property(values, (y) => {
      const parts = pointsToDraw({ x: y.map((_, i) => i), y }, 1000);
      const expected = y.map((value) => Number.isFinite(value) ? 'x' : ' ').join('');
      expect(parts.map(({ length }) => 'x'.repeat(length))).toEqual(
        expected.split(/ +/).filter(Boolean),
      );
      expect(parts.flat()).toEqual(y.flatMap((value, i) => Number.isFinite(value) ? [i] : []));
    }),
  );
});

test('smoothing is the mean of its equation, over the finite values', () => {
  fc.assert(
    fc.property(values, fc.double({ min: 0.1, max: 30, noNaN: true }), (y, distance) => {
      const found = smooth(y, distance);
      expect(found).toHaveLength(y.length);
      y.forEach((value, i) => {
        if (!Number.isFinite(value)) return expect(found[i]).toBeNaN();
        let [sum, weights] = [0, 0];
        y.forEach((other, j) => {
          const weight = Math.exp(-Math.abs(i - j) / distance);
          if (Number.isFinite(other)) [sum, weights] = [sum + weight * other, weights + weight];
        });
        const size = Math.max(1, ...y.filter(Number.isFinite).map(Math.abs));
        // A huge value must not cost its distant neighbours their digits.
        const near = y.some((other) => other === 1e300) ? Math.abs(sum / weights) : size;
        expect(Math.abs(found[i] - sum / weights)).toBeLessThanOrEqual(1e-9 * (near + 1));
      });
    }),
  );
});

test('a spike leaves values far from it as they are', () => {
  const y = Array.from({ length: 2000 }, (_, i) => (i === 1000 ? 1e20 : 1));
  const found = smooth(y, 2);
  expect(found[0]).toBeCloseTo(1, 12);
  expect(found[1999]).toBeCloseTo(1, 12);
});

test('extremes and places are found', () => {
  expect(extremesOf([NaN, 3, -1, Infinity, 7])).toEqual([2, 4]);
  expect(extremesOf([NaN])).toEqual([]);
  expect(rangeOf([[NaN], []])).toEqual([NaN, NaN]);
  const numbers = fc.array(fc.nat(50)).map((all) => [...new Set(all)].sort((a, b) => a - b));
  fc.assert(fc.property(numbers, fc.nat(55), (all, x) => {
    const expected = all.findIndex((each) => each >= x);
    expect(indexOf(all, x)).toBe(expected < 0 ? all.length : expected);
  }));
});
